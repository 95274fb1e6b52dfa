//! Attention of one query a segment over a long cache. Spec: `src/kernels/decoding-attention.ts`.
//!
//! A task is a chunk of a segment's keys for one key head, with all query heads that share it: keys and values are read where
//! they lie, once. Chunks go by the logical order of keys, and what they give is put together in that
//! order: neither the cut of keys into ranges, other segments nor threads change a bit.

use napi::Result;
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;

use crate::attention::{Segment, Shape, segments_of, shape_of};
use crate::floats::{Floats, expect_length, from_bf16, invalid, to_bf16};
use crate::queue::{self, Shared};
use crate::{per_simd, scratch};

/// Keys of a task.
const CHUNK: usize = 64;
/// Registers of values that are summed together.
const COLUMNS: usize = 4;
/// Largest number of lanes: scores of a chunk are padded to whole registers.
const LANES: usize = 16;

struct Pass<'a> {
    /// f32, [T, H, E].
    q: *const f32,
    k: *const u8,
    v: *const u8,
    shape: &'a Shape,
}

// SAFETY: tasks only read what it points to.
unsafe impl Sync for Pass<'_> {}
// SAFETY: as above.
unsafe impl Send for Pass<'_> {}

/// Chunks of a segment's keys.
fn chunks(segment: &Segment) -> usize {
    segment.keys.div_ceil(CHUNK)
}

/// Numbers that a task gives for each of its heads: the largest score, the sum, the sums of values.
fn given(shape: &Shape) -> usize {
    shape.width + 2
}

/// The key rows of a chunk.
fn key_rows(segment: &Segment, chunk: usize, rows: &mut [usize; CHUNK]) -> usize {
    let count = CHUNK.min(segment.keys - chunk * CHUNK);
    let (mut skip, mut found) = (chunk * CHUNK, 0);
    for &(first, length) in &segment.ranges {
        while skip < length && found < count {
            rows[found] = first + skip;
            (skip, found) = (skip + 1, found + 1);
        }
        if found == count {
            break;
        }
        skip -= length.min(skip);
    }
    count
}

/// # Safety
/// As `Simd`; the number is inside.
#[inline(always)]
unsafe fn number<const BF16: bool>(from: *const u8, at: usize) -> f32 {
    unsafe {
        if BF16 { from_bf16(*from.cast::<u16>().add(at)) } else { *from.cast::<f32>().add(at) }
    }
}

/// # Safety
/// As `Simd`; the lanes are inside.
#[inline(always)]
unsafe fn load<S: crate::simd::Simd, const BF16: bool>(from: *const u8, at: usize) -> S::V {
    unsafe {
        if BF16 {
            S::load_bf16(from.cast::<u16>().add(at))
        } else {
            S::load(from.cast::<f32>().add(at))
        }
    }
}

/// Dot products of a query with `N` keys, whose numbers begin at `keys`.
#[inline(always)]
unsafe fn dots<S: crate::simd::Simd, const BF16: bool, const N: usize>(
    q: *const f32,
    k: *const u8,
    keys: [usize; N],
    width: usize,
    to: &mut [f32],
) {
    unsafe {
        let whole = width - width % S::LANES;
        let mut lanes = [S::splat(0.0); N];
        for at in (0..whole).step_by(S::LANES) {
            let q = S::load(q.add(at));
            for (lanes, key) in lanes.iter_mut().zip(keys) {
                *lanes = S::fma(load::<S, BF16>(k, key + at), q, *lanes);
            }
        }
        for ((to, lanes), key) in to.iter_mut().zip(lanes).zip(keys) {
            *to = S::sum(lanes);
            for at in whole..width {
                *to += *q.add(at) * number::<BF16>(k, key + at);
            }
        }
    }
}

