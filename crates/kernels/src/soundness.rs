//! Kernels on small odd shapes, called as JavaScript calls them, so that Miri can look at what their unsafe code does,
//! and run instruction sets that the machine does not have: `scripts/miri.ts`. The numbers are held against plain loops.

use napi::bindgen_prelude::Int32Array;

use crate::attention::{attention_backward, attention_forward};
use crate::floats::Floats;
use crate::gemm::gemm;
use crate::quantized::{Form, Operand, Quantized, gguf};
use crate::rms_norm::{rms_norm_backward, rms_norm_forward};
use crate::swiglu::{swiglu_backward, swiglu_forward};
use crate::{pool, queue};

/// A buffer that is lent to kernels, and read again afterwards.
struct Buffer(*mut [f32]);

impl Buffer {
    /// Numbers from -1 to 1, by a linear congruence.
    fn drawn(length: usize, seed: u32) -> Buffer {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let draw = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        Buffer(Box::into_raw((0..length).map(draw).collect()))
    }

    fn zeros(length: usize) -> Buffer {
        Buffer(Box::into_raw(vec![0.0; length].into_boxed_slice()))
    }

    fn lend(&self) -> Floats {
        // SAFETY: it lives until the test ends, and one call at a time has it.
        Floats::F32(unsafe { &mut *self.0 })
    }

    fn read(&self) -> &[f32] {
        // SAFETY: no call has it now.
        unsafe { &*self.0 }
    }
}

fn assert_near(got: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len());
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let difference = (*got as f64 - wanted).abs();
        assert!(difference <= tolerance, "at {i}: {got} where {wanted} was wanted");
    }
}

#[test]
fn tasks_are_done_once_each_on_any_number_of_threads() {
    for threads in [1, 2, 4] {
        pool::set_threads(threads);
        for count in [0, 1, 2, 7, 33] {
            let mut done = vec![0u32; count];
            pool::each(done.iter_mut().enumerate(), |(i, each)| *each += i as u32 + 1);
            assert!(done.iter().enumerate().all(|(i, each)| *each == i as u32 + 1));
        }
    }
    // A panic comes out where the job was given, and the next job runs.
    let panics = std::panic::catch_unwind(|| queue::drain(5, |i| assert!(i != 3)));
    assert!(panics.is_err());
    queue::drain(5, |_| ());
}

#[test]
fn products() {
    pool::set_threads(2);
    for (m, n, k) in [(1, 1, 1), (3, 18, 5), (7, 33, 19), (13, 35, 8)] {
        for (trans_a, trans_b) in [(false, false), (false, true), (true, false)] {
            let (a, b, c) =
                (Buffer::drawn(m * k, 1), Buffer::drawn(k * n, 2), Buffer::drawn(m * n, 3));
            let bias = Buffer::drawn(n, 4);
            let mut wanted = vec![0.0; m * n];
            for i in 0..m {
                for j in 0..n {
                    let sum: f64 = (0..k)
                        .map(|l| {
                            let a = a.read()[if trans_a { l * m + i } else { i * k + l }] as f64;
                            a * b.read()[if trans_b { j * k + l } else { l * n + j }] as f64
                        })
                        .sum();
                    let at = i * n + j;
                    wanted[at] = 0.5 * sum + c.read()[at] as f64 + bias.read()[j] as f64;
                }
            }
            let (m, n, k) = (m as u32, n as u32, k as u32);
            let (b, bias) = (Operand::Floats(b.lend()), Some(bias.lend()));
            let (a, to) = (a.lend(), c.lend());
            gemm(a, b, to, m, n, k, trans_a, trans_b, 0.5, 1.0, bias, None, None).unwrap();
            assert_near(c.read(), &wanted, 1e-5);
        }
    }
}

