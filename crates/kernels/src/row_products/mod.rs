//! Products of a few rows of x with the rows of a weight that lies as it is: decoding. Spec: `src/kernels/row-products.ts`.
//!
//! Nothing is packed: the weight is read once, and its bandwidth is the limit where x has few rows. Each number
//! of y is summed along k in lanes of its own, so neither the number of x's rows nor of threads changes a bit.

mod floats;
#[macro_use]
pub mod octets;
pub mod whole;

use floats::Rows;
use napi::Result;
use napi_derive::napi;
use whole::Codes;

use crate::floats::{Element, Floats, from_bf16, invalid, to_bf16};
use crate::quantized::gguf::Blocks;
use crate::quantized::{Form, Operand, Quantized};
use crate::queue::{self, Shared};
use crate::{per_isa, pool, scratch};

/// How far ahead of its use a weight is fetched, in bytes: a page, which is further than the machine looks by itself.
const AHEAD: usize = 4096;
/// Bytes of the weight that a task reads, about.
const TASK: usize = 32 * 1024;
/// Tasks of a thread, at most.
const TASKS: usize = 8;
/// Rows of a task are a multiple of this: whole tiles of every kind.
const UNIT: usize = 12;
/// Multiply-adds below which a second thread costs more than it saves.
const SMALL: usize = 50_000;

/// Where sums go: y = alpha · sum + bias, or added to what is there.
pub struct Sink {
    y: Shared<u8>,
    bf16: bool,
    n: usize,
    alpha: f32,
    accumulate: bool,
    bias: Option<Floats>,
}

// SAFETY: tasks write numbers of their own, and only read the bias.
unsafe impl Sync for Sink {}

impl Sink {
    /// # Safety
    /// The place is inside y, and the caller's alone.
    #[inline(always)]
    unsafe fn put(&self, row: usize, column: usize, sum: f32) {
        // SAFETY: the caller's.
        unsafe { self.put_all(row, column, [sum]) }
    }

    /// Sums of columns side by side.
    ///
    /// # Safety
    /// As of `put`.
    #[inline(always)]
    unsafe fn put_all<const N: usize>(&self, row: usize, column: usize, sums: [f32; N]) {
        let mut values = sums.map(|sum| self.alpha * sum);
        match &self.bias {
            None => values.iter_mut().for_each(|value| *value += 0.0),
            Some(Floats::F32(bias)) => add(&mut values, |i| bias[column + i]),
            Some(Floats::Bf16(bias)) => add(&mut values, |i| from_bf16(bias[column + i])),
        }
        let at = row * self.n + column;
        // SAFETY: the caller's.
        unsafe {
            if self.bf16 {
                let to = self.y.get().cast::<u16>().add(at).cast::<[u16; N]>();
                let old = to.read_unaligned();
                add(&mut values, |i| if self.accumulate { from_bf16(old[i]) } else { 0.0 });
                to.write_unaligned(values.map(to_bf16));
            } else {
                let to = self.y.get().cast::<f32>().add(at).cast::<[f32; N]>();
                let old = to.read_unaligned();
                add(&mut values, |i| if self.accumulate { old[i] } else { 0.0 });
                to.write_unaligned(values);
            }
        }
    }
}

#[inline(always)]
fn add<const N: usize>(to: &mut [f32; N], what: impl Fn(usize) -> f32) {
    for (i, to) in to.iter_mut().enumerate() {
        *to += what(i);
    }
}

per_isa! {
    fn to_f32<X: Element>(x: &[X], to: &mut [f32]) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = x.get();
        }
    }
}

struct Shape {
    m: usize,
    n: usize,
    k: usize,
}

impl Shape {
    /// Calls `work(from, to)` for parts of the weight's rows, of `bytes` each.
    fn each_part(&self, bytes: usize, work: impl Fn(usize, usize) + Send + Sync) {
        let &Shape { m, n, k } = self;
        let cost = bytes * n * m.div_ceil(4);
        let most = if m * n * k < SMALL { 1 } else { TASKS * pool::threads() as usize };
        let tasks = cost.div_ceil(TASK).clamp(1, most);
        let rows = n.div_ceil(tasks).next_multiple_of(UNIT);
        queue::drain(n.div_ceil(rows), |i| work(i * rows, ((i + 1) * rows).min(n)));
    }
}

