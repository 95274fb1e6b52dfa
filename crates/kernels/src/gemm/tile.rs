//! The microkernel: one tile of C, held in registers while k goes by.
//!
//! After Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008). Rows of A are
//! broadcast word by word, rows of B loaded as vectors: 12 × 32 on AVX-512, 6 × 16 on AVX2, 4 × 8 elsewhere.

use super::pack;
use super::words::{Floats, Floats512, Pairs, Quads, Words};
use crate::simd::{self, Simd};

/// The operands of a tile along a range of k. A word is an f32, or a pair of bf16 along k.
pub struct Part {
    /// Words along k.
    pub depth: usize,
    pub a: *const f32,
    /// Words from one row of A to the next; from one k to the next where A lies in columns.
    pub a_stride: usize,
    pub b: *const f32,
    /// Numbers from one row of B to the next.
    pub b_stride: usize,
}

/// C[rows, columns] = alpha · A · B + bias, or += .
pub struct Tile {
    pub part: Part,
    /// What is added to the same sums, where `Micro::BY_REGISTERS`.
    pub more: Option<Part>,
    pub c: *mut f32,
    pub c_stride: usize,
    pub alpha: f32,
    /// Whether C's old value is added.
    pub accumulate: bool,
    /// Of these columns, or null.
    pub bias: *const f32,
    /// A tile's, or those of several beside one another where `Micro::PANELS_STAY`.
    pub columns: usize,
    /// Numbers from one tile's part of B to the next one's.
    pub b_step: usize,
    /// Whether B's rows are bf16 as they lie, beside an A of f32 in columns.
    pub halves: bool,
    /// What comes into the second-level cache meanwhile: a cache line for every `Micro::AHEAD` words along k.
    pub ahead: *const f32,
}

#[inline(always)]
fn prefetch_second_level(_from: *const f32) {
    // SAFETY: a prefetch reads nothing that a program could see, and never faults.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(_from.cast());
    }
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
unsafe fn tile<
    S: Simd,
    W: Words<S>,
    const ROWS: usize,
    const WIDTH: usize,
    const IN_COLUMNS: bool,
    const STRIP: usize,
    const HALVES: bool,
