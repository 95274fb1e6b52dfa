//! Causal grouped-query attention over ranges of key rows. Spec: `src/kernels/attention.ts`.
//!
//! Queries go in blocks, keys in tiles: a tile's scores stand in the second-level cache and nowhere else (Dao et al.
//! 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691). Tiles are cut by a key's place in its segment, never by
//! where it lies, and every row of a product is summed on its own: so a query's result depends on what it reads and
//! on nothing that is computed beside it.

mod backward;
mod forward;
mod operand;
mod softmax;

use napi::Result;
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;

use crate::floats::{Floats, expect_length, invalid};
use crate::gemm::tile::{Micro, Part, Tile};
use crate::isa::{Isa, isa};
use crate::queue::Shared;
use operand::{Operand, Output};

/// Keys of a tile: whole panels on every instruction set.
const KEYS: usize = 128;

/// Words from one row of scores to the next: what is behind a row's last key may be overwritten.
const SCORES: usize = KEYS + 16;

/// Whether bf16 is multiplied in pairs: on AMX, where a sum's operands all are such. Probabilities and the scores'
/// gradients are rounded to bf16 then, as FlashAttention rounds them.
fn in_pairs(operands: &[&Floats], width: usize) -> bool {
    isa() == Isa::Amx
        && width.is_multiple_of(2)
        && operands.iter().all(|operand| matches!(operand, Floats::Bf16(_)))
}

pub struct Shape {
    pub heads: usize,
    pub key_heads: usize,
    pub width: usize,
    pub scale: f32,
    pub slopes: Option<Vec<f32>>,
}

impl Shape {
    pub fn per_group(&self) -> usize {
        self.heads / self.key_heads
    }

    /// What makes exponents of two of a head's scores.
    fn factors(&self, head: usize) -> Factors {
        use std::f32::consts::LOG2_E;
        let slope = self.slopes.as_ref().map_or(0.0, |slopes| slopes[head] * LOG2_E);
        Factors { scale: self.scale * LOG2_E, slope }
    }
}

/// An exponent is scale · score + slope · (key − the query's own place).
#[derive(Clone, Copy)]
struct Factors {
    scale: f32,
    /// ALiBi's.
    slope: f32,
}

/// A segment of queries, and the ranges of rows where its keys lie, in logical order.
pub struct Segment {
    pub query: usize,
    pub queries: usize,
    pub keys: usize,
    pub ranges: Vec<(usize, usize)>,
}

impl Segment {
    /// Keys that a query sees: all up to its own place.
    fn visible(&self, query: usize) -> usize {
        self.keys - self.queries + query + 1
    }

    /// First query that sees a key.
    fn first_to_see(&self, key: usize) -> usize {
        (key + self.queries).saturating_sub(self.keys)
    }

    /// Runs of rows that hold keys [first, first + count): where each begins among them, its first row, and its rows.
    fn runs(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = (usize, usize, usize)> + use<'_> {
        let mut before = 0;
        self.ranges.iter().filter_map(move |&(row, rows)| {
            let (from, to) = (first.max(before), (first + count).min(before + rows));
            let run = (from < to).then(|| (from - first, row + from - before, to - from));
            before += rows;
            run
        })
    }
}

/// The keys of a tile that the queries of a block see, which are more with each query.
#[derive(Clone, Copy)]
struct Sight {
    /// Of the first query; negative where it sees none.
    first: isize,
    /// Of any.
    most: usize,
    /// Whether all see what the first does.
    alike: bool,
}

impl Sight {
    fn new(segment: &Segment, query: usize, tile: usize) -> Sight {
        let first = segment.visible(query) as isize - tile as isize;
        Sight { first, most: KEYS.min(segment.keys - tile), alike: false }
    }

    fn of(&self, query: usize) -> usize {
        let further = if self.alike { 0 } else { query as isize };
        (self.first + further).clamp(0, self.most as isize) as usize
    }

