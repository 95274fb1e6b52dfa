//! Dropout whose mask depends on row, position and channel, never on the place in a buffer.
//! Spec: `src/kernels/dropout.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, Ints, expect_length, invalid, rows_of};
use crate::philox::{LANES, blocks};
use crate::{each_storage, per_isa, pool};

/// What all rows share. A number whose random word is below `threshold` is dropped.
#[derive(Clone, Copy)]
struct Mask {
    key: [u32; 2],
    step: u32,
    threshold: u32,
    scale: f32,
}

per_isa! {
    /// `x` is `None` where `y` holds the input.
    fn row<X: Element>(x: Option<&[X]>, id: u32, position: u32, mask: Mask, y: &mut [X]) {
        const SPAN: usize = 4 * LANES;
        for (index, y) in y.chunks_mut(SPAN).enumerate() {
            let counter = [id, position, (index * LANES) as u32, mask.step];
            let words = blocks(counter, 2, mask.key);
            let mut input = [X::default(); SPAN];
            let from = match x {
                Some(x) => &x[index * SPAN..][..y.len()],
                None => &*y,
            };
            input[..y.len()].copy_from_slice(from);
            let mut output = [X::default(); SPAN];
            for i in 0..LANES {
                for (j, words) in words.iter().enumerate() {
                    let kept = input[4 * i + j].get() * mask.scale;
                    output[4 * i + j] = X::put(if words[i] >= mask.threshold { kept } else { 0.0 });
                }
            }
            y.copy_from_slice(&output[..y.len()]);
        }
    }
}

fn drop_out<X: Element>(
    x: Option<Floats>,
    row_ids: &[i32],
    positions: &[i32],
    mask: Mask,
    y: &mut [X],
) -> Result<()> {
    let x = x.map(X::of).transpose()?;
    expect_length("positions", positions.len(), row_ids.len())?;
    if let Some(x) = &x {
        expect_length("x", x.len(), y.len())?;
    }
    if y.is_empty() {
        return Ok(());
    }
    rows_of("y", y.len(), row_ids.len())?;
    let width = y.len() / row_ids.len();
    // A random word costs about as much as four plain numbers.
    let task = pool::task_rows(width * 4);
    let count = row_ids.len().div_ceil(task);
    let x = match &x {
        Some(x) => x.chunks(task * width).map(Some).collect::<Vec<_>>(),
        None => vec![None; count],
    };
    let names = row_ids.chunks(task).zip(positions.chunks(task));
    pool::each(x.into_iter().zip(names).zip(y.chunks_mut(task * width)), |((x, names), y)| {
        let names = names.0.iter().zip(names.1);
        for (i, ((id, position), y)) in names.zip(y.chunks_exact_mut(width)).enumerate() {
            let x = x.map(|x| &x[i * width..][..width]);
            row(x, *id as u32, *position as u32, mask, y);
        }
    });
    Ok(())
}

/// `y` may be `x`.
#[napi]
#[allow(clippy::too_many_arguments)]
pub fn dropout(
    x: Floats,
    row_ids: Ints,
    positions: Ints,
    seed: u32,
    purpose: u32,
    step: u32,
    p: f64,
    y: Floats,
) -> Result<()> {
    if !(0.0..1.0).contains(&p) {
        return Err(invalid(format!("{p} is no share of numbers to drop: it must be in [0, 1)")));
    }
    let mask = Mask {
        key: [seed, purpose],
        step,
        threshold: (p * 4_294_967_296.0) as u32,
        scale: (1.0 / (1.0 - p)) as f32,
    };
    let in_place = x.address() == y.address();
    each_storage!(y; drop_out((!in_place).then_some(x), row_ids.0, positions.0, mask, y))
}
