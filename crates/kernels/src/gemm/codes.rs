//! Rows of numbers in eight bits each, and codes as the words that products of whole numbers take: two of
//! sixteen bits, or four of eight of which A's are 128 too large.

use super::product::Codes;
use super::tile::Micro;
use crate::floats::Element;
use crate::queue::{self, Shared};
use crate::{per_isa, pool, scratch};

/// Words of a row of `k` codes, `per_word` in each: whole cache lines and one more, so that rows do not alias.
pub fn row_words(k: usize, per_word: usize) -> usize {
    k.div_ceil(per_word).next_multiple_of(16) + 16
}

/// Numbers of either storage.
pub enum Rows<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u16]),
}

/// Quantizes the rows of x [rows, k], each by its largest magnitude / 127, to the nearest even: words of the rows,
/// and a scale each, times `factor`. With `fold`, numbers are first multiplied by it, column by column.
pub fn quantize(
    x: &Rows,
    k: usize,
    fold: Option<&[f32]>,
    factor: f32,
    per_word: usize,
    words: Shared<u32>,
    scales: Shared<f32>,
) {
    let rows = match x {
        Rows::F32(x) => x.len(),
        Rows::Bf16(x) => x.len(),
    }
    .checked_div(k)
    .unwrap_or(0);
    let stride = row_words(k, per_word);
    let task = pool::task_rows(k);
    queue::drain(rows.div_ceil(task), |i| {
        scratch::with([k], |[numbers]| {
            for row in i * task..((i + 1) * task).min(rows) {
                // SAFETY: the scratch, and a task's own rows inside the buffers.
                unsafe {
                    let numbers = std::slice::from_raw_parts_mut(numbers, k);
                    match x {
                        Rows::F32(x) => load(&x[row * k..][..k], fold, numbers),
                        Rows::Bf16(x) => load(&x[row * k..][..k], fold, numbers),
                    }
                    let to = words.get().add(row * stride).cast::<u8>();
                    let count = k.next_multiple_of(per_word);
                    *scales.get().add(row) = factor * quantize_row(numbers, per_word, to, count);
                }
            }
        });
    });
}

per_isa! {
    fn load<X: Element>(x: &[X], fold: Option<&[f32]>, to: &mut [f32]) {
        match fold {
            Some(fold) => {
                for ((to, x), fold) in to.iter_mut().zip(x).zip(fold) {
                    *to = x.get() * fold;
                }
            }
            None => {
                for (to, x) in to.iter_mut().zip(x) {
                    *to = x.get();
                }
            }
        }
    }
}

/// # Safety
/// `to` has room for `count` codes.
unsafe fn quantize_row(x: &[f32], per_word: usize, to: *mut u8, count: usize) -> f32 {
    let (largest, not_a_number) = largest(x);
    let inverse = 127.0 / largest;
    // Zeros, and what is too small for a scale.
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    // SAFETY: the caller's.
    unsafe {
        if per_word == 2 {
            let to = std::slice::from_raw_parts_mut(to.cast::<i16>(), count);
            to[x.len()..].fill(0);
            wide_codes(x, inverse, to);
        } else {
            let to = std::slice::from_raw_parts_mut(to, count);
            to[x.len()..].fill(128);
            offset_codes(x, inverse, to);
        }
    }
    largest / 127.0 + not_a_number
}

const LANES: usize = 16;

per_isa! {
    /// The largest magnitude, and zero, or a NaN where some number is not finite.
    fn largest(x: &[f32]) -> (f32, f32) {
        let (mut largest, mut zeros) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (whole, rest) = x.as_chunks::<LANES>();
        for x in whole {
            for i in 0..LANES {
                let size = x[i].abs();
                largest[i] = if size > largest[i] { size } else { largest[i] };
                zeros[i] += x[i] * 0.0;
            }
        }
        for (i, x) in rest.iter().enumerate() {
            largest[i] = if x.abs() > largest[i] { x.abs() } else { largest[i] };
            zeros[i] += x * 0.0;
        }
        (largest.iter().fold(0.0, |a, &b| if b > a { b } else { a }), zeros.iter().sum())
    }
}

/// 1.5 · 2²³: adding it leaves a small number's nearest integer in the low bits.
const MAGIC: f32 = 12_582_912.0;

#[inline(always)]
fn code(x: f32, inverse: f32) -> i32 {
    (x * inverse + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}

per_isa! {
    fn wide_codes(x: &[f32], inverse: f32, to: &mut [i16]) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = code(*x, inverse) as i16;
        }
    }
}

per_isa! {
    fn offset_codes(x: &[f32], inverse: f32, to: &mut [u8]) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = (code(*x, inverse) + 128) as u8;
        }
    }
}

/// What 128 too much in every code of A adds to the sum of a column of B.
pub fn offsets(b: &Codes, transposed: bool, to: &mut [i32]) {
    if transposed {
        pool::each(to.chunks_mut(64).enumerate(), |(i, to)| {
            for (j, to) in to.iter_mut().enumerate() {
                *to = 128 * sum(&b.codes[(i * 64 + j) * b.stride..][..b.stride]);
            }
        });
    } else {
        pool::each(to.chunks_mut(64).enumerate(), |(i, to)| {
            to.fill(0);
            for row in 0..b.rows {
                add_to(&b.codes[row * b.stride + i * 64..][..to.len()], to);
            }
        });
    }
}

