//! The passes over a tile of scores between the products. Scores times their scale are exponents of two.

use crate::per_simd;
use crate::simd::Simd;

use super::{Factors, KEYS, SCORES, Sight};

/// What a query has seen so far: its largest exponent, and the sum of 2^(exponent − largest).
#[derive(Clone, Copy)]
pub struct Running {
    pub top: f32,
    pub sum: f32,
}

impl Running {
    pub const NOTHING: Running = Running { top: f32::NEG_INFINITY, sum: 0.0 };
}

/// 0, 1, 2, …
static PLACES: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

/// Scores that a query sees to their exponents, as ALiBi has them: `slope` · (key − the query's own place) is added.
#[inline(always)]
unsafe fn lean<S: Simd>(row: *mut f32, seen: usize, scale: f32, own: f32, slope: f32) {
    unsafe {
        for j in (0..seen).step_by(S::LANES) {
            let place = S::add(S::load(PLACES.as_ptr()), S::splat(j as f32 - own));
            let v = S::mul(S::splat(scale), S::load(row.add(j)));
            S::store(row.add(j), S::fma(S::splat(slope), place, v));
        }
    }
}

/// Writes a register of what the products read: in pairs a row of bf16 takes the place of its first half.
#[inline(always)]
unsafe fn put<S: Simd>(row: *mut f32, at: usize, v: S::V, pairs: bool) {
    unsafe {
        if pairs { S::store_bf16(row.cast::<u16>().add(at), v) } else { S::store(row.add(at), v) }
    }
}

/// Zeros from `seen` on, as far as a tile of the products may read.
#[inline(always)]
unsafe fn hide<S: Simd>(row: *mut f32, seen: usize, pairs: bool) {
    unsafe {
        if pairs {
            return std::ptr::write_bytes(row.cast::<u16>().add(seen), 0, KEYS - seen);
        }
        for j in (0..16).step_by(S::LANES) {
            S::store(row.add(seen + j), S::splat(0.0));
        }
    }
}

/// 2ˣ for x ≤ 0, as `Simd::exp2` has it.
#[inline(always)]
unsafe fn exp2<S: Simd>(x: S::V) -> S::V {
    unsafe {
        let x = S::max(S::splat(-127.0), x);
        let n = S::round(x);
        let r = S::sub(x, n);
        let mut p = S::splat(1.535_336_2e-4);
        for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0] {
            p = S::fma(p, r, S::splat(c));
        }
        S::scale(p, n)
    }
}

per_simd! {
    /// Scores of `count` queries to 2^(exponent − largest so far), with the sums and the sums of values brought to the
    /// new largest ones.
    pub fn soften<S>(
        scores: *mut f32,
        count: usize,
        sight: Sight,
        factors: Factors,
        pairs: bool,
        running: *mut Running,
        out: *mut f32,
        out_stride: usize,
    ) {
        for i in 0..count {
            let row = scores.add(i * SCORES);
            let seen = sight.of(i);
            if seen == 0 {
                hide::<S>(row, 0, pairs);
                continue;
            }
            let Factors { mut scale, slope } = factors;
            if slope != 0.0 {
                lean::<S>(row, seen, scale, (sight.first + i as isize - 1) as f32, slope);
                scale = 1.0;
            }
            // What a query does not see counts as −∞, up to the end of the last register.
            S::store(row.add(seen), S::splat(f32::NEG_INFINITY));
            let before = *running.add(i);
            let mut tops = S::load(row);
            for j in (S::LANES..seen).step_by(S::LANES) {
                tops = S::max(tops, S::load(row.add(j)));
            }
            let top = before.top.max(scale * S::largest(tops));
            let (by, less) = (S::splat(scale), S::splat(-top));
            let mut sums = S::splat(0.0);
            for j in (0..seen).step_by(S::LANES) {
                let p = exp2::<S>(S::fma(by, S::load(row.add(j)), less));
                put::<S>(row, j, p, pairs);
                sums = S::add(sums, p);
            }
            hide::<S>(row, seen, pairs);
            let mut sum = S::sum(sums);
            if before.top == top {
                sum += before.sum;
            } else if before.top > f32::NEG_INFINITY {
                let by = (before.top - top).exp2();
                sum += before.sum * by;
                let out = out.add(i * out_stride);
                for e in (0..out_stride).step_by(S::LANES) {
                    S::store(out.add(e), S::mul(S::splat(by), S::load(out.add(e))));
                }
            }
            *running.add(i) = Running { top, sum };
        }
    }
}

per_simd! {
    /// Scores to probabilities P by the forward pass's log-sum-exp, and dP to dS = P · (dP − delta).
    pub fn gradients<S>(
        scores: *mut f32,
        dp: *mut f32,
        count: usize,
        sight: Sight,
        factors: Factors,
        pairs: bool,
        lse: *const f32,
        deltas: *const f32,
    ) {
        for i in 0..count {
            let (row, dp) = (scores.add(i * SCORES), dp.add(i * SCORES));
            let seen = sight.of(i);
            let Factors { mut scale, slope } = factors;
            if slope != 0.0 {
                lean::<S>(row, seen, scale, (sight.first + i as isize - 1) as f32, slope);
                scale = 1.0;
            }
            let (less, delta) = (S::splat(-*lse.add(i)), S::splat(*deltas.add(i)));
            for j in (0..seen).step_by(S::LANES) {
                let p = exp2::<S>(S::fma(S::splat(scale), S::load(row.add(j)), less));
                put::<S>(row, j, p, pairs);
                put::<S>(dp, j, S::mul(p, S::sub(S::load(dp.add(j)), delta)), pairs);
            }
            hide::<S>(row, seen, pairs);
            hide::<S>(dp, seen, pairs);
        }
    }
}

per_simd! {
    /// Dot products of rows of `width`, as they lie: of each position all heads.
    pub fn dots<S>(a: *const f32, b: *const f32, rows: usize, width: usize, to: *mut f32) {
        let whole = width - width % S::LANES;
        for i in 0..rows {
            let (a, b) = (a.add(i * width), b.add(i * width));
            let mut sums = S::splat(0.0);
            for j in (0..whole).step_by(S::LANES) {
                sums = S::fma(S::load(a.add(j)), S::load(b.add(j)), sums);
            }
            if whole < width {
                let rest = width - whole;
                sums = S::fma(S::load_part(a.add(whole), rest), S::load_part(b.add(whole), rest), sums);
            }
            *to.add(i) = S::sum(sums);
        }
    }
}