/// Sums of values by weights, for `N` registers of columns from `column` on.
#[inline(always)]
unsafe fn sums<S: crate::simd::Simd, const BF16: bool, const N: usize>(
    v: *const u8,
    keys: &[usize],
    weights: &[f32],
    column: usize,
    to: *mut f32,
) {
    unsafe {
        let mut lanes = [S::splat(0.0); N];
        for (key, weight) in keys.iter().zip(weights) {
            let weight = S::splat(*weight);
            for (i, lanes) in lanes.iter_mut().enumerate() {
                *lanes = S::fma(load::<S, BF16>(v, key + column + i * S::LANES), weight, *lanes);
            }
        }
        for (i, lanes) in lanes.iter().enumerate() {
            S::store(to.add(column + i * S::LANES), *lanes);
        }
    }
}

per_simd! {
    /// One chunk of a segment's keys for the heads of a group; `out` gets `given` numbers a head.
    fn chunk<S, const BF16: bool>(p: &Pass, segment: &Segment, group: usize, index: usize, out: *mut f32) {
        let shape = p.shape;
        let width = shape.width;
        let mut keys = [0; CHUNK];
        let count = key_rows(segment, index, &mut keys);
        let keys = &mut keys[..count];
        keys.iter_mut().for_each(|row| *row = (*row * shape.key_heads + group) * width);
        let padded = count.next_multiple_of(S::LANES);
        let last = (segment.keys - 1) as f32;
        for i in 0..shape.per_group() {
            let head = group * shape.per_group() + i;
            let q = p.q.add((segment.query * shape.heads + head) * width);
            let mut scores = [f32::NEG_INFINITY; CHUNK + LANES];
            for (keys, scores) in keys.chunks(4).zip(scores.chunks_mut(4)) {
                match *keys {
                    [a, b, c, d] => dots::<S, BF16, 4>(q, p.k, [a, b, c, d], width, scores),
                    _ => {
                        for (key, score) in keys.iter().zip(scores) {
                            dots::<S, BF16, 1>(q, p.k, [*key], width, std::slice::from_mut(score));
                        }
                    }
                }
            }
            let slope = shape.slopes.as_ref().map_or(0.0, |slopes| slopes[head]);
            for (j, score) in scores[..count].iter_mut().enumerate() {
                *score = *score * shape.scale + slope * ((index * CHUNK + j) as f32 - last);
            }
            let mut tops = S::splat(f32::NEG_INFINITY);
            for at in (0..padded).step_by(S::LANES) {
                tops = S::max(S::load(scores.as_ptr().add(at)), tops);
            }
            let top = S::largest(tops);
            for at in (0..padded).step_by(S::LANES) {
                let to = scores.as_mut_ptr().add(at);
                S::store(to, S::exp(S::sub(S::load(to), S::splat(top))));
            }
            scores[count..padded].fill(0.0);
            let mut totals = S::splat(0.0);
            for at in (0..padded).step_by(S::LANES) {
                totals = S::add(totals, S::load(scores.as_ptr().add(at)));
            }
            let out = out.add(i * given(shape));
            *out = top;
            *out.add(1) = S::sum(totals);
            let (out, weights) = (out.add(2), &scores[..count]);
            let (mut column, step) = (0, S::LANES);
            while column + COLUMNS * step <= width {
                sums::<S, BF16, COLUMNS>(p.v, keys, weights, column, out);
                column += COLUMNS * step;
            }
            while column + step <= width {
                sums::<S, BF16, 1>(p.v, keys, weights, column, out);
                column += step;
            }
            for column in column..width {
                let products = keys.iter().zip(weights).map(|(key, w)| w * number::<BF16>(p.v, key + column));
                *out.add(column) = products.fold(0.0, |sum, product| sum + product);
            }
        }
    }
}

