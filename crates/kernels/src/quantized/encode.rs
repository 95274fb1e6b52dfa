//! Numbers into codes: bitsandbytes' blocks of 64 with the nearest of sixteen values, its second level with
//! the nearest of 256, and rows of signed bytes. Spec: `src/kernels/quantize.ts`.

use std::cmp::Ordering;

use napi::Result;
use napi_derive::napi;

use super::four_bit::{BLOCK, FP4, NESTED_BLOCK, NF4};
use crate::convert::blocks;
use crate::floats::{Bytes, Floats, expect_length, invalid};
use crate::queue::{self, Shared};
use crate::{per_isa, scratch};

/// Numbers of a task: whole blocks of every type.
const TASK: usize = 1 << 14;

/// Values in order, the bounds between them, and each one's code.
struct Codebook {
    bounds: [f32; 15],
    order: [u8; 16],
}

impl Codebook {
    fn of(values: &[f32; 16]) -> Codebook {
        let mut order: [u8; 16] = std::array::from_fn(|i| i as u8);
        order.sort_by(|a, b| {
            values[*a as usize].partial_cmp(&values[*b as usize]).unwrap_or(Ordering::Equal)
        });
        let value = |i: usize| values[order[i] as usize];
        Codebook { bounds: std::array::from_fn(|i| (value(i) + value(i + 1)) / 2.0), order }
    }
}

#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let (eights, rest) = x.as_chunks::<8>();
    let mut most = [0.0f32; 8];
    for eight in eights {
        for (most, x) in most.iter_mut().zip(eight) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    most.into_iter().chain(rest.iter().map(|x| x.abs())).fold(0.0, f32::max)
}

/// Of what a block is divided by, so that zeros stay zeros.
const LEAST: f32 = 1e-38;

/// The largest magnitude of a block of `size`, and its numbers divided by it. A short block at the end is divided,
/// a whole one multiplied by the reciprocal: as bitsandbytes does, to the bit.
#[inline(always)]
fn scale_down(x: &mut [f32], size: usize) -> f32 {
    let scale = largest(x);
    let divisor = scale.max(LEAST);
    if x.len() == size {
        let factor = 1.0 / divisor;
        x.iter_mut().for_each(|x| *x = (*x * factor).clamp(-1.0, 1.0));
    } else {
        x.iter_mut().for_each(|x| *x = (*x / divisor).clamp(-1.0, 1.0));
    }
    scale
}

per_isa! {
    /// Codes and scales of blocks, the last of which may be short. `x` is written over.
    fn encode_four_bit(x: &mut [f32], book: &Codebook, codes: &mut [u8], scales: &mut [f32]) {
        let parts = x.chunks_mut(BLOCK).zip(codes.chunks_mut(BLOCK / 2)).zip(scales);
        for ((x, codes), scale) in parts {
            let most = scale_down(x, BLOCK);
            *scale = if x.len() == BLOCK { most } else { most.max(LEAST) };
            // A pad beside a last odd number is the code of zero.
            let mut block = [0.0f32; BLOCK];
            block[..x.len()].copy_from_slice(x);
            let mut places = [0i32; BLOCK];
            for bound in book.bounds {
                for (place, x) in places.iter_mut().zip(block) {
                    *place += (x > bound) as i32;
                }
            }
            for (code, pair) in codes.iter_mut().zip(places.as_chunks::<2>().0) {
                let [first, second] = pair.map(|place| book.order[place as usize & 15]);
                *code = first << 4 | second;
            }
        }
    }
}

/// Works off `length` stored numbers, a task's at a time, as f32.
fn each_task(
    bytes: &[u8],
    kind: &str,
    (length, task): (usize, usize),
    work: impl Fn(usize, &mut [f32]) + Send + Sync,
) -> Result<()> {
    let from = blocks(kind)?;
    if !length.is_multiple_of(from.elements) || !task.is_multiple_of(from.elements) {
        return Err(invalid(format!("runs of {length} numbers are no whole blocks of {kind}")));
    }
    expect_length("bytes", bytes.len(), length / from.elements * from.bytes)?;
    queue::drain(length.div_ceil(task), |i| {
        let (start, end) = (i * task, ((i + 1) * task).min(length));
        let at = |element: usize| element / from.elements * from.bytes;
        scratch::with([end - start], |[numbers]| {
            // SAFETY: the scratch has room for the task's numbers.
            let numbers = unsafe { std::slice::from_raw_parts_mut(numbers, end - start) };
            (from.decode)(&bytes[at(start)..at(end)], numbers);
            work(start, numbers);
        });
    });
    Ok(())
}

