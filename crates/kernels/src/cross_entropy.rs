//! Log-probability of one target a row of logits, and its gradient. Spec: `src/kernels/cross-entropy.ts`.

use napi::Result;
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length, store, to_bf16};
use crate::{per_simd, pool};

/// Logits that are added up in f32; their sums go on in f64, or a vocabulary's worth of rounding would show.
const RUN: usize = 256;

/// What a row is reduced to.
#[derive(Clone, Copy, Default)]
struct Row {
    lse: f32,
    top: f32,
    entropy: f32,
}

per_simd! {
    fn reduce<S>(z: &[f32]) -> Row {
        let (from, width) = (z.as_ptr(), z.len());
        let whole = width - width % S::LANES;
        let mut tops = S::splat(f32::NEG_INFINITY);
        // NaN where any number is one: it would be lost among the largest.
        let mut zeros = S::splat(0.0);
        for i in (0..whole).step_by(S::LANES) {
            let v = S::load(from.add(i));
            tops = S::max(v, tops);
            zeros = S::fma(S::max(S::splat(-1.0), v), S::splat(0.0), zeros);
        }
        let rest = &z[whole..];
        let top = rest.iter().fold(S::largest(tops), |a, &b| if b > a { b } else { a });
        let unclear = S::sum(zeros).is_nan() || rest.iter().any(|v| v.is_nan());
        if unclear || !top.is_finite() {
            return Row { lse: f32::NAN, top, entropy: f32::NAN };
        }
        let (mut total, mut weighted) = (0.0f64, 0.0f64);
        for run in (0..whole).step_by(RUN) {
            let mut sums = S::splat(0.0);
            let mut products = S::splat(0.0);
            for i in (run..whole.min(run + RUN)).step_by(S::LANES) {
                let d = S::sub(S::load(from.add(i)), S::splat(top));
                let e = S::exp(d);
                sums = S::add(sums, e);
                products = S::fma(e, d, products);
            }
            total += S::sum(sums) as f64;
            weighted += S::sum(products) as f64;
        }
        for v in rest {
            let d = (v - top) as f64;
            total += d.exp();
            weighted += d.exp() * d;
        }
        let log = total.ln();
        Row {
            lse: (top as f64 + log) as f32,
            top,
            entropy: (log - weighted / total) as f32,
        }
    }
}

per_simd! {
    fn gradient<S, const BF16: bool>(z: &[f32], lse: f32, weight: f32, y: *mut u8) {
        let (from, width) = (z.as_ptr(), z.len());
        for i in (0..width).step_by(S::LANES) {
            let n = width - i;
            let v = if n >= S::LANES { S::load(from.add(i)) } else { S::load_part(from.add(i), n) };
            let p = S::mul(S::splat(-weight), S::exp(S::sub(v, S::splat(lse))));
            store::<S, BF16>(y, i, p, n);
        }
    }
}

/// weight · (1 − p) of the target, whose logit is `z`.
fn of_target(z: f32, lse: f32, weight: f32) -> f32 {
    weight - weight * (z - lse).exp()
}

#[napi]
pub fn cross_entropy_forward(
    logits: Floats,
    targets: Int32Array,
    logp: Floats,
    lse: Floats,
    argmax: Option<Int32Array>,
    entropy: Option<Floats>,
) -> Result<()> {
    let (logits, logp, lse) = (&*logits.f32()?, logp.f32()?, lse.f32()?);
    if targets.is_empty() {
        return Ok(());
    }
    let width = logits.len() / targets.len();
    let mut rows = vec![Row::default(); targets.len()];
    pool::each(logits.chunks(width).zip(&mut rows), |(z, row)| *row = reduce(z));
    let mut argmax = argmax;
    // SAFETY: the call is synchronous, and the array is distinct from all others.
    let mut argmax = argmax.as_mut().map(|a| unsafe { a.as_mut() });
    let mut entropy = entropy.map(Floats::f32).transpose()?;
    for (i, row) in rows.iter().enumerate() {
        lse[i] = row.lse;
        // In f64: two large numbers that are near each other.
        logp[i] = (logits[i * width + targets[i] as usize] as f64 - row.lse as f64) as f32;
        if let Some(argmax) = &mut argmax {
            let z = &logits[i * width..(i + 1) * width];
            argmax[i] = z.iter().position(|&v| v == row.top).unwrap_or(0) as i32;
        }
        if let Some(entropy) = &mut entropy {
            entropy[i] = row.entropy;
        }
    }
    Ok(())
}

#[napi]
pub fn cross_entropy_backward(
    logits: Floats,
    lse: Floats,
    targets: Int32Array,
    weights: Option<Floats>,
    y: Option<Floats>,
) -> Result<()> {
    let (logits, lse) = (logits.f32()?, &*lse.f32()?);
    let weights = weights.map(Floats::f32).transpose()?.map(|w| &*w);
    if targets.is_empty() {
        return Ok(());
    }
    let width = logits.len() / targets.len();
    let targets = &targets[..];
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let Some(y) = y else {
        pool::each(logits.chunks_mut(width).enumerate(), |(i, z)| {
            let to = z.as_mut_ptr().cast();
            gradient::<false>(z, lse[i], weight(i), to);
            z[targets[i] as usize] += weight(i);
        });
        return Ok(());
    };
    let y = u16::of(y)?;
    expect_length("y", y.len(), logits.len())?;
    pool::each(logits.chunks(width).zip(y.chunks_mut(width)).enumerate(), |(i, (z, y))| {
        gradient::<true>(z, lse[i], weight(i), y.as_mut_ptr().cast());
        let target = targets[i] as usize;
        y[target] = to_bf16(of_target(z[target], lse[i], weight(i)));
    });
    Ok(())
}
