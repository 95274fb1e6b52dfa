//! RMS norm over rows of `weight.len()`. Spec: `src/kernels/rms-norm.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length, rows_of};
use crate::reduce::{add_partials, dot};
use crate::{each_storage, per_isa, pool};

per_isa! {
    fn rows<X: Element, W: Element>(x: &[X], weight: &[W], eps: f32, y: &mut [X], rstd: &mut [f32]) {
        let width = weight.len();
        for ((x, y), rstd) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(rstd) {
            *rstd = 1.0 / (dot(x, x) / width as f32 + eps).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = X::put(x.get() * *rstd * w.get());
            }
        }
    }
}

fn forward<X: Element, W: Element>(
    x: &[X],
    weight: &[W],
    eps: f64,
    y: Floats,
    rstd: Floats,
) -> Result<()> {
    let (y, rstd) = (X::of(y)?, rstd.f32()?);
    let width = weight.len();
    expect_length("rstd", rstd.len(), rows_of("x", x.len(), width)?)?;
    expect_length("y", y.len(), x.len())?;
    let task = pool::task_rows(width);
    let tasks = x.chunks(task * width).zip(y.chunks_mut(task * width)).zip(rstd.chunks_mut(task));
    pool::each(tasks, |((x, y), rstd)| rows(x, weight, eps as f32, y, rstd));
    Ok(())
}

#[napi]
pub fn rms_norm_forward(
    x: Floats,
    weight: Floats,
    eps: f64,
    y: Floats,
    rstd: Floats,
) -> Result<()> {
    each_storage!(x, weight; forward(x, weight, eps, y, rstd))
}

per_isa! {
    fn rows_backward<X: Element, W: Element>(
        dy: &[X],
        x: &[X],
        weight: &[W],
        rstd: &[f32],
        dx: Option<&mut [X]>,
        d_weight: Option<&mut [f32]>,
    ) {
        let width = weight.len();
        if let Some(dx) = dx {
            let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(rstd);
            for (((dy, x), rstd), dx) in rows.zip(dx.chunks_exact_mut(width)) {
                let inner = weighted_dot(dy, x, weight) * rstd * rstd / width as f32;
                for (((dx, dy), x), w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
                    *dx = X::put(rstd * (dy.get() * w.get() - x.get() * inner));
                }
            }
        }
        if let Some(d_weight) = d_weight {
            for ((dy, x), rstd) in dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(rstd) {
                for ((d_weight, dy), x) in d_weight.iter_mut().zip(dy).zip(x) {
                    *d_weight += dy.get() * (x.get() * rstd);
                }
            }
        }
    }
}

/// Σ dy · x · w, in lanes.
#[inline(always)]
fn weighted_dot<X: Element, W: Element>(dy: &[X], x: &[X], weight: &[W]) -> f32 {
    const LANES: usize = crate::reduce::LANES;
    let mut lanes = [0.0f32; LANES];
    let (dy, dy_rest) = dy.as_chunks::<LANES>();
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (weight, weight_rest) = weight.as_chunks::<LANES>();
    for ((dy, x), weight) in dy.iter().zip(x).zip(weight) {
        for i in 0..LANES {
            lanes[i] += dy[i].get() * x[i].get() * weight[i].get();
        }
    }
    let mut sum = lanes.iter().sum::<f32>();
    for ((dy, x), weight) in dy_rest.iter().zip(x_rest).zip(weight_rest) {
        sum += dy.get() * x.get() * weight.get();
    }
    sum
}

fn backward<X: Element, W: Element>(
    x: &[X],
    weight: &[W],
    dy: Floats,
    rstd: Floats,
    dx: Option<Floats>,
    d_weight: Option<Floats>,
) -> Result<()> {
    let (dy, rstd) = (X::of(dy)?, rstd.f32()?);
    let (dx, d_weight) = (dx.map(X::of).transpose()?, d_weight.map(Floats::f32).transpose()?);
    let width = weight.len();
    expect_length("rstd", rstd.len(), rows_of("x", x.len(), width)?)?;
    expect_length("dy", dy.len(), x.len())?;
    if let Some(dx) = &dx {
        expect_length("dx", dx.len(), x.len())?;
    }
    let task = pool::partial_rows(width);
    let count = rstd.len().div_ceil(task);
    let mut partials = vec![0.0; if d_weight.is_some() { count * width } else { 0 }];
    let has_weight = d_weight.is_some();
    let tasks = dy
        .chunks(task * width)
        .zip(x.chunks(task * width))
        .zip(rstd.chunks(task))
        .zip(pool::chunks_of(dx, task * width, count))
        .zip(pool::chunks_of(has_weight.then_some(&mut partials[..]), width, count));
    pool::each(tasks, |((((dy, x), rstd), dx), d_weight)| {
        rows_backward(dy, x, weight, rstd, dx, d_weight);
    });
    if let Some(d_weight) = d_weight {
        expect_length("dWeight", d_weight.len(), width)?;
        add_partials(&partials, d_weight);
    }
    Ok(())
}

#[napi]
pub fn rms_norm_backward(
    dy: Floats,
    x: Floats,
    weight: Floats,
    rstd: Floats,
    dx: Option<Floats>,
    d_weight: Option<Floats>,
) -> Result<()> {
    each_storage!(x, weight; backward(x, weight, dy, rstd, dx, d_weight))
}