per_isa! {
    fn sum(codes: &[i8]) -> i32 {
        codes.iter().map(|&code| code as i32).sum()
    }
}

per_isa! {
    fn add_to(codes: &[i8], sums: &mut [i32]) {
        for (sum, code) in sums.iter_mut().zip(codes) {
            *sum += 128 * *code as i32;
        }
    }
}

/// `columns` columns of B's codes from `column` on, in words from `first` on.
pub struct Panel<'a> {
    pub codes: &'a Codes<'a>,
    pub transposed: bool,
    pub first: usize,
    pub words: usize,
    pub column: usize,
    pub columns: usize,
    pub width: usize,
}

/// Writes [words, width], zeros where there is no code.
///
/// # Safety
/// `to` has room, and `M` is of the set in force.
pub unsafe fn panel<M: Micro>(p: &Panel, to: *mut f32) {
    // SAFETY: the caller's.
    let to = unsafe { std::slice::from_raw_parts_mut(to.cast::<u32>(), p.words * p.width) };
    match (p.transposed, M::CODES) {
        (true, 2) => columns_of_rows::<2, M>(p, to),
        (true, _) => columns_of_rows::<4, M>(p, to),
        (false, 2) => rows_of_rows::<2>(p, to),
        (false, _) => rows_of_rows::<4>(p, to),
    }
}

/// Words of a stored row, which is a column of B, before they are turned.
const WINDOW: usize = 64;

fn columns_of_rows<const CODES: usize, M: Micro>(p: &Panel, to: &mut [u32]) {
    let Codes { codes, stride, .. } = *p.codes;
    let mut rows = [0u32; 64 * WINDOW];
    for from in (0..p.words).step_by(WINDOW) {
        let words = WINDOW.min(p.words - from);
        let start = (p.first + from) * CODES;
        for column in 0..p.columns {
            let row = &codes[(p.column + column) * stride..][..stride];
            let row = &row[start..(start + words * CODES).min(stride)];
            let to = &mut rows[column * WINDOW..][..words];
            if CODES == 2 { widen(row, to) } else { quads(row, to) }
        }
        let panel = super::pack::Panel {
            from: &super::pack::Matrix { data: rows.as_ptr().cast(), bf16: false, stride: WINDOW },
            transposed: true,
            first: 0,
            depth: words,
            column: 0,
            columns: p.columns,
            width: p.width,
        };
        // SAFETY: the buffer has the rows, and `to` has room for these words.
        unsafe { M::pack_panel(&panel, to[from * p.width..].as_mut_ptr().cast()) };
    }
}

per_isa! {
    fn widen(codes: &[i8], to: &mut [u32]) {
        let (pairs, rest) = codes.as_chunks::<2>();
        for (to, [low, high]) in to.iter_mut().zip(pairs) {
            *to = *low as i16 as u16 as u32 | (*high as i32 as u32) << 16;
        }
        if let ([last], Some(to)) = (rest, to.last_mut()) {
            *to = *last as i16 as u16 as u32;
        }
    }
}

fn quads(codes: &[i8], to: &mut [u32]) {
    let (whole, rest) = codes.as_chunks::<4>();
    for (to, quad) in to.iter_mut().zip(whole) {
        *to = u32::from_le_bytes(quad.map(|code| code as u8));
    }
    if let (false, Some(to)) = (rest.is_empty(), to.last_mut()) {
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from as u8;
        }
        *to = u32::from_le_bytes(last);
    }
}

fn rows_of_rows<const CODES: usize>(p: &Panel, to: &mut [u32]) {
    let Codes { codes, stride, rows } = *p.codes;
    for (word, to) in to.chunks_mut(p.width).enumerate() {
        let k = (p.first + word) * CODES;
        let row =
            |i: usize| (k + i < rows).then(|| &codes[(k + i) * stride + p.column..][..p.columns]);
        to.fill(0);
        let to = &mut to[..p.columns];
        match (CODES, row(0), row(1)) {
            (2, Some(low), Some(high)) => pair(low, high, to),
            _ => {
                for i in 0..CODES {
                    if let Some(row) = row(i) {
                        put(row, i * 32 / CODES, if CODES == 2 { 0xffff } else { 0xff }, to);
                    }
                }
            }
        }
    }
}

per_isa! {
    fn pair(low: &[i8], high: &[i8], to: &mut [u32]) {
        for ((to, low), high) in to.iter_mut().zip(low).zip(high) {
            *to = *low as i16 as u16 as u32 | (*high as i32 as u32) << 16;
        }
    }
}

per_isa! {
    fn put(codes: &[i8], shift: usize, mask: u32, to: &mut [u32]) {
        for (to, code) in to.iter_mut().zip(codes) {
            *to |= (*code as i32 as u32 & mask) << shift;
        }
    }
}
