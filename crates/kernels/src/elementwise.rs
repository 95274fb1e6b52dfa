//! Sums, multiples and column sums. Spec: `src/kernels/elementwise.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length, rows_of};
use crate::reduce::add_partials;
use crate::{each_storage, per_isa, pool};

per_isa! {
    fn sums<A: Element, B: Element, Y: Element>(a: &[A], b: &[B], y: &mut [Y]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = Y::put(a.get() + b.get());
        }
    }
}

fn add_to<A: Element, B: Element, Y: Element>(a: &[A], b: &[B], y: &mut [Y]) -> Result<()> {
    expect_length("b", b.len(), a.len())?;
    expect_length("y", y.len(), a.len())?;
    let task = pool::task_rows(1);
    let tasks = a.chunks(task).zip(b.chunks(task)).zip(y.chunks_mut(task));
    pool::each(tasks, |((a, b), y)| sums(a, b, y));
    Ok(())
}

/// `y` may be `a` or `b`.
#[napi]
pub fn add(a: Floats, b: Floats, y: Floats) -> Result<()> {
    if a.address() == y.address() && b.address() == y.address() {
        return scale(a, 2.0, y);
    }
    if a.address() == y.address() {
        return add_into(b, y);
    }
    if b.address() == y.address() {
        return add_into(a, y);
    }
    each_storage!(a, b, y; add_to(a, b, y))
}

per_isa! {
    fn accumulate<A: Element, Y: Element>(a: &[A], y: &mut [Y]) {
        for (y, a) in y.iter_mut().zip(a) {
            *y = Y::put(y.get() + a.get());
        }
    }
}

fn accumulate_all<A: Element, Y: Element>(a: &[A], y: &mut [Y]) -> Result<()> {
    expect_length("y", y.len(), a.len())?;
    let task = pool::task_rows(1);
    pool::each(a.chunks(task).zip(y.chunks_mut(task)), |(a, y)| accumulate(a, y));
    Ok(())
}

#[napi]
pub fn add_into(a: Floats, y: Floats) -> Result<()> {
    each_storage!(a, y; accumulate_all(a, y))
}

per_isa! {
    fn multiples<X: Element, Y: Element>(x: &[X], s: f32, y: &mut [Y]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = Y::put(x.get() * s);
        }
    }
}

per_isa! {
    fn multiples_in_place<Y: Element>(s: f32, y: &mut [Y]) {
        for y in y {
            *y = Y::put(y.get() * s);
        }
    }
}

fn scale_to<X: Element, Y: Element>(x: &[X], s: f32, y: &mut [Y]) -> Result<()> {
    expect_length("y", y.len(), x.len())?;
    let task = pool::task_rows(1);
    pool::each(x.chunks(task).zip(y.chunks_mut(task)), |(x, y)| multiples(x, s, y));
    Ok(())
}

fn scale_in_place<Y: Element>(s: f32, y: &mut [Y]) -> Result<()> {
    pool::each(y.chunks_mut(pool::task_rows(1)), |y| multiples_in_place(s, y));
    Ok(())
}

/// `y` may be `x`.
#[napi]
pub fn scale(x: Floats, s: f64, y: Floats) -> Result<()> {
    if x.address() == y.address() {
        return each_storage!(y; scale_in_place(s as f32, y));
    }
    each_storage!(x, y; scale_to(x, s as f32, y))
}

fn fill_all<Y: Element>(y: &mut [Y], value: f32) -> Result<()> {
    pool::each(y.chunks_mut(pool::task_rows(1) * 16), |y| y.fill(Y::put(value)));
    Ok(())
}

#[napi]
pub fn fill(y: Floats, value: f64) -> Result<()> {
    each_storage!(y; fill_all(y, value as f32))
}

per_isa! {
    fn scaled_rows<X: Element, Y: Element>(x: &[X], s: &[f32], y: &mut [Y], keep: bool) {
        let width = x.len() / s.len();
        for ((x, s), y) in x.chunks_exact(width).zip(s).zip(y.chunks_exact_mut(width)) {
            if keep {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = Y::put(y.get() + s * x.get());
                }
            } else {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = Y::put(s * x.get());
                }
            }
        }
    }
}

fn scale_all_rows<X: Element, Y: Element>(
    x: &[X],
    s: Floats,
    y: &mut [Y],
    keep: bool,
) -> Result<()> {
    let s = s.f32()?;
    expect_length("y", y.len(), x.len())?;
    if x.is_empty() {
        return Ok(());
    }
    rows_of("x", x.len(), s.len())?;
    let width = x.len() / s.len();
    let task = pool::task_rows(width);
    let tasks = x.chunks(task * width).zip(s.chunks(task)).zip(y.chunks_mut(task * width));
    pool::each(tasks, |((x, s), y)| scaled_rows(x, s, y, keep));
    Ok(())
}

#[napi]
pub fn scale_rows(x: Floats, s: Floats, y: Floats, beta: f64) -> Result<()> {
    each_storage!(x, y; scale_all_rows(x, s, y, beta != 0.0))
}

per_isa! {
    fn sum_rows<X: Element>(x: &[X], sum: &mut [f32]) {
        for x in x.chunks_exact(sum.len()) {
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum += x.get();
            }
        }
    }
}

fn sum_columns<X: Element>(x: &[X], y: Floats) -> Result<()> {
    let y = y.f32()?;
    let width = y.len();
    let rows = rows_of("x", x.len(), width)?;
    let task = pool::partial_rows(width);
    let mut partials = vec![0.0; rows.div_ceil(task) * width];
    let tasks = x.chunks(task * width).zip(partials.chunks_mut(width));
    pool::each(tasks, |(x, sum)| sum_rows(x, sum));
    add_partials(&partials, y);
    Ok(())
}

#[napi]
pub fn column_sums(x: Floats, y: Floats) -> Result<()> {
    each_storage!(x; sum_columns(x, y))
}
