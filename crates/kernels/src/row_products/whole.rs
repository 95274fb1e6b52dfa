//! Products of whole numbers of eight bits: x's rows are quantized once a call, and the weight's codes are
//! multiplied as they are, without ever being numbers.
//!
//! GGUF's blocks meet x in blocks of 32 with a scale of their own (as llama.cpp's Q8_0 and Q8_1); INT8 rows meet
//! x in whole rows (Dettmers et al. 2022, arXiv:2208.07339, section 2.1).

use std::marker::PhantomData;

use super::floats::Rows;
use super::octets::Octets;
use super::{AHEAD, Sink};
use crate::per_isa;
use crate::quantized::gguf::{Format, Iq4Nl, NON_LINEAR, Parts, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};

/// Numbers of x that share a scale, and codes of a register.
pub const RUN: usize = 32;
/// Codes of a lane.
const LANE: usize = 4;

/// Rows of x in whole numbers. They lie in groups, whose rows are multiplied together: the first run of 32 of each
/// row of the group, then the second one, and so on. Scales and sums lie in the same order.
#[derive(Clone, Copy)]
pub struct Codes {
    pub codes: *mut u8,
    /// One a run; or one a row where rows are quantized as a whole.
    pub scales: *mut f32,
    /// Sums of four neighbors each, times their scale: eight a run. What a weight's minima are multiplied with.
    pub sums: *mut f32,
    pub m: usize,
    /// Runs of a row; the last one may end in zeros.
    pub runs: usize,
}

// SAFETY: tasks read it only.
unsafe impl Sync for Codes {}
// SAFETY: as above.
unsafe impl Send for Codes {}

impl Codes {
    /// Numbers of scratch for codes, scales and sums.
    pub fn scratch_of(m: usize, k: usize) -> [usize; 3] {
        let runs = m * k.div_ceil(RUN);
        [runs * RUN / size_of::<f32>(), runs, runs * RUN / LANE]
    }

    /// Rows of the group that begins with row `first`.
    fn group(&self, first: usize) -> usize {
        match self.m - first {
            8.. => 8,
            4.. => 4,
            _ => 1,
        }
    }

    /// The first row of the group that has a row.
    fn first_of(&self, row: usize) -> usize {
        let whole = self.m - self.m % 8;
        if row < whole {
            row - row % 8
        } else if row < self.m - self.m % 4 {
            whole
        } else {
            row
        }
    }
}

/// 1.5 · 2²³: adding it leaves a small number's nearest integer, ties to even, in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// The largest magnitude, and NaN where not all numbers are finite.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let mut top = [0.0f32; 8];
    let mut poison = [0.0f32; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for i in 0..8 {
            let v = chunk[i].abs();
            top[i] = if v > top[i] { v } else { top[i] };
            poison[i] += chunk[i] * 0.0;
        }
    }
    for (i, v) in rest.iter().enumerate() {
        top[i] = top[i].max(v.abs());
        poison[i] += v * 0.0;
    }
    top.iter().fold(0.0f32, |a, &b| a.max(b)) + poison.iter().sum::<f32>()
}

#[inline(always)]
fn scale_of(x: &[f32]) -> f32 {
    largest(x) / 127.0
}

#[inline(always)]
fn round_by(scale: f32, x: &[f32], codes: &mut [u8]) {
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (code, v) in codes.iter_mut().zip(x) {
        *code = (v * inverse + MAGIC).to_bits() as u8;
    }
}

/// Codes of numbers whose largest magnitude becomes 127; gives the scale.
#[inline(always)]
fn round(x: &[f32], codes: &mut [u8]) -> f32 {
    let scale = scale_of(x);
    round_by(scale, x, codes);
    scale
}

per_isa! {
    /// A row of x, whose runs lie `step` apart.
    fn encode_blocks(x: &[f32], step: usize, codes: &mut [u8], scales: &mut [f32], sums: &mut [f32]) {
        for (i, x) in x.as_chunks::<RUN>().0.iter().enumerate() {
            let codes = &mut codes.as_chunks_mut::<RUN>().0[i * step];
            let scale = round(x, codes);
            scales[i * step] = scale;
            let sums = &mut sums.as_chunks_mut::<{ RUN / LANE }>().0[i * step];
            for (sum, codes) in sums.iter_mut().zip(codes.as_chunks::<LANE>().0) {
                *sum = scale * codes.iter().map(|&code| code as i8 as i32).sum::<i32>() as f32;
            }
        }
    }
}

per_isa! {
    /// The same with one scale, which it gives.
    fn encode_row(x: &[f32], step: usize, codes: &mut [u8]) -> f32 {
        let scale = scale_of(x);
        for (i, x) in x.chunks(RUN).enumerate() {
            let codes = &mut codes.as_chunks_mut::<RUN>().0[i * step];
            codes[x.len()..].fill(0);
            round_by(scale, x, codes);
        }
        scale
    }
}

