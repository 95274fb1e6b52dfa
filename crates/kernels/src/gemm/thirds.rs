//! f32 as the sum of three bf16, each the nearest to what the ones before it leave: 24 bits of it, or all.
//!
//! A pair is of numbers 16 apart along k. Pieces lie side by side: a register of pairs of the first ones, one of the second,
//! one of the third, and of a panel of B each twice, for columns beside each other.
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

/// The pieces of two registers of numbers, in pairs of what stands at the same place.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pieces(low: __m512, high: __m512) -> [__m512; PIECES] {
    const UPPER: u32 = 0xaaaa_aaaa;
    let (half, whole) = (_mm512_set1_epi32(0x8000), _mm512_set1_epi32(!0xffff));
    let nearest = |x| _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), half), whole);
    let less = |x, piece| _mm512_sub_ps(x, _mm512_castsi512_ps(piece));
    let pair = |low, high| {
        let low = _mm512_srli_epi32::<16>(low);
        _mm512_castsi512_ps(_mm512_mask_blend_epi16(UPPER, low, high))
    };
    let firsts = [nearest(low), nearest(high)];
    let left = [less(low, firsts[0]), less(high, firsts[1])];
    let seconds = left.map(nearest);
    // What is left of these fits in a bf16.
    let thirds = [0, 1].map(|i| _mm512_castps_si512(less(left[i], seconds[i])));
    [firsts, seconds, thirds].map(|[low, high]| pair(low, high))
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

/// Numbers [row, row + rows) × [column, column + columns) as stored, at most a register's of each, turned; zeros for the rest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn turned(
    from: &Matrix,
    (row, rows): (usize, usize),
    (column, columns): (usize, usize),
    to: &mut [f32; REGISTER],
) {
    if columns < SIDE {
        to.fill(0.0);
    }
    let data = from.at(row, column).cast();
    // SAFETY: the caller's numbers are there, and f32.
    unsafe {
        simd::Avx512::transpose(data, from.stride * 4, rows, columns, to.as_mut_ptr(), SIDE);
    }
}

/// Numbers that are left of `count` for a register, and for the next one.
fn halves(count: usize) -> [usize; 2] {
    [count.min(SIDE), count.saturating_sub(SIDE).min(SIDE)]
}

/// Writes the words of `count` lines, each of two registers of numbers, with `stride` words from one piece to the next.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn write(count: usize, line: impl Fn(usize) -> [__m512; 2], to: *mut f32, stride: usize) {
    for i in 0..count {
        let [low, high] = line(i);
        for (piece, words) in pieces(low, high).into_iter().enumerate() {
            // SAFETY: the caller has room.
            unsafe { _mm512_storeu_ps(to.add(piece * stride + i * SIDE), words) };
        }
    }
}

/// Lines of two turned registers of numbers.
#[inline]
#[target_feature(enable = "avx512f")]
fn line_of(both: &[[f32; REGISTER]; 2], i: usize) -> [__m512; 2] {
    // SAFETY: i is less than a register's lines.
    [0, 1].map(|half| unsafe { _mm512_loadu_ps(both[half].as_ptr().add(i * SIDE)) })
}

/// Writes the words of a panel that stand for its rows [depth, …) of numbers, up to whole registers along k.
///
/// # Safety
/// The machine has AMX; the numbers are f32; `to` has room.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub unsafe fn panel(p: &Panel, to: *mut f32) {
    let (end, piece) = (p.first + p.depth, SIDE * p.width);
    let mut both = [[0.0; REGISTER]; 2];
    for k in (0..p.depth).step_by(NUMBERS) {
        let to = to.wrapping_add(k / NUMBERS * PIECES * piece);
        for lane in (0..p.width).step_by(SIDE) {
            let (column, to) = (p.column + lane, to.wrapping_add(lane * SIDE));
            let columns = p.columns.saturating_sub(lane).min(SIDE);
            let first = p.first + k;
            // SAFETY: the caller's.
            unsafe {
                if p.transposed {
                    for i in 0..columns {
                        for line in 0..2 {
                            let ahead = first + 2 * NUMBERS + line * SIDE;
                            p.from.foresee::<simd::Avx512>(column + i, ahead);
                        }
                    }
                    for (half, depth) in halves(p.depth - k).into_iter().enumerate() {
                        let along = (first + half * SIDE, depth);
                        turned(p.from, (column, columns), along, &mut both[half]);
                    }
                    write(SIDE, |i| line_of(&both, i), to, piece);
                } else {
                    let line = |i| {
                        [first + i, first + SIDE + i].map(|row| {
                            p.from.foresee::<simd::Avx512>(row + NUMBERS, column);
                            some(p.from, row, end, column, columns)
                        })
                    };
                    write(SIDE, line, to, piece);
                }
            }
        }
    }
}

/// Writes the words of rows of A, up to whole registers along k: of a tile's rows, a step's registers of each piece, and
/// then the next step's.
///
/// # Safety
/// The machine has AMX; the numbers are f32; `to` has room for whole registers of rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub unsafe fn block(p: &Block, to: *mut f32) {
    const STEP: usize = PIECES * REGISTER;
    let mut both = [[0.0; REGISTER]; 2];
    for top in (0..p.rows).step_by(SIDE) {
        let (row, rows) = (p.row + top, SIDE.min(p.rows - top));
        for k in (0..p.depth).step_by(NUMBERS) {
            let to = to.wrapping_add(top * p.stride + k / NUMBERS * STEP);
            let (first, depths) = (p.first + k, halves(p.depth - k));
            // SAFETY: the caller's.
            unsafe {
                if p.transposed {
                    for (half, depth) in depths.into_iter().enumerate() {
                        let along = (first + half * SIDE, depth);
                        turned(p.from, along, (row, rows), &mut both[half]);
                    }
                    write(rows, |i| line_of(&both, i), to, REGISTER);
                } else {
                    let line = |i| {
                        [0, 1].map(|half| {
                            let column = first + half * SIDE;
                            some(p.from, row + i, usize::MAX, column, depths[half])
                        })
                    };
                    write(rows, line, to, REGISTER);
                }
            }
        }
    }
}