/// # Safety
/// No other task writes the range.
unsafe fn part<'a, T>(of: Shared<T>, start: usize, end: usize) -> &'a mut [T] {
    // SAFETY: inside the buffer, whose length was checked.
    unsafe { std::slice::from_raw_parts_mut(of.get().add(start), end - start) }
}

#[napi]
pub fn quantize_four_bit(
    bytes: Bytes,
    kind: String,
    length: f64,
    target: String,
    codes: Bytes,
    scales: Floats,
) -> Result<()> {
    let (length, scales) = (length as usize, scales.f32()?);
    let book = Codebook::of(match target.as_str() {
        "NF4" => &NF4.0,
        "FP4" => &FP4.0,
        _ => return Err(invalid(format!("`{target}` has no codes of four bits"))),
    });
    expect_length("codes", codes.0.len(), length.div_ceil(2))?;
    expect_length("scales", scales.len(), length.div_ceil(BLOCK))?;
    let (codes, scales) = (Shared(codes.0.as_mut_ptr()), Shared(scales.as_mut_ptr()));
    each_task(bytes.0, &kind, (length, TASK), |start, numbers| {
        let end = start + numbers.len();
        // SAFETY: tasks begin at whole blocks, so their codes and scales are their own.
        let (codes, scales) = unsafe {
            (
                part(codes, start / 2, end.div_ceil(2)),
                part(scales, start / BLOCK, end.div_ceil(BLOCK)),
            )
        };
        encode_four_bit(numbers, &book, codes, scales);
    })
}

#[napi]
pub fn nest_scales(
    scales: Floats,
    offset: f64,
    map: Floats,
    codes: Bytes,
    second: Floats,
) -> Result<()> {
    let (scales, map, second) = (scales.f32()?, map.f32()?, second.f32()?);
    let offset = offset as f32;
    expect_length("map", map.len(), 256)?;
    expect_length("codes", codes.0.len(), scales.len())?;
    expect_length("second", second.len(), scales.len().div_ceil(NESTED_BLOCK))?;
    let bounds: Vec<f32> = map.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    let (codes, second) = (Shared(codes.0.as_mut_ptr()), Shared(second.as_mut_ptr()));
    let length = scales.len();
    queue::drain(length.div_ceil(TASK), |i| {
        let (start, end) = (i * TASK, ((i + 1) * TASK).min(length));
        // SAFETY: tasks begin at whole blocks.
        let (codes, second) = unsafe {
            (
                part(codes, start, end),
                part(second, start / NESTED_BLOCK, end.div_ceil(NESTED_BLOCK)),
            )
        };
        let blocks = scales[start..end].chunks(NESTED_BLOCK).zip(codes.chunks_mut(NESTED_BLOCK));
        for ((from, codes), scale) in blocks.zip(second) {
            let mut block = [0.0f32; NESTED_BLOCK];
            let block = &mut block[..from.len()];
            for (to, from) in block.iter_mut().zip(from) {
                *to = from - offset;
            }
            *scale = scale_down(block, NESTED_BLOCK);
            for (code, x) in codes.iter_mut().zip(block) {
                *code = bounds.partition_point(|bound| *bound < *x) as u8;
            }
        }
    });
    Ok(())
}

per_isa! {
    /// Codes of rows and their scales.
    fn encode_int8(x: &[f32], columns: usize, codes: &mut [u8], scales: &mut [f32]) {
        for ((x, codes), scale) in x.chunks(columns).zip(codes.chunks_mut(columns)).zip(scales) {
            let most = largest(x);
            *scale = most / 127.0;
            let factor = if most > 0.0 { 127.0 / most } else { 0.0 };
            for (code, x) in codes.iter_mut().zip(x) {
                *code = (x * factor).round_ties_even() as i8 as u8;
            }
        }
    }
}

#[napi]
pub fn quantize_rows(
    bytes: Bytes,
    kind: String,
    columns: f64,
    codes: Bytes,
    scales: Floats,
) -> Result<()> {
    let (columns, scales) = (columns as usize, scales.f32()?);
    let (length, rows) = (codes.0.len(), scales.len());
    expect_length("codes", length, rows * columns)?;
    if length == 0 {
        return Ok(());
    }
    let (codes, scales) = (Shared(codes.0.as_mut_ptr()), Shared(scales.as_mut_ptr()));
    let task = (TASK / columns).max(1) * columns;
    each_task(bytes.0, &kind, (length, task), |start, numbers| {
        let end = start + numbers.len();
        // SAFETY: tasks are whole rows.
        let (codes, scales) =
            unsafe { (part(codes, start, end), part(scales, start / columns, end / columns)) };
        encode_int8(numbers, columns, codes, scales);
    })
}
