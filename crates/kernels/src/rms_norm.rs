//! RMS norm over rows of `weight.len()`. Spec: `src/kernels/rms-norm.ts`.

use napi::Result;
use napi_derive::napi;
use rayon::prelude::*;

use crate::floats::Floats;
use crate::{per_isa, pool};

/// One AVX-512 register, on every path: lanes are summed in one order, so all paths agree.
const LANES: usize = 16;

/// Rows of one task: a constant, so that no result depends on the number of threads.
const TASK: usize = 32;

#[inline(always)]
fn sum_of_squares(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v * v;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|v| v * v).sum::<f32>()
}

per_isa! {
    fn rows(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
        let width = weight.len();
        for ((x, y), rstd) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(rstd) {
            *rstd = 1.0 / (sum_of_squares(x) / width as f32 + eps).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * *rstd * w;
            }
        }
    }
}

#[napi]
pub fn rms_norm_forward(
    x: Floats,
    weight: Floats,
    eps: f64,
    y: Floats,
    rstd: Floats,
) -> Result<()> {
    let (x, weight, y, rstd) = (&*x.f32()?, &*weight.f32()?, y.f32()?, rstd.f32()?);
    let span = TASK * weight.len();
    let tasks = x.par_chunks(span).zip(y.par_chunks_mut(span)).zip(rstd.par_chunks_mut(TASK));
    pool::run(|| tasks.for_each(|((x, y), rstd)| rows(x, weight, eps as f32, y, rstd)));
    Ok(())
}