#[test]
fn products_with_blocks() {
    pool::set_threads(2);
    // Two blocks of Q4_0 a row, with scales of 1 (0x3c00 in half precision); and INT8 with a scale a row.
    let (n, k) = (3, 64);
    let blocks = gguf::blocks("Q4_0").unwrap();
    let (elements, bytes) = (blocks.elements, blocks.bytes);
    let mut codes: Vec<u8> = (0..n * k / elements * bytes).map(|i| (i * 41) as u8).collect();
    codes.chunks_mut(bytes).for_each(|block| block[..2].copy_from_slice(&[0x00, 0x3c]));
    let mut numbers = vec![0.0; n * k];
    (blocks.decode)(&codes, &mut numbers);
    check_blocks(Form::Blocks(blocks), codes, &numbers, n, k);

    let codes: Vec<u8> = (0..n * k).map(|i| (i * 41) as u8).collect();
    let scales: &'static [f32] = vec![0.25, 0.5, 1.0].leak();
    let number = |(i, code): (usize, &u8)| *code as i8 as f32 * scales[i / k];
    let numbers: Vec<f32> = codes.iter().enumerate().map(number).collect();
    check_blocks(Form::Int8(scales), codes, &numbers, n, k);
}

/// x · Wᵀ with W [n, k] in blocks is x · Wᵀ with the numbers that they stand for.
fn check_blocks(form: Form, bytes: Vec<u8>, numbers: &[f32], n: usize, k: usize) {
    let m = 5;
    let w = Quantized { form, rows: n, columns: k, bytes: bytes.leak(), integer: false };
    let (x, y) = (Buffer::drawn(m * k, 1), Buffer::zeros(m * n));
    let product = |at: usize| {
        let (x, w) = (&x.read()[at / n * k..][..k], &numbers[at % n * k..][..k]);
        x.iter().zip(w).map(|(x, w)| *x as f64 * *w as f64).sum()
    };
    let wanted: Vec<f64> = (0..m * n).map(product).collect();
    let w = Operand::Quantized(w);
    let (x, to, m, n, k) = (x.lend(), y.lend(), m as u32, n as u32, k as u32);
    gemm(x, w, to, m, n, k, false, true, 1.0, 0.0, None, None, None).unwrap();
    assert_near(y.read(), &wanted, 1e-2);
}

#[test]
fn attention() {
    pool::set_threads(2);
    // Two documents, grouped queries, a width that is no multiple of a vector.
    let (starts, heads, key_heads, width) = ([0, 3, 8], 4usize, 2usize, 20usize);
    let rows = 8;
    let (row, key_row) = (heads * width, key_heads * width);
    let (q, k, v) = (
        Buffer::drawn(rows * row, 1),
        Buffer::drawn(rows * key_row, 2),
        Buffer::drawn(rows * key_row, 3),
    );
    let (y, lse) = (Buffer::zeros(rows * row), Buffer::zeros(rows * heads));
    let segments = || {
        let list = |values: &[i32]| Int32Array::new(values.to_vec());
        (list(&starts), list(&[0, 3, 3, 5]), list(&[0, 1, 2]))
    };
    let scale = 0.25;
    let mut wanted = vec![0.0; rows * row];
    for document in starts.windows(2) {
        let (from, to) = (document[0] as usize, document[1] as usize);
        for (t, h) in (from..to).flat_map(|t| (0..heads).map(move |h| (t, h))) {
            let key = |s: usize| s * key_row + h / (heads / key_heads) * width;
            let weights: Vec<f64> = (from..=t)
                .map(|s| {
                    let products = (0..width).map(|e| {
                        q.read()[t * row + h * width + e] as f64 * k.read()[key(s) + e] as f64
                    });
                    (scale * products.sum::<f64>()).exp()
                })
                .collect();
            let all: f64 = weights.iter().sum();
            for e in 0..width {
                let sum: f64 = (from..=t)
                    .zip(&weights)
                    .map(|(s, weight)| weight * v.read()[key(s) + e] as f64)
                    .sum();
                wanted[t * row + h * width + e] = sum / all;
            }
        }
    }
    let (queries, ranges, range_starts) = segments();
    let (h, kh, w) = (heads as u32, key_heads as u32, width as u32);
    attention_forward(
        q.lend(),
        k.lend(),
        v.lend(),
        queries,
        ranges,
        range_starts,
        h,
        kh,
        w,
        scale,
        None,
        y.lend(),
        lse.lend(),
    )
    .unwrap();
    assert_near(y.read(), &wanted, 1e-5);
    let dy = Buffer::drawn(rows * row, 4);
    let (dq, dk, dv) =
        (Buffer::zeros(rows * row), Buffer::zeros(rows * key_row), Buffer::zeros(rows * key_row));
    let (queries, ranges, range_starts) = segments();
    attention_backward(
        dy.lend(),
        q.lend(),
        k.lend(),
        v.lend(),
        y.lend(),
        lse.lend(),
        queries,
        ranges,
        range_starts,
        h,
        kh,
        w,
        scale,
        None,
        dq.lend(),
        dk.lend(),
        dv.lend(),
    )
    .unwrap();
    // Values are read linearly: ⟨dv, v⟩ = ⟨dy, y⟩.
    let dot =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>();
    assert_near(&[dot(dv.read(), v.read()) as f32], &[dot(dy.read(), y.read())], 1e-4);
}

