//! Finished sums of a block to C: rounded, or as the columns of what is stored.

use super::product::{Product, Scales};
use crate::floats::{from_bf16, to_bf16};
use crate::per_isa;

/// Writes the sums [rows, columns], whose rows are `stride` apart, to their place in C; scaled before, where they are
/// sums of codes still.
///
/// # Safety
/// That place is the caller's alone; the sums are there.
pub unsafe fn store(
    p: &Product,
    scales: Option<&Scales>,
    rows: (usize, usize),
    columns: (usize, usize),
    sums: *mut f32,
    stride: usize,
) {
    let width = columns.1 - columns.0;
    if p.c_transposed {
        // SAFETY: the caller's.
        return unsafe { store_columns(p, rows, columns, sums, stride) };
    }
    for row in rows.0..rows.1 {
        let at = row * p.n + columns.0;
        // SAFETY: inside C, and the sums behind it.
        unsafe {
            let from = sums.add((row - rows.0) * stride);
            if let Some(scales) = scales {
                scale(p, scales, (row, row + 1), columns, from, stride);
            }
            let from = std::slice::from_raw_parts(from, width);
            if p.c_bf16 {
                let to = p.c.get().cast::<u16>().add(at);
                round(from, std::slice::from_raw_parts_mut(to, width), p.accumulate);
            } else {
                let to = p.c.get().cast::<f32>().add(at);
                copy(from, std::slice::from_raw_parts_mut(to, width), p.accumulate);
            }
        }
    }
}

/// Sums of codes (i32 in the same memory) to what they stand for, plus the bias.
///
/// # Safety
/// The sums are there, and the caller's alone.
pub unsafe fn scale(
    p: &Product,
    scales: &Scales,
    rows: (usize, usize),
    columns: (usize, usize),
    sums: *mut f32,
    stride: usize,
) {
    let of_columns = scales.columns.map(|scales| &scales[columns.0..columns.1]);
    let offsets = scales.offsets.map(|offsets| &offsets[columns.0..columns.1]);
    let bias = p.bias.map(|bias| &bias[columns.0..columns.1]);
    for row in rows.0..rows.1 {
        // SAFETY: the caller's.
        let sums = unsafe {
            let at = sums.add((row - rows.0) * stride);
            std::slice::from_raw_parts_mut(at, columns.1 - columns.0)
        };
        scale_row(sums, scales.rows[row], of_columns, offsets, bias);
    }
}

per_isa! {
    fn scale_row(
        sums: &mut [f32],
        row: f32,
        columns: Option<&[f32]>,
        offsets: Option<&[i32]>,
        bias: Option<&[f32]>,
    ) {
        if let Some(offsets) = offsets {
            for (sum, offset) in sums.iter_mut().zip(offsets) {
                *sum = f32::from_bits((sum.to_bits() as i32).wrapping_sub(*offset) as u32);
            }
        }
        match columns {
            Some(columns) => {
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = sum.to_bits() as i32 as f32 * row * column;
                }
            }
            None => {
                for sum in sums.iter_mut() {
                    *sum = sum.to_bits() as i32 as f32 * row;
                }
            }
        }
        if let Some(bias) = bias {
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
    }
}

/// C is few columns wide: what lies in rows here are its columns.
unsafe fn store_columns(
    p: &Product,
    rows: (usize, usize),
    columns: (usize, usize),
    sums: *const f32,
    stride: usize,
) {
    for column in columns.0..columns.1 {
        for row in rows.0..rows.1 {
            let at = column * p.m + row;
            // SAFETY: inside C, and the sums behind it.
            unsafe {
                let sum = *sums.add((row - rows.0) * stride + column - columns.0);
                if p.c_bf16 {
                    let to = p.c.get().cast::<u16>().add(at);
                    *to = to_bf16(if p.accumulate { from_bf16(*to) + sum } else { sum });
                } else {
                    let to = p.c.get().cast::<f32>().add(at);
                    *to = if p.accumulate { *to + sum } else { sum };
                }
            }
        }
    }
}

per_isa! {
    fn round(from: &[f32], to: &mut [u16], accumulate: bool) {
        if accumulate {
            for (to, from) in to.iter_mut().zip(from) {
                *to = to_bf16(from_bf16(*to) + from);
            }
        } else {
            for (to, from) in to.iter_mut().zip(from) {
                *to = to_bf16(*from);
            }
        }
    }
}

per_isa! {
    fn copy(from: &[f32], to: &mut [f32], accumulate: bool) {
        if accumulate {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        } else {
            to.copy_from_slice(from);
        }
    }
}
