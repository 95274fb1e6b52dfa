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

#[inline(always)]
unsafe fn multiply_some<S: Simd, const BF16: bool>(
    gate: *const u8,
    up: *const u8,
    y: *mut u8,
    at: usize,
    n: usize,
) {
    unsafe {
        let gate = load::<S, BF16>(gate, at, n);
        let share = S::add(S::splat(1.0), exp_of_minus::<S>(gate));
        let value = S::mul(S::quotient(gate, share), load::<S, BF16>(up, at, n));
        store::<S, BF16>(y, at, value, n);
    }
}

per_simd! {
    fn multiply<S, const BF16: bool>(gate: *const u8, up: *const u8, y: *mut u8, count: usize) {
        let whole = count - count % S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            multiply_some::<S, BF16>(gate, up, y, at, S::LANES);
        }
        if whole < count {
            multiply_some::<S, BF16>(gate, up, y, whole, count - whole);
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

/// dy, gate and up in, their gradients out.
#[derive(Clone, Copy)]
struct Parts {
    dy: *const u8,
    gate: *const u8,
    up: *const u8,
    d_gate: *mut u8,
    d_up: *mut u8,
}

#[inline(always)]
unsafe fn differentiate_some<S: Simd, const BF16: bool>(p: Parts, at: usize, n: usize) {
    unsafe {
        let one = S::splat(1.0);
        let gate = load::<S, BF16>(p.gate, at, n);
        // s and 1 − s, which keeps its digits where the first nears 1.
        let e = exp_of_minus::<S>(gate);
        let s = S::quotient(one, S::add(one, e));
        let rest = S::mul(e, s);
        let through = S::mul(load::<S, BF16>(p.dy, at, n), s);
        store::<S, BF16>(p.d_up, at, S::mul(through, gate), n);
        let up = load::<S, BF16>(p.up, at, n);
        let slope = S::mul(S::mul(through, up), S::fma(gate, rest, one));
        store::<S, BF16>(p.d_gate, at, slope, n);
    }
}

per_simd! {
    fn differentiate<S, const BF16: bool>(parts: Parts, count: usize) {
        let whole = count - count % S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            differentiate_some::<S, BF16>(parts, at, S::LANES);
        }
        if whole < count {
            differentiate_some::<S, BF16>(parts, whole, count - whole);
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
        let parts = Parts {
            dy: dy.as_ptr().cast(),
            gate: gate.as_ptr().cast(),
            up: up.as_ptr().cast(),
            d_gate: d_gate.as_mut_ptr().cast(),
            d_up: d_up.as_mut_ptr().cast(),
        };
        let work = if X::BF16 { differentiate::<true> } else { differentiate::<false> };
        work(parts, d_gate.len());
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
