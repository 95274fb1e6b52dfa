//! Few rows of A against a weight [n, k] that lies as it is: dot products of rows, nothing packed. That is
//! decoding, where the weight is read once and its bandwidth is the limit.

use super::pack::{Matrix, number};
use crate::per_simd;
use crate::simd::Simd;

/// Most rows of A that this way is meant for.
pub const MOST: usize = 8;

/// Dot products of `M` rows of x (f32, contiguous) with the weight's rows `from..to`, into sums [M, to - from].
pub fn dots(x: *const f32, m: usize, k: usize, w: &Matrix, from: usize, to: usize, sums: *mut f32) {
    match m {
        1 => by_rows::<1, 8>(x, k, w, from, to, sums),
        2 => by_rows::<2, 4>(x, k, w, from, to, sums),
        3 => by_rows::<3, 4>(x, k, w, from, to, sums),
        4 => by_rows::<4, 4>(x, k, w, from, to, sums),
        5 => by_rows::<5, 2>(x, k, w, from, to, sums),
        6 => by_rows::<6, 2>(x, k, w, from, to, sums),
        7 => by_rows::<7, 2>(x, k, w, from, to, sums),
        _ => by_rows::<8, 2>(x, k, w, from, to, sums),
    }
}

per_simd! {
    fn by_rows<S, const M: usize, const ROWS: usize>(
        x: *const f32,
        k: usize,
        w: &Matrix,
        from: usize,
        to: usize,
        sums: *mut f32,
    ) {
        let mut row = from;
        while row + ROWS <= to {
            some::<S, M, ROWS>(x, k, w, row, sums.add(row - from), to - from);
            row += ROWS;
        }
        while row < to {
            some::<S, M, 1>(x, k, w, row, sums.add(row - from), to - from);
            row += 1;
        }
    }
}

#[inline(always)]
unsafe fn some<S: Simd, const M: usize, const ROWS: usize>(
    x: *const f32,
    k: usize,
    w: &Matrix,
    row: usize,
    sums: *mut f32,
    stride: usize,
) {
    unsafe {
        let mut lanes = [[S::splat(0.0); M]; ROWS];
        let whole = k - k % S::LANES;
        let mut at = 0;
        while at < whole {
            let mut xs = [S::splat(0.0); M];
            for (i, v) in xs.iter_mut().enumerate() {
                *v = S::load(x.add(i * k + at));
            }
            for (i, lanes) in lanes.iter_mut().enumerate() {
                let from = w.at(row + i, at);
                let v = if w.bf16 { S::load_bf16(from.cast()) } else { S::load(from.cast()) };
                for (lane, x) in lanes.iter_mut().zip(xs) {
                    *lane = S::fma(v, x, *lane);
                }
            }
            at += S::LANES;
        }
        for (i, lanes) in lanes.iter().enumerate() {
            for (m, lanes) in lanes.iter().enumerate() {
                let mut sum = S::sum(*lanes);
                for rest in whole..k {
                    sum += *x.add(m * k + rest) * number(w, row + i, rest);
                }
                *sums.add(m * stride + i) = sum;
            }
        }
    }
}