>(
    t: &Tile,
) {
    unsafe {
        // Strides that are constants leave nothing to add in the loop.
        let a_stride = if STRIP > 0 { STRIP } else { t.part.a_stride };
        let b_stride = if STRIP > 0 { 2 * S::LANES } else { t.part.b_stride };
        let size = if HALVES { 2 } else { 4 };
        let alpha = S::splat(t.alpha);
        for (index, first) in (0..t.columns).step_by(2 * S::LANES).enumerate() {
            let mut left = [S::splat(0.0); 12];
            let mut right = [S::splat(0.0); 12];
            let from = index * t.b_step * size;
            let mut b = t.part.b.wrapping_byte_add(from);
            let mut ahead = t.ahead.wrapping_byte_add(from);
            let columns = t.columns - first;
            let c = t.c.wrapping_add(first);
            let at =
                |row: usize, column: usize| c.wrapping_add(row * t.c_stride + column * S::LANES);
            for_rows!(ROW => {
                S::prefetch(at(ROW, 0));
            });
            // Rows in pairs: an address is a base, or a base and the stride.
            let mut bases: [_; 6] = std::array::from_fn(|pair| {
                if IN_COLUMNS { t.part.a } else { t.part.a.wrapping_add(2 * pair * a_stride) }
            });
            macro_rules! step {
                ($k:literal) => {
                    let b = b.wrapping_byte_add($k * size * b_stride);
                    let load = |b: *const f32| {
                        if HALVES { S::load_bf16(b.cast()) } else { S::load(b) }
                    };
                    let first = load(b);
                    let beside = b.wrapping_byte_add(size * S::LANES);
                    let second = if WIDTH > 1 { load(beside) } else { first };
                    if IN_COLUMNS && STRIP == 0 && WIDTH > 1 {
                        // Where B lies by long rows, what is beside them is read next, and nothing else would foresee it.
                        prefetch_second_level(b.wrapping_byte_add(2 * size * S::LANES));
                        if !HALVES {
                            prefetch_second_level(b.wrapping_add(3 * S::LANES));
                        }
                    }
                    let words = bases[0].wrapping_add($k * a_stride);
                    for_rows!(ROW => {
                        let sums = (&mut left[ROW], &mut right[ROW]);
                        if IN_COLUMNS {
                            W::add::<{ ROW % 3 == 2 }, { 4 * ROW }, WIDTH>(words, 0, (first, second), sums);
                        } else {
                            let base = bases[ROW / 2];
                            W::add::<{ ROW % 2 == 1 }, { 4 * $k }, WIDTH>(base, a_stride, (first, second), sums);
                        }
                    });
                };
            }
            macro_rules! go {
                ($steps:literal) => {
                    let by = if IN_COLUMNS { $steps * a_stride } else { $steps };
                    for base in &mut bases {
                        *base = base.wrapping_add(by);
                    }
                    b = b.wrapping_byte_add($steps * size * b_stride);
                };
            }
            for _ in 0..t.part.depth / 4 {
                prefetch_second_level(ahead);
                ahead = ahead.wrapping_add(16);
                step!(0);
                step!(1);
                step!(2);
                step!(3);
                go!(4);
            }
            for _ in 0..t.part.depth % 4 {
                step!(0);
                go!(1);
            }
            macro_rules! store_column {
                ($sums:ident, $column:literal) => {
                    let present = columns.saturating_sub($column * S::LANES).min(S::LANES);
                    let whole = present == S::LANES;
                    let load = |from: *const f32| {
                        if whole { S::load(from) } else { S::load_part(from, present) }
                    };
                    if present > 0 {
                        let bias = if t.bias.is_null() {
                            S::splat(0.0)
                        } else {
                            load(t.bias.add(first + $column * S::LANES))
                        };
                        for_rows!(ROW => {
                            let to = at(ROW, $column);
                            let base = match (t.accumulate, t.bias.is_null()) {
                                (true, true) => load(to),
                                (true, false) => S::add(load(to), bias),
                                (false, _) => bias,
                            };
                            let sum = W::settle(alpha, $sums[ROW], base);
                            if whole { S::store(to, sum) } else { S::store_part(to, sum, present) }
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
}

/// Sums that the probe of the peak keeps apart: more than units times their latency.
const CHAINS: usize = 12;

/// `CHAINS` multiply-adds a round, each on the result of the one before. Sums grow slowly: products of subnormal
/// numbers would take a hundred times as long on some processors.
#[inline(always)]
unsafe fn burst<S: Simd, W: Words<S>>(rounds: usize) -> f32 {
    unsafe {
        let mut chains = [S::splat(1.0); CHAINS];
        let by = S::splat(-0.001);
        for _ in 0..rounds {
            for chain in chains.iter_mut() {
                *chain = W::dot(by, by, *chain);
            }
        }
        chains.iter().map(|chain| S::sum(*chain)).sum()
    }
}

/// What the driver needs of an instruction set.
///
/// # Safety
/// The methods may be called only where `isa()` says that the machine has the set.
pub unsafe trait Micro: 'static {
    /// Rows of a tile.
    const ROWS: usize;
    /// Rows of a tile of one register's columns: as many as keep the multiply-add units busy.
    const NARROW_ROWS: usize;
    /// Lanes of a register.
    const LANES: usize;
    /// Columns of a tile, and of a packed panel of B.
    const COLUMNS: usize;
    /// Whether a word is a pair of bf16.
    const PAIRS: bool;
    /// Whether a number is the sum of three bf16, which are words of their own.
    const THIRDS: bool = false;
    /// Codes of eight bits in a word; 0 where words are floats.
    const CODES: usize;
    /// Numbers along k whose words are multiplied together, and those words.
    const NUMBERS: usize;
    const WORDS: usize = 1;
    /// Words along k of a chunk, at most: beside a panel of B, rows of A must fit the first-level cache.
    const DEPTH: usize;
    /// Whether a tile takes A by rows alone; packed operands have zeros up to the words that are multiplied together.
    const BY_REGISTERS: bool = false;
    /// Bytes from row to row whose multiples make too many rows of a tile meet in one place of the first-level cache.
    const ALIASES: usize;
    /// Words along k for which a tile has one cache line come.
    const AHEAD: usize = 4;
    /// Panels that a task should have at least, lest A's rows are read too often.
    const LEAST_PANELS: usize = 3;
    /// Rows that a task should have at least which packs all columns.
    const LEAST_ROWS: usize = 192;
    /// Multiply-adds of words in a round of `burst`.
    const BURST: usize = CHAINS * Self::LANES;
    /// Tiles of as many columns whose words are f32.
    type Single: Micro;

    /// Whether panels of B stay in the second-level cache while blocks of rows of A go past them, or the other way round.
    const PANELS_STAY: bool;

    /// Words along k of `count` numbers.
    fn words(count: usize) -> usize {
        count.div_ceil(Self::NUMBERS) * Self::WORDS
    }

    /// A tile of 1 to `ROWS` rows, `NARROW_ROWS` where its columns fit one register.
    unsafe fn tile(rows: usize, in_columns: bool, tile: &Tile);
    /// What the probe of the peak does.
    unsafe fn burst(rounds: usize) -> f32;
    /// See `pack::panel`.
    unsafe fn pack_panel(b: &pack::Panel, to: *mut f32);
    /// See `pack::block`.
    unsafe fn pack_block(a: &pack::Block, to: *mut f32);
    /// See `pack::strips` and, for rows of f32 words or of bf16 to be f32, `pack::turned_strips`.
    unsafe fn pack_strips(a: &pack::Block, to: *mut f32);
    /// A thread has no more tiles for now.
    fn done() {}
}

macro_rules! micro {
    ($(#[$meta:meta])* $name:ident, $simd:ty, $words:ty, $features:literal, pairs: $pairs:literal, codes: $codes:literal,
        single: $single:ident, depth: $depth:literal, panels_stay: $stays:literal, aliases: $aliases:literal,
        rows: $($rows:literal)+, narrow: $($narrow:literal)+) => {
        $(#[$meta])*
        pub struct $name;

        $(#[$meta])*
        const _: () = {
            #[target_feature(enable = $features)]
            unsafe fn run<
                const ROWS: usize,
                const WIDTH: usize,
                const IN_COLUMNS: bool,
                const STRIP: usize,
                const HALVES: bool,
            >(
                t: &Tile,
            ) {
                unsafe { tile::<$simd, $words, ROWS, WIDTH, IN_COLUMNS, STRIP, HALVES>(t) }
            }

            #[target_feature(enable = $features)]
            unsafe fn chains(rounds: usize) -> f32 {
                unsafe { burst::<$simd, $words>(rounds) }
            }

            #[target_feature(enable = $features)]
            unsafe fn panel(b: &pack::Panel, to: *mut f32) {
                unsafe { pack::panel::<$simd, $pairs>(b, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn block(a: &pack::Block, to: *mut f32) {
                unsafe { pack::block::<$simd, $pairs>(a, to) }
            }

            #[target_feature(enable = $features)]
            unsafe fn strips(a: &pack::Block, to: *mut f32) {
                unsafe {
                    if a.transposed {
                        pack::strips::<$simd, $pairs>(a, <$name as Micro>::ROWS, to)
                    } else {
                        pack::turned_strips::<$simd>(a, <$name as Micro>::ROWS, to)
                    }
                }
            }

            // SAFETY: the functions enable the features of the type.
            unsafe impl Micro for $name {
                const ROWS: usize = { let mut most = 0; $(if $rows > most { most = $rows; })+ most };
                const NARROW_ROWS: usize = { let mut most = 0; $(if $narrow > most { most = $narrow; })+ most };
                const LANES: usize = <$simd>::LANES;
                const PANELS_STAY: bool = $stays;
                const ALIASES: usize = $aliases;
                const COLUMNS: usize = 2 * <$simd>::LANES;
                const PAIRS: bool = $pairs;
                const CODES: usize = $codes;
                const NUMBERS: usize = if $pairs { 2 } else { 1 };
                const DEPTH: usize = $depth;
                type Single = $single;

                unsafe fn tile(rows: usize, in_columns: bool, t: &Tile) {
                    const STRIP: usize = <$name as Micro>::ROWS;
                    let wide = t.columns > <$simd>::LANES;
                    let packed = in_columns
                        && !t.halves
                        && t.part.a_stride == Self::ROWS
                        && t.part.b_stride == Self::COLUMNS;
                    unsafe {
                        match (rows, wide, in_columns) {
                            $(
                                ($rows, true, true) if packed => run::<$rows, 2, true, STRIP, false>(t),
                                ($rows, true, false) => run::<$rows, 2, false, 0, false>(t),
                                ($rows, true, true) if t.halves => run::<$rows, 2, true, 0, true>(t),
                                // Codes lie by rows, or in strips.
                                ($rows, true, true) if $codes == 0 => run::<$rows, 2, true, 0, false>(t),
                            )+
                            $(
                                ($narrow, false, false) => run::<$narrow, 1, false, 0, false>(t),
                                ($narrow, false, true) => run::<$narrow, 1, true, 0, false>(t),
                            )+
                            _ => unreachable!("no tile of {rows} rows"),
                        }
                    }
                }
                unsafe fn burst(rounds: usize) -> f32 {
                    unsafe { chains(rounds) }
                }
                unsafe fn pack_panel(b: &pack::Panel, to: *mut f32) {
                    unsafe { panel(b, to) }
                }
                unsafe fn pack_block(a: &pack::Block, to: *mut f32) {
                    unsafe { block(a, to) }
                }
                unsafe fn pack_strips(a: &pack::Block, to: *mut f32) {
                    unsafe { strips(a, to) }
                }
            }
        };
    };
}

/// What a set's tiles have in common, whatever their words are.
macro_rules! micros {
    (avx512, $name:ident, $simd:ty, $words:ty, $features:literal, pairs: $pairs:literal, codes: $codes:literal) => {
        micro!(
            #[cfg(target_arch = "x86_64")]
            $name, $simd, $words, $features, pairs: $pairs, codes: $codes, single: Avx512, depth: 384,
            panels_stay: false, aliases: 4096, rows: 1 2 3 4 5 6 7 8 9 10 11 12, narrow: 1 2 3 4 5 6 7 8 9 10 11 12
        );
    };
    (avx2, $name:ident, $words:ty, codes: $codes:literal) => {
        micro!(
            #[cfg(target_arch = "x86_64")]
            $name, simd::Avx2, $words, "avx2,fma,f16c", pairs: false, codes: $codes, single: Avx2, depth: 288,
            panels_stay: true, aliases: 1024, rows: 1 2 3 4 5 6, narrow: 1 2 3 4 5 6 7 8
        );
    };
    (portable, $name:ident, $words:ty, $features:literal, codes: $codes:literal) => {
        micro!(
            $name, simd::Portable, $words, $features, pairs: false, codes: $codes, single: Portable, depth: 288,
            panels_stay: true, aliases: 1024, rows: 1 2 3 4, narrow: 1 2 3 4
        );
    };
}

micros!(avx512, Avx512, simd::Avx512, Floats512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: false, codes: 0);
micros!(avx512, Avx512Dot, simd::Avx512Dot, Floats512, "avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: true, codes: 0);
micros!(avx512, Avx512Pairs, simd::Avx512, Pairs, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: false, codes: 2);
micros!(avx512, Avx512Quads, simd::Avx512, Quads, "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", pairs: false, codes: 4);
micros!(avx2, Avx2, Floats, codes: 0);
micros!(avx2, Avx2Pairs, Pairs, codes: 2);
#[cfg(target_arch = "x86_64")]
micros!(portable, Portable, Floats, "sse2", codes: 0);
#[cfg(target_arch = "x86_64")]
micros!(portable, PortablePairs, Pairs, "sse2", codes: 2);
#[cfg(target_arch = "aarch64")]
micros!(portable, Portable, Floats, "neon", codes: 0);
#[cfg(target_arch = "aarch64")]
micros!(portable, PortablePairs, Pairs, "neon", codes: 2);
