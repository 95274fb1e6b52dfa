//! Rotary position embedding. Spec: `src/kernels/rope.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, Ints, expect_length, invalid, rows_of};
use crate::{each_storage, per_isa, pool};

#[napi]
pub fn rope_table(
    positions: Ints,
    inverse_frequencies: Floats,
    scaling: f64,
    cos: Floats,
    sin: Floats,
) -> Result<()> {
    let frequencies = inverse_frequencies.f32()?;
    let (cos, sin, positions) = (cos.f32()?, sin.f32()?, positions.0);
    let half = frequencies.len();
    expect_length("cos", cos.len(), positions.len() * half)?;
    expect_length("sin", sin.len(), positions.len() * half)?;
    if half == 0 {
        return Ok(());
    }
    let frequencies = &*frequencies;
    // A sine costs about forty plain operations.
    let task = pool::task_rows(half * 16);
    let tasks =
        positions.chunks(task).zip(cos.chunks_mut(task * half)).zip(sin.chunks_mut(task * half));
    pool::each(tasks, |((positions, cos), sin)| {
        let rows = positions.iter().zip(cos.chunks_exact_mut(half)).zip(sin.chunks_exact_mut(half));
        for ((position, cos), sin) in rows {
            for ((cos, sin), frequency) in cos.iter_mut().zip(sin).zip(frequencies) {
                // The angle is rounded to f32, as torch has it; its sine is then exact.
                let (s, c) = ((*position as f32 * frequency) as f64).sin_cos();
                *cos = c as f32 * scaling as f32;
                *sin = s as f32 * scaling as f32;
            }
        }
    });
    Ok(())
}

/// The widest head that a row on the stack holds.
const MAX_WIDTH: usize = 1024;

per_isa! {
    /// `x` is `None` where `y` holds the input.
    fn rotate<X: Element>(
        x: Option<&[X]>,
        cos: &[f32],
        sin: &[f32],
        heads: usize,
        width: usize,
        half: usize,
        direction: f32,
        y: &mut [X],
    ) {
        let mut row = [0.0f32; MAX_WIDTH];
        for (t, (cos, sin)) in cos.chunks_exact(half).zip(sin.chunks_exact(half)).enumerate() {
            for head in 0..heads {
                let at = (t * heads + head) * width;
                let y = &mut y[at..at + width];
                if let Some(x) = x {
                    y[2 * half..].copy_from_slice(&x[at + 2 * half..at + width]);
                    for (row, x) in row.iter_mut().zip(&x[at..at + 2 * half]) {
                        *row = x.get();
                    }
                } else {
                    for (row, y) in row.iter_mut().zip(&y[..2 * half]) {
                        *row = y.get();
                    }
                }
                let (low, high) = row[..2 * half].split_at(half);
                let (y_low, y_high) = y[..2 * half].split_at_mut(half);
                let pairs = low.iter().zip(high).zip(cos).zip(sin);
                for ((y_low, y_high), (((low, high), c), s)) in y_low.iter_mut().zip(y_high).zip(pairs) {
                    let s = s * direction;
                    *y_low = X::put(low * c - high * s);
                    *y_high = X::put(high * c + low * s);
                }
            }
        }
    }
}

#[napi]
pub fn rope(
    x: Floats,
    cos: Floats,
    sin: Floats,
    heads: u32,
    width: u32,
    direction: f64,
    y: Floats,
) -> Result<()> {
    let in_place = x.address() == y.address();
    each_storage!(y; turn((!in_place).then_some(x), cos, sin, heads, width, direction, y))
}

fn turn<X: Element>(
    x: Option<Floats>,
    cos: Floats,
    sin: Floats,
    heads: u32,
    width: u32,
    direction: f64,
    y: &mut [X],
) -> Result<()> {
    let x = x.map(X::of).transpose()?;
    let (cos, sin, heads, width) = (cos.f32()?, sin.f32()?, heads as usize, width as usize);
    let positions = rows_of("y", y.len(), heads * width)?;
    if let Some(x) = &x {
        expect_length("x", x.len(), y.len())?;
    }
    expect_length("sin", sin.len(), cos.len())?;
    if positions == 0 {
        return Ok(());
    }
    rows_of("cos", cos.len(), positions)?;
    let half = cos.len() / positions;
    if half == 0 || 2 * half > width || width > MAX_WIDTH {
        return Err(invalid(format!(
            "{} channels of a head of {width} cannot be rotated",
            2 * half
        )));
    }
    let task = pool::task_rows(heads * width);
    let span = task * heads * width;
    let x = match &x {
        Some(x) => x.chunks(span).map(Some).collect::<Vec<_>>(),
        None => vec![None; positions.div_ceil(task)],
    };
    let tasks = x
        .into_iter()
        .zip(cos.chunks(task * half))
        .zip(sin.chunks(task * half))
        .zip(y.chunks_mut(span));
    pool::each(tasks, |(((x, cos), sin), y)| {
        rotate(x, cos, sin, heads, width, half, direction as f32, y);
    });
    Ok(())
}
