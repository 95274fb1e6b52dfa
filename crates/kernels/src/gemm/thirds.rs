//! f32 as the sum of three bf16, each the nearest to what the ones before it leave: 24 bits of it, or all.
//!
//! Pieces lie side by side: along k, a register of pairs of the first ones, one of the second, one of the third, and of a
//! panel of B each twice, for columns beside each other.
//! What is infinite or no number has a piece that is none.

use std::arch::x86_64::*;

use super::amx::AmxThirds;
use super::cuts::SMALL;
use super::pack::{Block, Matrix, Panel, load};
use super::product::{self, Factors, Product};
use super::tile::Micro;
use crate::queue::{self, Shared};
use crate::scratch;
use crate::simd::{self, Simd};

/// Rows of a register and words of each, and numbers along k that it has.
const SIDE: usize = 16;
const REGISTER: usize = SIDE * SIDE;
const NUMBERS: usize = 2 * SIDE;
const PIECES: usize = 3;

/// Words of A that are made at a time, at most.
const MOST: usize = 1 << 21;

/// Rows of a tile.
const ROWS: usize = AmxThirds::ROWS;

/// A product whose A is taken apart once, for all columns: as much of k as there is room for, and then the rest.
pub fn run(p: Product) {
    let most = (MOST / p.m.next_multiple_of(ROWS) / AmxThirds::WORDS).max(1) * NUMBERS;
    let (of, low) = (p.factors[0], p.factors.get(1).copied());
    if of.k <= most {
        return in_words(p);
    }
    // Sums go on along k as if all were added at once, but for those that change before they are stored.
    let apart = of.alpha == 1.0 && !p.buffered();
    for first in (0..of.k).step_by(most) {
        let k = most.min(of.k - first);
        let Some(part) = of.along(first, k).filter(|_| apart) else {
            return product::run::<AmxThirds>(&p);
        };
        let mut factors = vec![part];
        factors.extend(low.filter(|_| first + k == of.k));
        let (accumulate, bias) = (p.accumulate || first > 0, p.bias.filter(|_| first == 0));
        in_words(Product { factors, accumulate, bias, ..p });
    }
}

fn in_words(mut p: Product) {
    let rows = p.m.next_multiple_of(ROWS);
    let size = |i: usize| p.factors.get(i).map_or(0, |of| rows * AmxThirds::words(of.k));
    scratch::with([size(0), size(1)], |buffers| {
        for (of, to) in p.factors.iter_mut().zip(buffers) {
            words_of(of, p.m, Shared(to));
            of.a = Matrix { data: to.cast(), bf16: false, stride: AmxThirds::words(of.k) };
            of.trans_a = false;
        }
        p.in_words = true;
        product::run::<AmxThirds>(&p);
    });
}

/// Writes the words of rows [0, m) of A.
fn words_of(of: &Factors, m: usize, to: Shared<f32>) {
    let stride = AmxThirds::words(of.k);
    let work = |i: usize| {
        let (row, rows) = (i * ROWS, ROWS.min(m - i * ROWS));
        let (from, transposed) = (&of.a, of.trans_a);
        let rows = Block { from, transposed, first: 0, depth: of.k, row, rows, stride };
        // SAFETY: the machine has AMX; the rows are this task's, and the scratch has room for them.
        unsafe { block(&rows, to.get().add(row * stride)) };
    };
    let tasks = m.div_ceil(ROWS);
    if m * of.k < SMALL { (0..tasks).for_each(work) } else { queue::drain(tasks, work) }
}

/// The pieces of 32 numbers in order, or of pairs that lie above each other.
type Pieces = [__m512; PIECES];

/// Numbers [0, 16) and [16, 32) of a row, as pairs of neighbors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn of_row(mut low: __m512, mut high: __m512) -> Pieces {
    let mut pieces = [_mm512_setzero_ps(); PIECES];
    for piece in &mut pieces {
        let rounded: __m512i = bits(_mm512_cvtne2ps_pbh(high, low));
        *piece = _mm512_castsi512_ps(rounded);
        let wide = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
        low = _mm512_sub_ps(low, wide(_mm512_castsi512_si256(rounded)));
        high = _mm512_sub_ps(high, wide(_mm512_extracti64x4_epi64::<1>(rounded)));
    }
    pieces
}

/// Two rows, as pairs of numbers above each other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn of_rows(mut above: __m512, mut below: __m512) -> Pieces {
    /// Number i of the first half, and of the second.
    static PAIRED: [u16; 32] = {
        let mut places = [0; 32];
        let mut i = 0;
        while i < 32 {
            places[i] = (i / 2 + i % 2 * 16) as u16;
            i += 1;
        }
        places
    };
    // SAFETY: as many bytes as a register has.
    let paired = unsafe { _mm512_loadu_si512(PAIRED.as_ptr().cast()) };
    let mut pieces = [_mm512_setzero_ps(); PIECES];
    for piece in &mut pieces {
        let rounded: __m512i = bits(_mm512_cvtne2ps_pbh(below, above));
        let words = _mm512_permutexvar_epi16(paired, rounded);
        *piece = _mm512_castsi512_ps(words);
        above = _mm512_sub_ps(above, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)));
        let upper = _mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32 as i32));
        below = _mm512_sub_ps(below, _mm512_castsi512_ps(upper));
    }
    pieces
}

fn bits(v: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes of any bits.
    unsafe { std::mem::transmute(v) }
}

