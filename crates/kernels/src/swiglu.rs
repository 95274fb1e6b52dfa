//! SwiGLU: silu(gate) · up. Spec: `src/kernels/swiglu.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length};
use crate::math::{sigmoid, sigmoid_pair};
use crate::{each_storage, per_isa, pool};

per_isa! {
    fn multiply<X: Element>(gate: &[X], up: &[X], y: &mut [X]) {
        for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
            let gate = gate.get();
            *y = X::put(gate * sigmoid(gate) * up.get());
        }
    }
}

fn forward<X: Element>(gate: &[X], up: Floats, y: Floats) -> Result<()> {
    let (up, y) = (X::of(up)?, X::of(y)?);
    expect_length("up", up.len(), gate.len())?;
    expect_length("y", y.len(), gate.len())?;
    let task = pool::task_rows(1);
    let tasks = gate.chunks(task).zip(up.chunks(task)).zip(y.chunks_mut(task));
    pool::each(tasks, |((gate, up), y)| multiply(gate, up, y));
    Ok(())
}

#[napi]
pub fn swiglu_forward(gate: Floats, up: Floats, y: Floats) -> Result<()> {
    each_storage!(gate; forward(gate, up, y))
}

per_isa! {
    fn differentiate<X: Element>(dy: &[X], gate: &[X], up: &[X], d_gate: &mut [X], d_up: &mut [X]) {
        let inputs = dy.iter().zip(gate).zip(up);
        for (((dy, gate), up), (d_gate, d_up)) in inputs.zip(d_gate.iter_mut().zip(d_up)) {
            let (dy, gate, up) = (dy.get(), gate.get(), up.get());
            let (s, rest) = sigmoid_pair(gate);
            *d_up = X::put(dy * gate * s);
            *d_gate = X::put(dy * up * s * (1.0 + gate * rest));
        }
    }
}

fn backward<X: Element>(
    gate: &[X],
    dy: Floats,
    up: Floats,
    d_gate: Floats,
    d_up: Floats,
) -> Result<()> {
    let (dy, up, d_gate, d_up) = (X::of(dy)?, X::of(up)?, X::of(d_gate)?, X::of(d_up)?);
    let buffers =
        [("dy", dy.len()), ("up", up.len()), ("dGate", d_gate.len()), ("dUp", d_up.len())];
    for (name, length) in buffers {
        expect_length(name, length, gate.len())?;
    }
    let task = pool::task_rows(1);
    let inputs = dy.chunks(task).zip(gate.chunks(task)).zip(up.chunks(task));
    let tasks = inputs.zip(d_gate.chunks_mut(task)).zip(d_up.chunks_mut(task));
    pool::each(tasks, |((((dy, gate), up), d_gate), d_up)| {
        differentiate(dy, gate, up, d_gate, d_up);
    });
    Ok(())
}

#[napi]
pub fn swiglu_backward(
    dy: Floats,
    gate: Floats,
    up: Floats,
    d_gate: Floats,
    d_up: Floats,
) -> Result<()> {
    each_storage!(gate; backward(gate, dy, up, d_gate, d_up))
}
