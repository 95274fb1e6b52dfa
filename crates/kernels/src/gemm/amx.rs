//! Tiles of 32 × 32 on AMX, of which each half has two registers of 16 × 16 sums above each other; of numbers in pieces
//! 16 × 32, of which each half has one. A register's row is a cache line along k, so that A is read by rows, and B as the
//! panels of `pack` or of `thirds` have it.
//!
//! A core has few registers beside the eight that its threads name, and a neighbor on its other thread takes its share.
//! Each load and each product takes a new one, and gives back what its name had only when it is done: the fewer names hold
//! something, the more go on at once. So a half is summed after the other, and a register that has served is set to zero,
//! which takes none: 1.8 times as fast beside a neighbor, and no slower alone. Pieces, which are used again and again, want
//! no more than one register each of A, of B and of sums: 1.4 times as fast again beside a neighbor.

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::mem::MaybeUninit;

use super::tile::{Avx512, Micro, Part, Tile};
use super::{pack, thirds};
use crate::simd;

/// Rows and columns of a tile register of sums; its words along k where it holds an operand.
const SIDE: usize = 16;
const ROWS: usize = 2 * SIDE;
const COLUMNS: usize = 2 * SIDE;

#[repr(C, align(64))]
struct Buffer<const N: usize>([f32; N]);

/// What `ldtilecfg` reads: Intel's Software Developer's Manual, table 3-10.
#[repr(C, align(64))]
#[derive(Default)]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 8],
    more_bytes: [u16; 8],
    rows: [u8; 8],
    more_rows: [u8; 8],
}

thread_local! {
    /// Rows of the tiles that this thread's registers are shaped for; 0 where they hold nothing.
    static SHAPED: Cell<usize> = const { Cell::new(0) };
}

/// Shapes this thread's registers for tiles of a number of rows.
unsafe fn shape(rows: usize) {
    if SHAPED.get() == rows {
        return;
    }
    let (upper, lower) = (rows.min(SIDE) as u8, rows.saturating_sub(SIDE).max(1) as u8);
    let shapes = Shapes {
        palette: 1,
        bytes: [64; 8],
        rows: [upper, upper, lower, lower, upper, lower, SIDE as u8, SIDE as u8],
        ..Shapes::default()
    };
    // SAFETY: a valid description, on a machine that has the registers.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, readonly)) };
    SHAPED.set(rows);
}