#[test]
fn norms_and_gates() {
    pool::set_threads(2);
    let (rows, width) = (3, 37);
    let (x, weight, dy) =
        (Buffer::drawn(rows * width, 1), Buffer::drawn(width, 2), Buffer::drawn(rows * width, 3));
    let (y, rstd) = (Buffer::zeros(rows * width), Buffer::zeros(rows));
    rms_norm_forward(x.lend(), weight.lend(), 1e-5, y.lend(), rstd.lend()).unwrap();
    let wanted: Vec<f64> = (0..rows * width)
        .map(|i| {
            let row = &x.read()[i / width * width..][..width];
            let mean = row.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / width as f64;
            x.read()[i] as f64 / (mean + 1e-5).sqrt() * weight.read()[i % width] as f64
        })
        .collect();
    assert_near(y.read(), &wanted, 1e-5);
    let (dx, d_weight) = (Buffer::zeros(rows * width), Buffer::zeros(width));
    let (dx_lent, d_weight_lent) = (Some(dx.lend()), Some(d_weight.lend()));
    rms_norm_backward(dy.lend(), x.lend(), weight.lend(), rstd.lend(), dx_lent, d_weight_lent)
        .unwrap();
    assert!(dx.read().iter().chain(d_weight.read()).all(|each| each.is_finite() && *each != 0.0));

    let (gate, up) = (Buffer::drawn(rows * width, 4), Buffer::drawn(rows * width, 5));
    swiglu_forward(gate.lend(), up.lend(), y.lend()).unwrap();
    let wanted: Vec<f64> = (gate.read().iter().zip(up.read()))
        .map(|(gate, up)| *gate as f64 / (1.0 + (-*gate as f64).exp()) * *up as f64)
        .collect();
    assert_near(y.read(), &wanted, 1e-5);
    let (d_gate, d_up) = (Buffer::zeros(rows * width), Buffer::zeros(rows * width));
    swiglu_backward(dy.lend(), gate.lend(), up.lend(), d_gate.lend(), d_up.lend()).unwrap();
}

#[test]
fn blocks_of_gguf() {
    for kind in ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"] {
        let blocks = crate::quantized::gguf::blocks(kind).unwrap();
        // Bytes of any kind must be read within bounds; halves of ones would be NaN.
        let bytes: Vec<u8> = (0..3 * blocks.bytes).map(|i| (i * 37 % 59) as u8).collect();
        let mut y = vec![f32::NAN; 3 * blocks.elements];
        (blocks.decode)(&bytes, &mut y);
        assert!(y.iter().all(|each| each.is_finite()), "{kind}");
    }
}