/// Quantizes a row of x: in runs of 32, or as a whole.
///
/// # Safety
/// The pointers have room, and the row's places are the caller's alone.
pub unsafe fn encode(x: Rows, row: usize, whole: bool, to: Codes) {
    let first = to.first_of(row);
    let step = to.group(first);
    let run = first * to.runs + row - first;
    // From the row's first run to its last one, the other rows' between them.
    let runs = (to.runs - 1) * step + 1;
    unsafe {
        let x = std::slice::from_raw_parts(x.data.add(row * x.stride), x.k);
        let codes = std::slice::from_raw_parts_mut(to.codes.add(run * RUN), runs * RUN);
        if whole {
            *to.scales.add(row) = encode_row(x, step, codes);
        } else {
            let scales = std::slice::from_raw_parts_mut(to.scales.add(run), runs);
            let lanes = RUN / LANE;
            let sums = std::slice::from_raw_parts_mut(to.sums.add(run * lanes), runs * lanes);
            encode_blocks(x, step, codes, scales, sums);
        }
    }
}

/// 32 codes of a weight: value = code · scale + minimum.
pub struct Run<O: Octets> {
    codes: O::Bytes,
    scale: O::Floats,
    minimum: O::Floats,
}

/// A type of block whose codes are taken to registers, run by run.
pub trait Source {
    const BYTES: usize;
    /// Runs of 32 in a block.
    const RUNS: usize;
    /// With minima codes are never negative.
    const MINIMA: bool;
    /// Rows that are multiplied together where x is one row.
    const ROWS: usize;
    type Block;
    fn closed() -> Self::Block;
    /// # Safety
    /// `block` has `BYTES` bytes.
    unsafe fn open(block: *const u8, to: &mut Self::Block);
    /// # Safety
    /// As `Octets`.
    unsafe fn run<O: Octets>(block: &Self::Block, index: usize) -> Run<O>;
}

/// Every type, by way of `Parts`.
pub struct Unpacked<F>(PhantomData<F>);

impl<F: Format> Source for Unpacked<F> {
    const BYTES: usize = F::BYTES;
    const RUNS: usize = F::ELEMENTS / RUN;
    const MINIMA: bool = F::MINIMA;
    const ROWS: usize = 1;
    type Block = Parts;

    #[inline(always)]
    fn closed() -> Parts {
        Parts::EMPTY
    }
    #[inline(always)]
    unsafe fn open(block: *const u8, to: &mut Parts) {
        F::unpack(unsafe { std::slice::from_raw_parts(block, F::BYTES) }, to);
    }
    #[inline(always)]
    unsafe fn run<O: Octets>(parts: &Parts, index: usize) -> Run<O> {
        let group = index * RUN / F::GROUP;
        unsafe {
            let lanes = |of: &[f32; 16]| {
                if F::GROUP == RUN { O::splat(of[group]) } else { O::two(of[group], of[group + 1]) }
            };
            Run {
                codes: O::bytes(parts.codes.as_ptr().add(RUN * index).cast()),
                scale: lanes(&parts.scales),
                minimum: lanes(&parts.minima),
            }
        }
    }
}

/// Types whose codes need no way through memory.
macro_rules! direct {
    ($format:ident, minimum: $minimum:literal, |$block:ident| $codes:expr) => {
        impl Source for $format {
            const BYTES: usize = <$format as Format>::BYTES;
            const RUNS: usize = 1;
            const MINIMA: bool = $minimum;
            const ROWS: usize = 4;
            type Block = *const u8;

            #[inline(always)]
            fn closed() -> *const u8 {
                std::ptr::null()
            }
            #[inline(always)]
            unsafe fn open(block: *const u8, to: &mut *const u8) {
                *to = block;
            }
            #[inline(always)]
            unsafe fn run<O: Octets>(block: &*const u8, _index: usize) -> Run<O> {
                let $block = *block;
                unsafe {
                    let scale = O::half($block);
                    let minimum = if $minimum { O::half($block.add(2)) } else { scale };
                    Run { codes: $codes, scale, minimum }
                }
            }
        }
    };
}

direct!(Q4_0, minimum: false, |block| O::subtract(O::nibbles(block.add(2)), 8));
direct!(Q4_1, minimum: true, |block| O::nibbles(block.add(4)));
direct!(Q5_0, minimum: false, |block| O::subtract(O::fives(block.add(6), block.add(2)), 16));
direct!(Q5_1, minimum: true, |block| O::fives(block.add(8), block.add(4)));
direct!(Q8_0, minimum: false, |block| O::bytes(block.add(2)));
direct!(Iq4Nl, minimum: false, |block| O::look_up(&NON_LINEAR, O::nibbles(block.add(2))));

