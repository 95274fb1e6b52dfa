//! Log-probability of one target a row of logits, and its gradient. Spec: `src/kernels/cross-entropy.ts`.

use napi::Result;
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;

use crate::floats::Floats;
use crate::math::exp;
use crate::{per_isa, pool};

/// One AVX-512 register, on every path: lanes are summed in one order, so all paths agree.
const LANES: usize = 16;

/// Logits that are added up in f32; their sums go on in f64, or a vocabulary's worth of rounding would show.
const RUN: usize = 256;

/// What a row is reduced to.
#[derive(Clone, Copy, Default)]
struct Row {
    lse: f32,
    argmax: i32,
    entropy: f32,
}

per_isa! {
    fn reduce(z: &[f32]) -> Row {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = z.as_chunks::<LANES>();
        let mut unclear = false;
        for chunk in chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane = if *v > *lane { *v } else { *lane };
                unclear |= v.is_nan();
            }
        }
        for (lane, v) in lanes.iter_mut().zip(rest) {
            *lane = if *v > *lane { *v } else { *lane };
            unclear |= v.is_nan();
        }
        let top = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        if unclear || !top.is_finite() {
            return Row { lse: f32::NAN, argmax: 0, entropy: f32::NAN };
        }
        let (mut total, mut weighted) = (0.0f64, 0.0f64);
        for run in z.chunks(RUN) {
            let mut sums = [0.0f32; LANES];
            let mut products = [0.0f32; LANES];
            let (chunks, rest) = run.as_chunks::<LANES>();
            for chunk in chunks {
                for i in 0..LANES {
                    let d = chunk[i] - top;
                    let e = exp(d);
                    sums[i] += e;
                    products[i] += e * d;
                }
            }
            for (i, v) in rest.iter().enumerate() {
                let d = v - top;
                let e = exp(d);
                sums[i] += e;
                products[i] += e * d;
            }
            total += sums.iter().sum::<f32>() as f64;
            weighted += products.iter().sum::<f32>() as f64;
        }
        let log = total.ln();
        Row {
            lse: (top as f64 + log) as f32,
            argmax: z.iter().position(|&v| v == top).unwrap_or(0) as i32,
            entropy: (log - weighted / total) as f32,
        }
    }
}

per_isa! {
    fn gradient(z: &mut [f32], lse: f32, weight: f32) {
        for v in z {
            *v = -weight * exp(*v - lse);
        }
    }
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
            argmax[i] = row.argmax;
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
) -> Result<()> {
    let (logits, lse) = (logits.f32()?, &*lse.f32()?);
    let weights = weights.map(Floats::f32).transpose()?.map(|w| &*w);
    if targets.is_empty() {
        return Ok(());
    }
    let width = logits.len() / targets.len();
    let targets = &targets[..];
    pool::each(logits.chunks_mut(width).enumerate(), |(i, z)| {
        let weight = weights.map_or(1.0, |weights| weights[i]);
        gradient(z, lse[i], weight);
        z[targets[i] as usize] += weight;
    });
    Ok(())
}
