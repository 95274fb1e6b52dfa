//! GELU, exact and in its tanh form. Spec: `src/kernels/gelu.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length};
use crate::math::{exp, normal_below, sigmoid, sigmoid_pair};
use crate::{each_storage, per_isa, pool};

/// √(2/π) and the cubic's factor of the tanh form; 1/√(2π) of the normal density.
const ROOT: f32 = 0.797_884_6;
const CUBE: f32 = 0.044_715;
const DENSITY: f32 = 0.398_942_3;

per_isa! {
    fn exact<X: Element>(x: &[X], y: &mut [X]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = X::put(x.get() * normal_below(x.get()));
        }
    }
}

per_isa! {
    /// ½ · (1 + tanh(u)) is sigmoid(2u), which keeps its digits where the tanh nears −1.
    fn approximate<X: Element>(x: &[X], y: &mut [X]) {
        for (y, x) in y.iter_mut().zip(x) {
            let x = x.get();
            *y = X::put(x * sigmoid(2.0 * ROOT * (x + CUBE * x * x * x)));
        }
    }
}

fn forward<X: Element>(x: &[X], y: Floats, tanh: bool) -> Result<()> {
    let y = X::of(y)?;
    expect_length("y", y.len(), x.len())?;
    let task = pool::task_rows(1);
    pool::each(x.chunks(task).zip(y.chunks_mut(task)), |(x, y)| {
        if tanh { approximate(x, y) } else { exact(x, y) }
    });
    Ok(())
}

#[napi]
pub fn gelu_forward(x: Floats, y: Floats, tanh: bool) -> Result<()> {
    each_storage!(x; forward(x, y, tanh))
}

per_isa! {
    fn exact_backward<X: Element>(dy: &[X], x: &[X], dx: &mut [X]) {
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            let x = x.get();
            let slope = normal_below(x) + x * DENSITY * exp(-0.5 * x * x);
            *dx = X::put(dy.get() * slope);
        }
    }
}

per_isa! {
    fn approximate_backward<X: Element>(dy: &[X], x: &[X], dx: &mut [X]) {
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            let x = x.get();
            let (s, rest) = sigmoid_pair(2.0 * ROOT * (x + CUBE * x * x * x));
            let slope = s + x * s * rest * 2.0 * ROOT * (1.0 + 3.0 * CUBE * x * x);
            *dx = X::put(dy.get() * slope);
        }
    }
}

fn backward<X: Element>(x: &[X], dy: Floats, tanh: bool, dx: Floats) -> Result<()> {
    let (dy, dx) = (X::of(dy)?, X::of(dx)?);
    expect_length("dy", dy.len(), x.len())?;
    expect_length("dx", dx.len(), x.len())?;
    let task = pool::task_rows(1);
    let tasks = dy.chunks(task).zip(x.chunks(task)).zip(dx.chunks_mut(task));
    pool::each(tasks, |((dy, x), dx)| {
        if tanh { approximate_backward(dy, x, dx) } else { exact_backward(dy, x, dx) }
    });
    Ok(())
}

#[napi]
pub fn gelu_backward(dy: Floats, x: Floats, tanh: bool, dx: Floats) -> Result<()> {
    each_storage!(x; backward(x, dy, tanh, dx))
}
