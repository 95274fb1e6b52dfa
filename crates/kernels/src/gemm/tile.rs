//! The microkernel: one tile of C, held in registers while k goes by.
//!
//! After Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008). Rows of A are
//! broadcast word by word, rows of B loaded as vectors: 12 × 32 on AVX-512, 6 × 16 on AVX2, 4 × 8 elsewhere.

use super::pack;
use crate::simd::{self, Simd};

/// C[rows, columns] = alpha · A · B + bias, or += . A word is an f32, or a pair of bf16 along k.
pub struct Tile {
    /// Words along k.
    pub depth: usize,
    pub a: *const f32,
    /// Words from one row of A to the next; from one k to the next where A lies in columns.
    pub a_stride: usize,
    pub b: *const f32,
    pub b_stride: usize,
    pub c: *mut f32,
    pub c_stride: usize,
    pub alpha: f32,
    /// Whether C's old value is added.
    pub accumulate: bool,
    /// Of these columns, or null.
    pub bias: *const f32,
    pub columns: usize,
}

/// Repeats a statement for each row of the tallest tile: what is indexed by a constant stays in registers.
macro_rules! for_rows {
    ($row:ident => $body:block) => {
        for_rows!(@ $row => $body; 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $row:ident => $body:block; $($i:literal)+) => {
        $({
            const $row: usize = $i;
            if $row < ROWS $body
        })+
    };
}

/// # Safety
/// As `Simd`; the pointers are valid for the tile, and B's rows for whole registers.
#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const WIDTH: usize, const IN_COLUMNS: bool>(t: &Tile) {
    unsafe {
        let mut left = [S::splat(0.0); 12];
        let mut right = [S::splat(0.0); 12];
        let at = |row: usize, column: usize| t.c.add(row * t.c_stride + column * S::LANES);
        for_rows!(ROW => {
            S::prefetch(at(ROW, 0));
        });
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.depth {
            let first = S::load(b);
            let second = if WIDTH > 1 { S::load(b.add(S::LANES)) } else { first };
            for_rows!(ROW => {
                let word = S::splat(
                    a.add(if IN_COLUMNS { ROW } else { ROW * t.a_stride }).read_unaligned(),
                );
                left[ROW] = S::dot(word, first, left[ROW]);
                if WIDTH > 1 {
                    right[ROW] = S::dot(word, second, right[ROW]);
                }
            });
            a = a.add(if IN_COLUMNS { t.a_stride } else { 1 });
            b = b.add(t.b_stride);
        }
        let alpha = S::splat(t.alpha);
        macro_rules! store_column {
            ($sums:ident, $column:literal) => {
                let present = t.columns.saturating_sub($column * S::LANES);
                if present >= S::LANES {
                    let bias = if t.bias.is_null() {
                        S::splat(0.0)
                    } else {
                        S::load(t.bias.add($column * S::LANES))
                    };
                    for_rows!(ROW => {
                        let to = at(ROW, $column);
                        let base = if t.accumulate { S::add(S::load(to), bias) } else { bias };
                        S::store(to, S::fma(alpha, $sums[ROW], base));
                    });
                } else if present > 0 {
                    let bias = if t.bias.is_null() {
                        S::splat(0.0)
                    } else {
                        S::load_part(t.bias.add($column * S::LANES), present)
                    };
                    for_rows!(ROW => {
                        let to = at(ROW, $column);
                        let base = if t.accumulate {
                            S::add(S::load_part(to, present), bias)
                        } else {
                            bias
                        };
                        S::store_part(to, S::fma(alpha, $sums[ROW], base), present);
                    });
                }
            };
        }
        store_column!(left, 0);
        if WIDTH > 1 {
            store_column!(right, 1);
        }
    }
}

/// What the driver needs of an instruction set.
///
/// # Safety
/// The methods may be called only where `isa()` says that the machine has the set.
pub unsafe trait Micro {
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile, and of a packed panel of B.
    const COLUMNS: usize;
    /// Whether a word is a pair of bf16.
    const PAIRS: bool;

    /// A tile of 1 to `ROWS` rows.
    unsafe fn tile(rows: usize, in_columns: bool, tile: &Tile);
    /// See `pack::panel`.
    unsafe fn pack_panel(b: &pack::Panel, to: *mut f32);
    /// See `pack::block`.
    unsafe fn pack_block(a: &pack::Block, to: *mut f32);
}

macro_rules! micro {
    ($(#[$meta:meta])* $name:ident, $simd:ty, $features:literal, pairs: $pairs:literal, rows: $($rows:literal)+) => {
        $(#[$meta])*
        pub struct $name;

        $(#[$meta])*
        const _: () = {
            #[target_feature(enable = $features)]
            unsafe fn run<const ROWS: usize, const WIDTH: usize, const IN_COLUMNS: bool>(t: &Tile) {
                unsafe { tile::<$simd, ROWS, WIDTH, IN_COLUMNS>(t) }
            }

            #[target_feature(enable = $features)]
            unsafe fn panel(b: &pack::Panel, to: *mut f32) {
                unsafe { pack::panel::<$simd, $pairs>(b, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn block(a: &pack::Block, to: *mut f32) {
                unsafe { pack::block::<$simd, $pairs>(a, to) }
            }

            // SAFETY: the functions enable the features of the type.
            unsafe impl Micro for $name {
                const ROWS: usize = { let mut most = 0; $(if $rows > most { most = $rows; })+ most };
                const COLUMNS: usize = 2 * <$simd>::LANES;
                const PAIRS: bool = $pairs;

                unsafe fn tile(rows: usize, in_columns: bool, t: &Tile) {
                    let wide = t.columns > <$simd>::LANES;
                    unsafe {
                        match (rows, wide, in_columns) {
                            $(
                                ($rows, true, false) => run::<$rows, 2, false>(t),
                                ($rows, true, true) => run::<$rows, 2, true>(t),
                                ($rows, false, false) => run::<$rows, 1, false>(t),
                                ($rows, false, true) => run::<$rows, 1, true>(t),
                            )+
                            _ => unreachable!("no tile of {rows} rows"),
                        }
                    }
                }
                unsafe fn pack_panel(b: &pack::Panel, to: *mut f32) {
                    unsafe { panel(b, to) }
                }
                unsafe fn pack_block(a: &pack::Block, to: *mut f32) {
                    unsafe { block(a, to) }
                }
            }
        };
    };
}

micro!(
    #[cfg(target_arch = "x86_64")]
    Avx512, simd::Avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: false,
    rows: 1 2 3 4 5 6 7 8 9 10 11 12
);
micro!(
    #[cfg(target_arch = "x86_64")]
    Avx512Dot, simd::Avx512Dot, "avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: true,
    rows: 1 2 3 4 5 6 7 8 9 10 11 12
);
micro!(
    #[cfg(target_arch = "x86_64")]
    Avx2, simd::Avx2, "avx2,fma,f16c", pairs: false,
    rows: 1 2 3 4 5 6
);
#[cfg(target_arch = "x86_64")]
micro!(Portable, simd::Portable, "sse2", pairs: false, rows: 1 2 3 4);
#[cfg(target_arch = "aarch64")]
micro!(Portable, simd::Portable, "neon", pairs: false, rows: 1 2 3 4);