    /// First query that sees key `key` of the tile, which one of them does.
    fn first_to_see(&self, key: usize) -> usize {
        (key as isize + 1 - self.first).max(0) as usize
    }
}

/// Words from one row of `width` numbers to the next: an odd number of cache lines, so that rows below each other
/// do not meet in one place of the cache.
fn row_words(width: usize) -> usize {
    (width.div_ceil(16) | 1) * 16
}

/// C = A · B, as wide as a tile at most.
struct Product {
    a: *const f32,
    a_stride: usize,
    /// Whether A lies in columns.
    turned: bool,
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    columns: usize,
    alpha: f32,
    accumulate: bool,
}

impl Product {
    /// A tile of rows, summed over numbers [first, end): what pairs sum beside those is zero.
    ///
    /// # Safety
    /// As `Micro`; the pointers have room.
    #[inline(always)]
    unsafe fn rows<M: Micro>(&self, (row, rows): (usize, usize), (first, end): (usize, usize)) {
        let first = M::words(first / M::NUMBERS * M::NUMBERS);
        let at = if self.turned { (first, row) } else { (row, first) };
        let b = self.b.wrapping_add(first * self.b_stride);
        let tile = Tile {
            part: Part {
                depth: M::words(end) - first,
                a: self.a.wrapping_add(at.0 * self.a_stride + at.1),
                a_stride: self.a_stride,
                b,
                b_stride: self.b_stride,
            },
            more: None,
            c: self.c.wrapping_add(row * self.c_stride),
            c_stride: self.c_stride,
            alpha: self.alpha,
            accumulate: self.accumulate,
            bias: std::ptr::null(),
            columns: M::COLUMNS.min(self.columns),
            b_step: 0,
            halves: false,
            ahead: b,
        };
        // SAFETY: the caller's.
        unsafe { M::tile(rows, self.turned, &tile) };
    }
}

/// Runs a function that is generic over `Micro` on the instruction set in force.
macro_rules! on_isa {
    ($task:ident($($arg:expr),*), pairs: $pairs:expr) => {{
        #[cfg(target_arch = "x86_64")]
        match $crate::isa::isa() {
            $crate::isa::Isa::Amx if $pairs => {
                return $task::<$crate::gemm::amx::AmxPairs>($($arg),*);
            }
            $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => {
                return $task::<$crate::gemm::tile::Avx512>($($arg),*);
            }
            $crate::isa::Isa::Avx2 => return $task::<$crate::gemm::tile::Avx2>($($arg),*),
            $crate::isa::Isa::Portable => {}
        }
        $task::<$crate::gemm::tile::Portable>($($arg),*)
    }};
}
use on_isa;

pub fn shape_of(
    heads: u32,
    key_heads: u32,
    width: u32,
    scale: f64,
    slopes: Option<Floats>,
) -> Result<Shape> {
    if key_heads == 0 || !heads.is_multiple_of(key_heads) {
        return Err(invalid(format!("{heads} heads are no multiple of {key_heads}")));
    }
    Ok(Shape {
        heads: heads as usize,
        key_heads: key_heads as usize,
        width: width as usize,
        scale: scale as f32,
        slopes: slopes.map(Floats::f32).transpose()?.map(|s| s.to_vec()),
    })
}