/// `R` rows of the weight past a group of `M` rows of x. Each sum has eight lanes of its
/// own along k.
#[inline(always)]
unsafe fn tile<O: Octets, S: Source, const R: usize, const M: usize>(
    x: Codes,
    first: usize,
    w: *const u8,
    row: usize,
    sink: &Sink,
) {
    unsafe {
        let blocks = x.runs / S::RUNS;
        let mut at = first * x.runs;
        let mut lanes = [[O::splat(0.0); M]; R];
        let mut open: [S::Block; R] = std::array::from_fn(|_| S::closed());
        for block in 0..blocks {
            for (i, open) in open.iter_mut().enumerate() {
                let from = w.add((i * blocks + block) * S::BYTES);
                O::prefetch(from.wrapping_add(AHEAD));
                S::open(from, open);
            }
            for index in 0..S::RUNS {
                let codes_at = x.codes.add(RUN * at);
                let sums_at = x.sums.add(RUN / LANE * at);
                let scales_at = x.scales.add(at);
                for (open, lanes) in open.iter().zip(&mut lanes) {
                    let Run { codes, scale, minimum } = S::run::<O>(open, index);
                    let magnitudes = if S::MINIMA { codes } else { O::magnitudes(codes) };
                    for (m, lanes) in lanes.iter_mut().enumerate() {
                        let xs = O::bytes(codes_at.add(RUN * m));
                        let xs = if S::MINIMA { xs } else { O::signed(xs, codes) };
                        let products = O::to_floats(O::dot(magnitudes, xs));
                        let scale = O::mul(scale, O::splat(*scales_at.add(m)));
                        *lanes = O::fma(products, scale, *lanes);
                        if S::MINIMA {
                            let sums = O::floats(sums_at.add(RUN / LANE * m));
                            *lanes = O::fma(minimum, sums, *lanes);
                        }
                    }
                }
                at += M;
            }
        }
        for (i, lanes) in lanes.iter().enumerate() {
            for (m, lanes) in lanes.iter().enumerate() {
                sink.put(first + m, row + i, O::sum(*lanes));
            }
        }
    }
}

/// One row of the weight past all rows of x.
#[inline(always)]
unsafe fn past<O: Octets, S: Source>(x: Codes, w: *const u8, row: usize, sink: &Sink) {
    let mut first = 0;
    while first < x.m {
        let rows = x.group(first);
        unsafe {
            match rows {
                8 => tile::<O, S, 1, 8>(x, first, w, row, sink),
                4 => tile::<O, S, 1, 4>(x, first, w, row, sink),
                _ => tile::<O, S, 1, 1>(x, first, w, row, sink),
            }
        }
        first += rows;
    }
}

per_octets! {
    /// Rows `from..to` of a weight in blocks.
    pub fn block_rows<O, S: Source>(x: Codes, w: *const u8, from: usize, to: usize, sink: &Sink) {
        let row_bytes = x.runs / S::RUNS * S::BYTES;
        let mut row = from;
        while x.m == 1 && S::ROWS == 4 && row + 4 <= to {
            tile::<O, S, 4, 1>(x, 0, w.add(row * row_bytes), row, sink);
            row += 4;
        }
        while row < to {
            past::<O, S>(x, w.add(row * row_bytes), row, sink);
            row += 1;
        }
    }
}

/// What `block_rows` is for a type.
pub type BlockRows = fn(Codes, *const u8, usize, usize, &Sink);

#[inline(always)]
unsafe fn int8_tile<O: Octets, const M: usize>(
    x: Codes,
    first: usize,
    w: &[u8],
    row: usize,
    scale: f32,
    sink: &Sink,
) {
    unsafe {
        let (runs, rest) = w.as_chunks::<RUN>();
        let mut at = x.codes.add(RUN * first * x.runs);
        let mut lanes = [O::no_ints(); M];
        for run in runs {
            O::prefetch(run.as_ptr().wrapping_add(AHEAD));
            let codes = O::bytes(run.as_ptr());
            let magnitudes = O::magnitudes(codes);
            for (m, lanes) in lanes.iter_mut().enumerate() {
                let xs = O::signed(O::bytes(at.add(RUN * m)), codes);
                *lanes = O::add(*lanes, O::dot(magnitudes, xs));
            }
            at = at.add(RUN * M);
        }
        for (m, lanes) in lanes.iter().enumerate() {
            let mut total = O::total(*lanes);
            for (i, code) in rest.iter().enumerate() {
                total += *code as i8 as i32 * *at.add(RUN * m + i) as i8 as i32;
            }
            sink.put(first + m, row, total as f32 * *x.scales.add(first + m) * scale);
        }
    }
}

per_octets! {
    /// Rows `from..to` of a weight [n, k] of signed bytes with a scale a row, times x's rows, each quantized as a whole. Sums
    /// are exact: every instruction set gives the same bits.
    pub fn int8_rows<O>(x: Codes, w: &[u8], k: usize, scales: &[f32], from: usize, to: usize, sink: &Sink) {
        for row in from..to {
            let (w, scale) = (&w[row * k..(row + 1) * k], scales[row]);
            let mut first = 0;
            while first < x.m {
                let rows = x.group(first);
                match rows {
                    8 => int8_tile::<O, 8>(x, first, w, row, scale, sink),
                    4 => int8_tile::<O, 4>(x, first, w, row, scale, sink),
                    _ => int8_tile::<O, 1>(x, first, w, row, scale, sink),
                }
                first += rows;
            }
        }
    }
}