/// Numbers [column, column + count) of a stored row; zeros for the rest, or where the row is not there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn some(from: &Matrix, row: usize, end: usize, column: usize, count: usize) -> __m512 {
    if row >= end || count == 0 {
        return _mm512_setzero_ps();
    }
    // SAFETY: the caller's.
    unsafe { load::<simd::Avx512>(from, row, column, count) }
}

/// Writes the words of a panel that stand for its rows [depth, …) of numbers, up to whole registers along k.
///
/// # Safety
/// The machine has AMX; `to` has room.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
pub unsafe fn panel(p: &Panel, to: *mut f32) {
    let end = p.first + p.depth;
    for k in (0..p.depth).step_by(NUMBERS) {
        let to = to.wrapping_add(k / NUMBERS * PIECES * SIDE * p.width);
        for lane in (0..p.width).step_by(SIDE) {
            let (column, to) = (p.column + lane, to.wrapping_add(lane * SIDE));
            let columns = p.columns.saturating_sub(lane).min(SIDE);
            // SAFETY: the caller's.
            unsafe {
                if p.transposed {
                    let depth = p.depth - k;
                    columns_of_rows(p.from, (column, columns), p.first + k, depth, |piece| {
                        to.add(piece * SIDE * p.width)
                    });
                    continue;
                }
                for pair in 0..SIDE {
                    let row = p.first + k + 2 * pair;
                    p.from.foresee::<simd::Avx512>(row + NUMBERS, column);
                    p.from.foresee::<simd::Avx512>(row + NUMBERS + 1, column);
                    let above = some(p.from, row, end, column, columns);
                    let below = some(p.from, row + 1, end, column, columns);
                    for (piece, words) in of_rows(above, below).into_iter().enumerate() {
                        _mm512_storeu_ps(to.add(piece * SIDE * p.width + pair * SIDE), words);
                    }
                }
            }
        }
    }
}

/// Numbers [k, k + depth), at most a register's, of `count` stored rows: pairs along k, below each other.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
unsafe fn columns_of_rows(
    from: &Matrix,
    (row, count): (usize, usize),
    k: usize,
    depth: usize,
    to: impl Fn(usize) -> *mut f32,
) {
    let mut words = [[0.0f32; REGISTER]; PIECES];
    // SAFETY: the caller's.
    unsafe {
        for i in 0..count {
            for line in 0..2 {
                from.foresee::<simd::Avx512>(row + i, k + (2 + line) * NUMBERS / 2 + NUMBERS);
            }
            let low = some(from, row + i, row + count, k, depth.min(SIDE));
            let high =
                some(from, row + i, row + count, k + SIDE, depth.saturating_sub(SIDE).min(SIDE));
            for (words, pieces) in words.iter_mut().zip(of_row(low, high)) {
                _mm512_storeu_ps(words.as_mut_ptr().add(i * SIDE), pieces);
            }
        }
        for (piece, words) in words.iter().enumerate() {
            simd::Avx512::transpose(words.as_ptr().cast(), SIDE * 4, SIDE, SIDE, to(piece), SIDE);
        }
    }
}

/// Writes the words of rows of A, up to whole registers along k: of a tile's rows, a step's registers of each piece, and
/// then the next step's.
///
/// # Safety
/// The machine has AMX; `to` has room for whole registers of rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
pub unsafe fn block(p: &Block, to: *mut f32) {
    const STEP: usize = PIECES * REGISTER;
    for top in (0..p.rows).step_by(SIDE) {
        let rows = SIDE.min(p.rows - top);
        for k in (0..p.depth).step_by(NUMBERS) {
            let to = to.wrapping_add(top * p.stride + k / NUMBERS * STEP);
            // SAFETY: the caller's.
            unsafe {
                if p.transposed {
                    columns(p, (top, rows), k, to);
                } else {
                    lines(p, (top, rows), k, to);
                }
            }
        }
    }
}

/// Numbers [k, k + 32) of rows that lie as rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
unsafe fn lines(p: &Block, (top, rows): (usize, usize), k: usize, to: *mut f32) {
    let (at, left) = (p.first + k, p.depth - k);
    for i in 0..rows {
        let row = p.row + top + i;
        // SAFETY: the caller's.
        unsafe {
            for line in 0..2 {
                p.from.foresee::<simd::Avx512>(row, at + 2 * NUMBERS + line * SIDE);
            }
            let low = some(p.from, row, usize::MAX, at, left.min(SIDE));
            let rest = left.saturating_sub(SIDE).min(SIDE);
            let high = some(p.from, row, usize::MAX, at + SIDE, rest);
            for (piece, words) in of_row(low, high).into_iter().enumerate() {
                _mm512_storeu_ps(to.add(piece * REGISTER + i * SIDE), words);
            }
        }
    }
}

/// Numbers [k, k + 32) of rows that lie as columns.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
unsafe fn columns(p: &Block, (top, rows): (usize, usize), k: usize, to: *mut f32) {
    let end = p.first + p.depth;
    let mut words = [[0.0f32; REGISTER]; PIECES];
    // SAFETY: the caller's.
    unsafe {
        for pair in 0..SIDE {
            let (row, column) = (p.first + k + 2 * pair, p.row + top);
            let above = some(p.from, row, end, column, rows);
            let below = some(p.from, row + 1, end, column, rows);
            for (words, pieces) in words.iter_mut().zip(of_rows(above, below)) {
                _mm512_storeu_ps(words.as_mut_ptr().add(pair * SIDE), pieces);
            }
        }
        for (piece, words) in words.iter().enumerate() {
            let (from, to) = (words.as_ptr().cast(), to.add(piece * REGISTER));
            simd::Avx512::transpose(from, SIDE * 4, SIDE, rows, to, SIDE);
        }
    }
}
