//! Layer norm over rows of `weight.len()`. Spec: `src/kernels/layer-norm.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length, rows_of};
use crate::reduce::{LANES, add_partials};
use crate::{each_storage, per_isa, pool};

/// Mean of f(x) over a row, in lanes.
#[inline(always)]
fn mean_of<X: Element>(x: &[X], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += f(chunk[i].get());
        }
    }
    (lanes.iter().sum::<f32>() + rest.iter().map(|x| f(x.get())).sum::<f32>()) / x.len() as f32
}

per_isa! {
    fn rows<X: Element, W: Element>(
        x: &[X],
        weight: &[W],
        bias: Option<&[W]>,
        eps: f32,
        y: &mut [X],
        mean: &mut [f32],
        rstd: &mut [f32],
    ) {
        let width = weight.len();
        let stats = mean.iter_mut().zip(rstd);
        for ((x, y), (mean, rstd)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(stats) {
            let m = mean_of(x, |x| x);
            let r = 1.0 / (mean_of(x, |x| (x - m) * (x - m)) + eps).sqrt();
            (*mean, *rstd) = (m, r);
            if let Some(bias) = bias {
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                    *y = X::put((x.get() - m) * r * w.get() + b.get());
                }
            } else {
                for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                    *y = X::put((x.get() - m) * r * w.get());
                }
            }
        }
    }
}

fn forward<X: Element, W: Element>(
    x: &[X],
    weight: &[W],
    bias: Option<Floats>,
    eps: f64,
    y: Floats,
    mean: Floats,
    rstd: Floats,
) -> Result<()> {
    let bias = bias.map(W::of).transpose()?.map(|bias| &*bias);
    let (y, mean, rstd) = (X::of(y)?, mean.f32()?, rstd.f32()?);
    let width = weight.len();
    let count = rows_of("x", x.len(), width)?;
    expect_length("y", y.len(), x.len())?;
    expect_length("mean", mean.len(), count)?;
    expect_length("rstd", rstd.len(), count)?;
    if let Some(bias) = bias {
        expect_length("bias", bias.len(), width)?;
    }
    let task = pool::task_rows(width);
    let tasks = x
        .chunks(task * width)
        .zip(y.chunks_mut(task * width))
        .zip(mean.chunks_mut(task))
        .zip(rstd.chunks_mut(task));
    pool::each(tasks, |(((x, y), mean), rstd)| {
        rows(x, weight, bias, eps as f32, y, mean, rstd);
    });
    Ok(())
}

#[napi]
pub fn layer_norm_forward(
    x: Floats,
    weight: Floats,
    bias: Option<Floats>,
    eps: f64,
    y: Floats,
    mean: Floats,
    rstd: Floats,
) -> Result<()> {
    each_storage!(x, weight; forward(x, weight, bias, eps, y, mean, rstd))
}

/// Σ dy · w and Σ dy · w · x̂ over a row, in lanes.
#[inline(always)]
fn row_sums<X: Element, W: Element>(
    dy: &[X],
    x: &[X],
    weight: &[W],
    mean: f32,
    rstd: f32,
) -> (f32, f32) {
    let mut plain = [0.0f32; LANES];
    let mut turned = [0.0f32; LANES];
    let (dy, dy_rest) = dy.as_chunks::<LANES>();
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (weight, weight_rest) = weight.as_chunks::<LANES>();
    for ((dy, x), weight) in dy.iter().zip(x).zip(weight) {
        for i in 0..LANES {
            let g = dy[i].get() * weight[i].get();
            plain[i] += g;
            turned[i] += g * ((x[i].get() - mean) * rstd);
        }
    }
    let mut sums = (plain.iter().sum::<f32>(), turned.iter().sum::<f32>());
    for ((dy, x), weight) in dy_rest.iter().zip(x_rest).zip(weight_rest) {
        let g = dy.get() * weight.get();
        sums.0 += g;
        sums.1 += g * ((x.get() - mean) * rstd);
    }
    sums
}