/// Gives the registers back: a thread that holds none costs the system less to switch.
fn release() {
    if SHAPED.replace(0) > 0 {
        // SAFETY: this thread had them shaped.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Where the operands of half a tile lie.
#[repr(C)]
struct Operands {
    /// Whole registers along k.
    steps: usize,
    a: *const f32,
    /// Rows of the registers below.
    below: *const f32,
    /// In bytes.
    a_stride: usize,
    b: *const f32,
}

impl Operands {
    fn new<M: Micro>(part: &Part, half: usize) -> Operands {
        debug_assert!(part.depth.is_multiple_of(M::WORDS) && part.b_stride == COLUMNS);
        Operands {
            steps: part.depth / M::WORDS,
            a: part.a,
            below: part.a.wrapping_add(SIDE * part.a_stride),
            a_stride: 4 * if M::THIRDS { SIDE } else { part.a_stride },
            b: part.b.wrapping_add(half * SIDE * if M::THIRDS { SIDE } else { 1 }),
        }
    }
}

/// Where the sums of half a tile go, its stride in bytes, and what comes near meanwhile.
struct Target {
    sums: *mut f32,
    below: *mut f32,
    stride: usize,
    /// Whether what is there is added to.
    begun: bool,
    ahead: *const f32,
}

/// Bytes from one row of a packed panel to the next, and of a register's rows of it.
const PANEL: usize = 4 * COLUMNS;
const REGISTER: usize = SIDE * PANEL;

/// What happens in a step along k. A number may be the sum of several pieces: then registers of each lie one after the other.
#[rustfmt::skip]
macro_rules! piece {
    (load_a $a:literal $from:literal $piece:literal) => {
        concat!("tileloadd ", $a, ", [", $from, " + {a_stride} + 1024 * ", $piece, "]")
    };
    (load_b $b:literal $piece:literal) => {
        concat!("tileloaddt1 ", $b, ", [{b} + {b_stride} + 2048 * ", $piece, "]")
    };
    (sum $instruction:literal $c:literal $a:literal $b:literal) => {
        concat!($instruction, " ", $c, ", ", $a, ", ", $b)
    };
    (free $register:literal) => { concat!("tilezero ", $register) };
}

/// Sums half a tile, step by step along k, in registers whose sums go where it says.
macro_rules! half {
    ($name:ident, pieces: $pieces:literal, b_stride: $b_stride:expr, $($c:literal $at:literal)+, $($line:expr),+) => {
        unsafe fn $name(first: &Operands, second: *const Operands, to: &Target) {
            // SAFETY: the caller's operands have room, and the registers are shaped. A's rows are read again for the next
            // panel, B's only after all others of it.
            unsafe {
                asm!(
                    "test {begun}, {begun}",
                    "jz 5f",
                    $(concat!("tileloadd ", $c, ", [", $at, " + {stride}]"),)+
                    "jmp 6f",
                    "5:",
                    $(concat!("tilezero ", $c),)+
                    "6:",
                    "mov {steps}, [{part}]",
                    "mov {a}, [{part} + 8]",
                    "mov {below}, [{part} + 16]",
                    "mov {a_stride}, [{part} + 24]",
                    "mov {b}, [{part} + 32]",
                    "test {steps}, {steps}",
                    "jz 3f",
                    "2:",
                    "prefetcht1 [{ahead}]",
                    "prefetcht1 [{ahead} + 64]",
                    "prefetcht1 [{ahead} + 128]",
                    "prefetcht1 [{ahead} + 192]",
                    $($line,)+
                    "add {a}, {a_next}",
                    "add {below}, {a_next}",
                    "add {b}, {b_next}",
                    "add {ahead}, 512",
                    "dec {steps}",
                    "jnz 2b",
                    "3:",
                    // The second part goes the same way.
                    "mov {part}, {second}",
                    "xor {second:e}, {second:e}",
                    "test {part}, {part}",
                    "jnz 6b",
                    $(concat!("tilestored [", $at, " + {stride}], ", $c),)+
                    $(concat!("tilezero ", $c),)+
                    "/* {sums_below} */",
                    begun = in(reg) usize::from(to.begun),
                    part = inout(reg) std::ptr::from_ref(first) => _,
                    second = inout(reg) second => _,
                    steps = out(reg) _,
                    a = out(reg) _,
                    below = out(reg) _,
                    a_stride = out(reg) _,
                    b = out(reg) _,
                    b_stride = in(reg) $b_stride,
                    a_next = const if $pieces == 1 { 64 } else { $pieces * REGISTER / 2 },
                    b_next = const REGISTER * $pieces,
                    ahead = inout(reg) to.ahead => _,
                    sums = in(reg) to.sums,
                    sums_below = in(reg) to.below,
                    stride = in(reg) to.stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

/// Half a tile whose numbers are of one piece: of up to 16 rows, and of more.
macro_rules! halves {
    ($halves:ident, $burst:ident, $instruction:literal) => {
        const $halves: [Sum; 2] = {
            half!(
                upper, pieces: 1, b_stride: PANEL, "tmm0" "{sums}",
                piece!(load_b "tmm6" 0),
                piece!(load_a "tmm4" "{a}" 0),
                piece!(sum $instruction "tmm0" "tmm4" "tmm6"),
                piece!(free "tmm4"),
                piece!(free "tmm6")
            );
            half!(
                both, pieces: 1, b_stride: PANEL, "tmm0" "{sums}" "tmm2" "{sums_below}",
                piece!(load_b "tmm6" 0),
                piece!(load_a "tmm4" "{a}" 0),
                piece!(sum $instruction "tmm0" "tmm4" "tmm6"),
                piece!(free "tmm4"),
                piece!(load_a "tmm5" "{below}" 0),
                piece!(sum $instruction "tmm2" "tmm5" "tmm6"),
                piece!(free "tmm5"),
                piece!(free "tmm6")
            );
            [upper, both]
        };

        /// Two products of whole registers a round, each added to what it has added to before.
        unsafe fn $burst(rounds: usize) {
            // SAFETY: the caller's machine has the registers, which `shape` has shaped.
            unsafe {
                shape(ROWS);
                asm!(
                    "tilezero tmm4",
                    "tilezero tmm6",
                    "tilezero tmm7",
                    "2:",
                    concat!($instruction, " tmm0, tmm4, tmm6"),
                    concat!($instruction, " tmm1, tmm4, tmm7"),
                    "dec {rounds}",
                    "jnz 2b",
                    rounds = inout(reg) rounds => _,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
            release();
        }
    };
}

halves!(PAIRS, burst_of_pairs, "tdpbf16ps");
halves!(QUADS, burst_of_quads, "tdpbusd");

/// Numbers that are sums of three bf16: the products of pieces that f32 could hold beside the largest
/// (Henry, Tang & Heinecke 2019, arXiv:1904.06376), in an order in which each has an operand of the one before. What of B
/// comes from the second-level cache is asked for first.
const THIRDS: [Sum; 2] = {
    half!(
        half, pieces: 3, b_stride: 4 * SIDE, "tmm0" "{sums}",
        piece!(load_b "tmm6" 1),
        piece!(load_a "tmm4" "{a}" 0),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm4"),
        piece!(load_a "tmm4" "{a}" 1),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm6"),
        piece!(load_b "tmm6" 0),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm4"),
        piece!(load_a "tmm4" "{a}" 2),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm4"),
        piece!(load_a "tmm4" "{a}" 0),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm6"),
        piece!(load_b "tmm6" 2),
        piece!(sum "tdpbf16ps" "tmm0" "tmm4" "tmm6"),
        piece!(free "tmm6"),
        piece!(free "tmm4")
    );
    [half, half]
};

type Sum = unsafe fn(&Operands, *const Operands, &Target);

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn tile<M: Micro>(rows: usize, t: &Tile, halves: [Sum; 2]) {
    let mut sums = MaybeUninit::<Buffer<{ ROWS * COLUMNS }>>::uninit();
    // Sums go on from what is there, as if what is added now had been added at once.
    let plain = M::CODES > 0 || t.alpha == 1.0;
    let begun = plain && (t.accumulate || !t.bias.is_null());
    let in_place = plain && t.bias.is_null() && t.columns == COLUMNS;
    // SAFETY: the tile's operands and its place in C are there, and the machine has the registers. What is read of the
    // sums is written first.
    unsafe {
        shape(rows);
        let (to, stride) =
            if in_place { (t.c, t.c_stride) } else { (sums.as_mut_ptr().cast(), COLUMNS) };
        if begun && !in_place {
            begin(rows, t, to);
        }
        let [upper, both] = halves;
        for half in 0..t.columns.div_ceil(SIDE) {
            let first = Operands::new::<M>(&t.part, half);
            let second = t.more.as_ref().map(|part| Operands::new::<M>(part, half));
            let sums = to.add(half * SIDE);
            let target = Target {
                sums,
                below: sums.wrapping_add(SIDE * stride),
                stride: 4 * stride,
                begun,
                ahead: t.ahead.wrapping_add(half * 64),
            };
            let second = second.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            if rows > SIDE {
                both(&first, second, &target);
            } else {
                upper(&first, second, &target);
            }
        }
        if !in_place {
            settle(rows, t, plain, to);
        }
    }
}

fn mask(t: &Tile, first: usize) -> u16 {
    let columns = SIDE.min(t.columns.saturating_sub(first));
    if columns == SIDE { !0 } else { (1 << columns) - 1 }
}

/// What C has and the bias, as the sums begin with them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn begin(rows: usize, t: &Tile, sums: *mut f32) {
    for first in (0..COLUMNS).step_by(SIDE) {
        let mask = mask(t, first);
        for row in 0..rows {
            // SAFETY: the tile's columns of C and of the bias, and the sums of all its rows.
            unsafe {
                let old = if t.accumulate {
                    _mm512_maskz_loadu_ps(mask, t.c.add(row * t.c_stride + first))
                } else {
                    _mm512_setzero_ps()
                };
                let begin = if t.bias.is_null() {
                    old
                } else {
                    _mm512_add_ps(old, _mm512_maskz_loadu_ps(mask, t.bias.add(first)))
                };
                _mm512_store_ps(sums.add(row * COLUMNS + first), begin);
            }
        }
    }
}

/// Sums to C: as they are, or times alpha beside what `begin` did not begin with.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn settle(rows: usize, t: &Tile, plain: bool, sums: *const f32) {
    let alpha = _mm512_set1_ps(t.alpha);
    for first in (0..t.columns).step_by(SIDE) {
        let mask = mask(t, first);
        // SAFETY: the tile's columns of C and of the bias, and the sums of all its rows.
        unsafe {
            let bias = if plain || t.bias.is_null() {
                _mm512_setzero_ps()
            } else {
                _mm512_maskz_loadu_ps(mask, t.bias.add(first))
            };
            for row in 0..rows {
                let to = t.c.add(row * t.c_stride + first);
                let mut sum = _mm512_load_ps(sums.add(row * COLUMNS + first));
                if !plain {
                    let old = if t.accumulate {
                        _mm512_maskz_loadu_ps(mask, to)
                    } else {
                        _mm512_setzero_ps()
                    };
                    sum = _mm512_fmadd_ps(alpha, sum, _mm512_add_ps(old, bias));
                }
                _mm512_mask_storeu_ps(to, mask, sum);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn panel<const PAIRS: bool>(b: &pack::Panel, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe { pack::panel::<simd::Avx512, PAIRS>(b, to) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn block<const PAIRS: bool>(a: &pack::Block, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        if a.transposed {
            pack::turned_pairs::<simd::Avx512>(a, to)
        } else {
            pack::block::<simd::Avx512, PAIRS>(a, to);
            // Whole registers along k.
            let words = if PAIRS { a.depth.div_ceil(2) } else { a.depth };
            for row in 0..a.rows {
                let to = to.add(row * a.stride + words);
                std::ptr::write_bytes(to, 0, words.next_multiple_of(SIDE) - words);
            }
        }
    }
}

macro_rules! micro {
    ($(#[$meta:meta])* $name:ident, pairs: $pairs:literal, codes: $codes:literal, numbers: $numbers:literal,
        pieces: $pieces:literal, rows: $rows:expr, depth: $depth:literal, least_panels: $panels:literal,
        $halves:ident, $burst:ident, $panel:path, $block:path) => {
        $(#[$meta])*
        pub struct $name;

        // SAFETY: the functions use what `isa()` has found.
        unsafe impl Micro for $name {
            const ROWS: usize = $rows;
            const NARROW_ROWS: usize = $rows;
            const LANES: usize = SIDE;
            const COLUMNS: usize = COLUMNS;
            const PAIRS: bool = $pairs;
            const THIRDS: bool = $pieces == 3;
            const CODES: usize = $codes;
            const NUMBERS: usize = $numbers;
            const WORDS: usize = $pieces * SIDE;
            const DEPTH: usize = $depth;
            const PANELS_STAY: bool = false;
            const BY_REGISTERS: bool = true;
            const AHEAD: usize = 2 * $pieces;
            const LEAST_PANELS: usize = $panels;
            const LEAST_ROWS: usize = 320;
            // Rows of a tile do not stay in the first-level cache anyway.
            const ALIASES: usize = usize::MAX;
            const BURST: usize = 2 * SIDE * SIDE * SIDE;
            type Single = Avx512;

            unsafe fn tile(rows: usize, _in_columns: bool, t: &Tile) {
                unsafe { tile::<$name>(rows, t, $halves) }
            }
            unsafe fn burst(rounds: usize) -> f32 {
                unsafe { $burst(rounds) };
                0.0
            }
            unsafe fn pack_panel(b: &pack::Panel, to: *mut f32) {
                unsafe { $panel(b, to) }
            }
            unsafe fn pack_block(a: &pack::Block, to: *mut f32) {
                unsafe { $block(a, to) }
            }
            unsafe fn pack_strips(_a: &pack::Block, _to: *mut f32) {
                unreachable!("A is taken by rows")
            }
            fn done() {
                release();
            }
        }
    };
}

micro!(
    /// Pairs of bf16.
    AmxPairs, pairs: true, codes: 0, numbers: 32, pieces: 1, rows: ROWS, depth: 288, least_panels: 8,
    PAIRS, burst_of_pairs, panel::<true>, block::<true>
);
micro!(
    /// Four codes: u8 of A, i8 of B.
    AmxQuads, pairs: false, codes: 4, numbers: 16, pieces: 1, rows: ROWS, depth: 288, least_panels: 8,
    QUADS, burst_of_quads, panel::<false>, block::<false>
);
micro!(
    /// Pairs of f32, each the sum of three bf16.
    AmxThirds, pairs: true, codes: 0, numbers: 32, pieces: 3, rows: SIDE, depth: 432, least_panels: 3,
    THIRDS, burst_of_pairs, thirds::panel, thirds::block
);