/// Puts the chunks of a head together, in their order: `parts` has one each `stride` numbers.
///
/// # Safety
/// The parts were written, and are nobody else's.
unsafe fn combine(parts: *mut f32, stride: usize, count: usize, y: &mut [f32]) {
    // SAFETY: the caller's.
    let part = |i: usize| unsafe {
        std::slice::from_raw_parts(parts.add(i * stride).cast_const(), y.len() + 2)
    };
    let top = (0..count).fold(f32::NEG_INFINITY, |top, i| top.max(part(i)[0]));
    let mut total = 0.0;
    let mut sums = vec![0.0f32; y.len()];
    for i in 0..count {
        let part = part(i);
        let weight = (part[0] - top).exp();
        total += weight * part[1];
        for (sum, value) in sums.iter_mut().zip(&part[2..]) {
            *sum += weight * value;
        }
    }
    for (y, sum) in y.iter_mut().zip(sums) {
        *y = sum / total;
    }
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn decoding_attention(
    q: Floats,
    k: Floats,
    v: Floats,
    query_starts: Int32Array,
    ranges: Int32Array,
    range_starts: Int32Array,
    heads: u32,
    key_value_heads: u32,
    width: u32,
    scale: f64,
    slopes: Option<Floats>,
    y: Floats,
) -> Result<()> {
    let shape = shape_of(heads, key_value_heads, width, scale, slopes)?;
    let (row, key_row) = (shape.heads * shape.width, shape.key_heads * shape.width);
    let (queries, keys) = (q.len() / row.max(1), k.len() / key_row.max(1));
    expect_length("y", y.len(), q.len())?;
    expect_length("v", v.len(), k.len())?;
    let segments = segments_of(&query_starts, &ranges, &range_starts, queries, keys)?;
    if segments.iter().any(|segment| segment.queries > 1) {
        return Err(invalid("a segment has one query at most"));
    }
    let bf16 = match (&k, &v) {
        (Floats::F32(_), Floats::F32(_)) => false,
        (Floats::Bf16(_), Floats::Bf16(_)) => true,
        _ => return Err(invalid("keys and values are stored alike")),
    };
    // Task i is chunk i / key_heads of all, for one key head.
    let places: Vec<(usize, usize)> = (segments.iter().enumerate())
        .flat_map(|(n, segment)| (0..chunks(segment)).map(move |chunk| (n, chunk)))
        .collect();
    let firsts: Vec<usize> = (segments.iter())
        .scan(0, |next, segment| Some(std::mem::replace(next, *next + chunks(segment))))
        .collect();
    let given = given(&shape);
    let Shape { heads, key_heads, width, .. } = shape;
    let sizes = [q.len(), places.len() * heads * given, y.len()];
    scratch::with(sizes, |[numbers, parts, sums]| {
        let q = match &q {
            Floats::F32(q) => q.as_ptr(),
            Floats::Bf16(bits) => {
                for (i, bits) in bits.iter().enumerate() {
                    // SAFETY: the scratch has room.
                    unsafe { *numbers.add(i) = from_bf16(*bits) };
                }
                numbers.cast_const()
            }
        };
        let (k, v) = (k.address() as *const u8, v.address() as *const u8);
        let pass = Pass { q, k, v, shape: &shape };
        let parts = Shared(parts);
        queue::drain(places.len() * key_heads, |task| {
            let (group, (n, index)) = (task % key_heads, places[task / key_heads]);
            // SAFETY: the scratch has room, and each task writes its own part of it.
            let out = unsafe { parts.get().add(task * shape.per_group() * given) };
            if bf16 {
                chunk::<true>(&pass, &segments[n], group, index, out);
            } else {
                chunk::<false>(&pass, &segments[n], group, index, out);
            }
        });
        let to = match &y {
            Floats::F32(y) => Shared(y.as_ptr().cast_mut()),
            Floats::Bf16(_) => Shared(sums),
        };
        queue::drain(segments.len(), |n| {
            let segment = &segments[n];
            for head in 0..heads {
                // SAFETY: heads of a chunk lie in their order, and each segment has a row of y of its own.
                unsafe {
                    let at = (segment.query * heads + head) * width;
                    let first = parts.get().add((firsts[n] * heads + head) * given);
                    let row = std::slice::from_raw_parts_mut(to.get().add(at), width);
                    combine(first, heads * given, chunks(segment), row);
                }
            }
        });
        if let Floats::Bf16(y) = y {
            for segment in &segments {
                let row = segment.query * heads * width;
                for (i, y) in y[row..row + heads * width].iter_mut().enumerate() {
                    // SAFETY: written above.
                    *y = to_bf16(unsafe { *sums.add(row + i) });
                }
            }
        }
    });
    Ok(())
}