/// The segments of `query_rows` rows of queries, and their ranges of `key_rows` rows of keys; an error where one
/// names rows that are not there.
pub fn segments_of(
    queries: &[i32],
    ranges: &[i32],
    starts: &[i32],
    query_rows: usize,
    key_rows: usize,
) -> Result<Vec<Segment>> {
    expect_length("rangeStarts", starts.len(), queries.len())?;
    let rises = |list: &[i32], end: usize| {
        list.first().is_none_or(|first| *first >= 0)
            && list.is_sorted()
            && list.last().is_none_or(|last| *last as usize <= end)
    };
    if !rises(queries, query_rows) || !rises(starts, ranges.len() / 2) {
        return Err(invalid("segments name queries or ranges that are not there"));
    }
    let inside = |range: &[i32]| {
        range.iter().all(|each| *each >= 0) && range[0] as usize + range[1] as usize <= key_rows
    };
    if !ranges.chunks_exact(2).all(inside) {
        return Err(invalid(format!("a range names rows beyond the {key_rows} of the keys")));
    }
    let mut segments = Vec::with_capacity(queries.len());
    for (query, range) in queries.windows(2).zip(starts.windows(2)) {
        let ranges: Vec<(usize, usize)> = ranges[2 * range[0] as usize..2 * range[1] as usize]
            .chunks(2)
            .map(|range| (range[0] as usize, range[1] as usize))
            .collect();
        let keys = ranges.iter().map(|&(_, rows)| rows).sum();
        let segment = Segment {
            query: query[0] as usize,
            queries: (query[1] - query[0]) as usize,
            keys,
            ranges,
        };
        if segment.queries > keys {
            return Err(invalid(format!("{} queries have {keys} keys", segment.queries)));
        }
        if segment.queries > 0 {
            segments.push(segment);
        }
    }
    Ok(segments)
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn attention_forward(
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
    lse: Floats,
) -> Result<()> {
    let shape = shape_of(heads, key_value_heads, width, scale, slopes)?;
    let (row, key_row) = (shape.heads * shape.width, shape.key_heads * shape.width);
    let (queries, keys) = (q.len() / row.max(1), k.len() / key_row.max(1));
    expect_length("y", y.len(), q.len())?;
    expect_length("v", v.len(), k.len())?;
    expect_length("lse", lse.len(), queries * shape.heads)?;
    forward::run(&forward::Forward {
        pairs: in_pairs(&[&q, &k, &v], shape.width),
        segments: segments_of(&query_starts, &ranges, &range_starts, queries, keys)?,
        q: Operand::of(&q, row),
        k: Operand::of(&k, key_row),
        v: Operand::of(&v, key_row),
        y: Output::of(y),
        lse: Shared(lse.f32()?.as_mut_ptr()),
        shape,
    });
    Ok(())
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn attention_backward(
    dy: Floats,
    q: Floats,
    k: Floats,
    v: Floats,
    y: Floats,
    lse: Floats,
    query_starts: Int32Array,
    ranges: Int32Array,
    range_starts: Int32Array,
    heads: u32,
    key_value_heads: u32,
    width: u32,
    scale: f64,
    slopes: Option<Floats>,
    dq: Floats,
    dk: Floats,
    dv: Floats,
) -> Result<()> {
    let shape = shape_of(heads, key_value_heads, width, scale, slopes)?;
    let (row, key_row) = (shape.heads * shape.width, shape.key_heads * shape.width);
    let (queries, keys) = (q.len() / row.max(1), k.len() / key_row.max(1));
    for (name, length) in [("dy", dy.len()), ("y", y.len()), ("dq", dq.len())] {
        expect_length(name, length, q.len())?;
    }
    for (name, length) in [("v", v.len()), ("dk", dk.len()), ("dv", dv.len())] {
        expect_length(name, length, k.len())?;
    }
    expect_length("lse", lse.len(), queries * shape.heads)?;
    backward::run(&backward::Backward {
        pairs: in_pairs(&[&dy, &q, &k, &v], shape.width),
        segments: segments_of(&query_starts, &ranges, &range_starts, queries, keys)?,
        queries,
        keys,
        dy: Operand::of(&dy, row),
        q: Operand::of(&q, row),
        k: Operand::of(&k, key_row),
        v: Operand::of(&v, key_row),
        y: Operand::of(&y, row),
        lse: Shared(lse.f32()?.as_mut_ptr()),
        dq: Output::of(dq),
        dk: Output::of(dk),
        dv: Output::of(dv),
        shape,
    });
    Ok(())
}