/// The rows of x in whole numbers, and what `work` does with them.
fn with_codes(shape: &Shape, x: Rows, by_row: bool, work: impl FnOnce(Codes)) {
    let &Shape { m, k, .. } = shape;
    scratch::with(Codes::scratch_of(m, k), |[codes, scales, sums]| {
        let x_codes = Codes { codes: codes.cast(), scales, sums, m, runs: k.div_ceil(whole::RUN) };
        // SAFETY: the scratch has room, and each row is one task's.
        let encode = |row: usize| unsafe { whole::encode(x, row, by_row, x_codes) };
        if m * k < SMALL / 4 {
            (0..m).for_each(encode)
        } else {
            queue::drain(m, encode)
        }
        work(x_codes);
    });
}

fn quantized(shape: &Shape, x: Rows, w: &Quantized, sink: &Sink) {
    let (bytes, from) = (w.bytes.len() / w.rows, Shared(w.bytes.as_ptr().cast_mut()));
    match &w.form {
        Form::Blocks(Blocks { products: Some(products), .. }) => {
            with_codes(shape, x, false, |x| {
                shape.each_part(bytes, |first, end| products(x, from.get(), first, end, sink));
            });
        }
        Form::Int8(scales) if w.integer => with_codes(shape, x, true, |x| {
            shape.each_part(bytes, |first, end| {
                whole::int8_rows(x, w.bytes, shape.k, scales, first, end, sink);
            });
        }),
        // Expanding costs about as much as reading f32 would.
        _ => shape.each_part(4 * shape.k, |first, end| {
            scratch::with([floats::scratch_of(shape.k)], |[scratch]| {
                floats::quantized_rows(x, w, first, end, scratch, sink);
            });
        }),
    }
}

fn products(shape: &Shape, x: Rows, weight: &Operand, sink: &Sink) {
    match weight {
        Operand::Floats(Floats::F32(w)) => shape.each_part(4 * shape.k, |first, end| {
            floats::f32_rows(x, w.as_ptr(), first, end, sink);
        }),
        Operand::Floats(Floats::Bf16(w)) => shape.each_part(2 * shape.k, |first, end| {
            scratch::with([floats::scratch_of(shape.k)], |[scratch]| {
                floats::bf16_rows(x, w.as_ptr(), first, end, scratch, sink);
            });
        }),
        Operand::Quantized(w) => quantized(shape, x, w, sink),
    }
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn row_products(
    x: Floats,
    weight: Operand,
    y: Floats,
    m: u32,
    n: u32,
    k: u32,
    alpha: f64,
    beta: f64,
    bias: Option<Floats>,
) -> Result<()> {
    let shape = Shape { m: m as usize, n: n as usize, k: k as usize };
    let Shape { m, n, k } = shape;
    let of_weight = match &weight {
        Operand::Floats(w) => w.len(),
        Operand::Quantized(w) if w.columns == k => w.rows * k,
        Operand::Quantized(w) => {
            return Err(invalid(format!(
                "the weight has rows of {} where {k} are needed",
                w.columns
            )));
        }
    };
    for (name, length, wanted) in
        [("x", x.len(), m * k), ("weight", of_weight, n * k), ("y", y.len(), m * n)]
    {
        if length < wanted {
            return Err(invalid(format!(
                "`{name}` has {length} elements where {wanted} are needed"
            )));
        }
    }
    if let Some(bias) = &bias
        && bias.len() != n
    {
        return Err(invalid(format!("`bias` has {} elements where {n} are needed", bias.len())));
    }
    if beta != 0.0 && beta != 1.0 {
        return Err(invalid("`beta` must be 0 or 1"));
    }
    if m == 0 || n == 0 {
        return Ok(());
    }
    // Rows of nothing have no blocks.
    let weight = if k == 0 { Operand::Floats(Floats::F32(&mut [])) } else { weight };
    let (bf16, at) = (matches!(y, Floats::Bf16(_)), y.address() as *mut u8);
    let sink = Sink { y: Shared(at), bf16, n, alpha: alpha as f32, accumulate: beta == 1.0, bias };
    let stride = k.next_multiple_of(16);
    scratch::with([m * stride], |[numbers]| {
        for row in 0..m {
            // SAFETY: the scratch has room for x, whose length was checked.
            let to = unsafe { std::slice::from_raw_parts_mut(numbers.add(row * stride), k) };
            match &x {
                Floats::F32(x) => to_f32(&x[row * k..(row + 1) * k], to),
                Floats::Bf16(x) => to_f32(&x[row * k..(row + 1) * k], to),
            }
        }
        products(&shape, Rows { data: numbers, stride, m, k }, &weight, &sink);
    });
    Ok(())
}