per_isa! {
    /// Each gradient of the parameters is added to.
    fn rows_backward<X: Element, W: Element>(
        dy: &[X],
        x: &[X],
        weight: &[W],
        mean: &[f32],
        rstd: &[f32],
        dx: Option<&mut [X]>,
        d_weight: Option<&mut [f32]>,
        d_bias: Option<&mut [f32]>,
    ) {
        let width = weight.len();
        let rows = || dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(mean.iter().zip(rstd));
        if let Some(dx) = dx {
            for (((dy, x), (&mean, &rstd)), dx) in rows().zip(dx.chunks_exact_mut(width)) {
                let (plain, turned) = row_sums(dy, x, weight, mean, rstd);
                let (plain, turned) = (plain / width as f32, turned / width as f32);
                for (((dx, dy), x), w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
                    let normed = (x.get() - mean) * rstd;
                    *dx = X::put(rstd * (dy.get() * w.get() - plain - normed * turned));
                }
            }
        }
        if let Some(d_weight) = d_weight {
            for ((dy, x), (&mean, &rstd)) in rows() {
                for ((d_weight, dy), x) in d_weight.iter_mut().zip(dy).zip(x) {
                    *d_weight += dy.get() * ((x.get() - mean) * rstd);
                }
            }
        }
        if let Some(d_bias) = d_bias {
            for dy in dy.chunks_exact(width) {
                for (d_bias, dy) in d_bias.iter_mut().zip(dy) {
                    *d_bias += dy.get();
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn backward<X: Element, W: Element>(
    x: &[X],
    weight: &[W],
    dy: Floats,
    mean: Floats,
    rstd: Floats,
    dx: Option<Floats>,
    d_weight: Option<Floats>,
    d_bias: Option<Floats>,
) -> Result<()> {
    let (dy, mean, rstd) = (X::of(dy)?, mean.f32()?, rstd.f32()?);
    let dx = dx.map(X::of).transpose()?;
    let d_weight = d_weight.map(Floats::f32).transpose()?;
    let d_bias = d_bias.map(Floats::f32).transpose()?;
    let width = weight.len();
    expect_length("mean", mean.len(), rows_of("x", x.len(), width)?)?;
    expect_length("rstd", rstd.len(), mean.len())?;
    expect_length("dy", dy.len(), x.len())?;
    if let Some(dx) = &dx {
        expect_length("dx", dx.len(), x.len())?;
    }
    let task = pool::partial_rows(width);
    let count = rstd.len().div_ceil(task);
    let partials =
        |gradient: &Option<&'static mut [f32]>| gradient.as_ref().map(|_| vec![0.0; count * width]);
    let (mut weight_sums, mut bias_sums) = (partials(&d_weight), partials(&d_bias));
    let tasks = dy
        .chunks(task * width)
        .zip(x.chunks(task * width))
        .zip(mean.chunks(task).zip(rstd.chunks(task)))
        .zip(pool::chunks_of(dx, task * width, count))
        .zip(pool::chunks_of(weight_sums.as_deref_mut(), width, count))
        .zip(pool::chunks_of(bias_sums.as_deref_mut(), width, count));
    pool::each(tasks, |(((((dy, x), (mean, rstd)), dx), d_weight), d_bias)| {
        rows_backward(dy, x, weight, mean, rstd, dx, d_weight, d_bias);
    });
    for (name, gradient, sums) in [("dWeight", d_weight, weight_sums), ("dBias", d_bias, bias_sums)]
    {
        if let (Some(gradient), Some(sums)) = (gradient, sums) {
            expect_length(name, gradient.len(), width)?;
            add_partials(&sums, gradient);
        }
    }
    Ok(())
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn layer_norm_backward(
    dy: Floats,
    x: Floats,
    weight: Floats,
    mean: Floats,
    rstd: Floats,
    dx: Option<Floats>,
    d_weight: Option<Floats>,
    d_bias: Option<Floats>,
) -> Result<()> {
    each_storage!(x, weight; backward(x, weight, dy, mean, rstd, dx, d_weight, d_bias))
}
