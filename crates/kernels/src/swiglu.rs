//! SwiGLU: silu(gate) · up. Spec: `src/kernels/swiglu.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length, load, store};
use crate::simd::Simd;
use crate::{each_storage, per_simd, pool};

/// e⁻ˣ, short of where the share 1 / (1 + e⁻ˣ) would lose itself: there it is 10⁻³⁸ anyway.
#[inline(always)]
unsafe fn exp_of_minus<S: Simd>(x: S::V) -> S::V {
    unsafe { S::exp(S::min(S::splat(87.0), S::sub(S::splat(0.0), x))) }
}

per_simd! {
    fn multiply<S, const BF16: bool>(gate: *const u8, up: *const u8, y: *mut u8, count: usize) {
        for at in (0..count).step_by(S::LANES) {
            let n = count - at;
            let gate = load::<S, BF16>(gate, at, n);
            let share = S::add(S::splat(1.0), exp_of_minus::<S>(gate));
            let value = S::mul(S::div(gate, share), load::<S, BF16>(up, at, n));
            store::<S, BF16>(y, at, value, n);
        }
    }
}

fn forward<X: Element>(gate: &[X], up: Floats, y: Floats) -> Result<()> {
    let (up, y) = (X::of(up)?, X::of(y)?);
    expect_length("up", up.len(), gate.len())?;
    expect_length("y", y.len(), gate.len())?;
    let task = pool::task_rows(1);
    let tasks = gate.chunks(task).zip(up.chunks(task)).zip(y.chunks_mut(task));
    pool::each(tasks, |((gate, up), y)| {
        let work = if X::BF16 { multiply::<true> } else { multiply::<false> };
        work(gate.as_ptr().cast(), up.as_ptr().cast(), y.as_mut_ptr().cast(), y.len());
    });
    Ok(())
}

#[napi]
pub fn swiglu_forward(gate: Floats, up: Floats, y: Floats) -> Result<()> {
    each_storage!(gate; forward(gate, up, y))
}

per_simd! {
    fn differentiate<S, const BF16: bool>(
        dy: *const u8,
        gate: *const u8,
        up: *const u8,
        d_gate: *mut u8,
        d_up: *mut u8,
        count: usize,
    ) {
        let one = S::splat(1.0);
        for at in (0..count).step_by(S::LANES) {
            let n = count - at;
            let dy = load::<S, BF16>(dy, at, n);
            let gate = load::<S, BF16>(gate, at, n);
            let up = load::<S, BF16>(up, at, n);
            // s and 1 − s, which keeps its digits where the first nears 1.
            let e = exp_of_minus::<S>(gate);
            let s = S::div(one, S::add(one, e));
            let rest = S::mul(e, s);
            let through = S::mul(dy, s);
            store::<S, BF16>(d_up, at, S::mul(through, gate), n);
            let slope = S::mul(S::mul(through, up), S::fma(gate, rest, one));
            store::<S, BF16>(d_gate, at, slope, n);
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
        let work = if X::BF16 { differentiate::<true> } else { differentiate::<false> };
        let (dy, gate, up) = (dy.as_ptr().cast(), gate.as_ptr().cast(), up.as_ptr().cast());
        let count = d_gate.len();
        work(dy, gate, up, d_gate.as_mut_ptr().cast(), d_up.as_mut_ptr().cast(), count);
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
