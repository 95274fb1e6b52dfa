//! Causal grouped-query attention bounded by document. Spec: `src/kernels/attention.ts`.
//!
//! A task is a document's key head with all query heads that share it: keys and values are packed once, and
//! the queries go past them in blocks, whose scores fit the cache. The scores of a document never stand in memory
//! together; the backward pass makes them again (Dao et al. 2022, arXiv:2205.14135).

use napi::Result;
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;

use crate::floats::{Floats, expect_length, to_bf16};
use crate::gemm::matrix;
use crate::gemm::pack::{Block, Matrix, Panel};
use crate::gemm::tile::{self, Micro, Tile};
use crate::isa::{Isa, isa};
use crate::math::exp;
use crate::per_isa;
use crate::queue::{self, Shared};
use crate::scratch;

/// Queries of a block: whole tiles on every instruction set, scores of a long document in the second-level cache.
const QUERIES: usize = 48;

/// Queries of a forward task, at most: a long document alone still keeps every thread busy.
const TASK: usize = 8 * QUERIES;

/// Numbers per row of a packed block beyond its width: rows must not fall on one place of the cache.
const SKEW: usize = 16;

/// Lanes of the sums over a row, on every path.
const LANES: usize = 16;

struct Shape {
    heads: usize,
    key_heads: usize,
    width: usize,
    scale: f32,
    slopes: Option<Vec<f32>>,
}

impl Shape {
    fn per_group(&self) -> usize {
        self.heads / self.key_heads
    }

    fn slope(&self, head: usize) -> f32 {
        self.slopes.as_ref().map_or(0.0, |slopes| slopes[head])
    }
}

/// A segment of queries, and the ranges of rows where its keys lie, in logical order.
#[derive(Clone)]
struct Segment {
    query: usize,
    queries: usize,
    keys: usize,
    ranges: Vec<(usize, usize)>,
}

impl Segment {
    /// Row of each key.
    fn rows(&self) -> impl Iterator<Item = usize> {
        self.ranges.iter().flat_map(|&(first, count)| first..first + count)
    }

    /// The first `keys` of the group's keys (or values) end to end.
    ///
    /// # Safety
    /// As `Micro`; `to` has room for `keys` rows of `e`.
    unsafe fn gather<M: Micro>(
        &self,
        from: &Matrix,
        keys: usize,
        column: usize,
        e: usize,
        to: *mut f32,
    ) -> Matrix {
        let mut done = 0;
        for &(row, rows) in &self.ranges {
            let rows = rows.min(keys - done);
            let block =
                Block { from, transposed: false, first: column, depth: e, row, rows, stride: e };
            unsafe { M::pack_block(&block, to.add(done * e)) };
            done += rows;
        }
        Matrix { data: to.cast(), bf16: false, stride: e }
    }

    /// Keys that a query sees: all up to its own place.
    fn visible(&self, query: usize) -> usize {
        self.keys - self.queries + query + 1
    }
}

#[derive(Clone, Copy)]
enum Store {
    F32(Shared<f32>),
    Bf16(Shared<u16>),
}

impl Store {
    fn of(floats: Floats) -> Store {
        match floats {
            Floats::F32(a) => Store::F32(Shared(a.as_mut_ptr())),
            Floats::Bf16(a) => Store::Bf16(Shared(a.as_mut_ptr())),
        }
    }

    /// # Safety
    /// [at, at + from.len()) is inside, and the caller's alone.
    unsafe fn write(self, at: usize, from: &[f32]) {
        unsafe {
            match self {
                Store::F32(to) => {
                    std::ptr::copy_nonoverlapping(from.as_ptr(), to.get().add(at), from.len())
                }
                Store::Bf16(to) => {
                    for (i, v) in from.iter().enumerate() {
                        *to.get().add(at + i) = to_bf16(*v);
                    }
                }
            }
        }
    }
}

per_isa! {
    /// Scores to exp(score − largest), zeros beyond `visible`. Gives the largest and the sum.
    fn soften(scores: &mut [f32], visible: usize, scale: f32, slope: f32) -> (f32, f32) {
        let (seen, hidden) = scores.split_at_mut(visible);
        hidden.fill(0.0);
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let last = visible as f32 - 1.0;
        let (chunks, rest) = seen.as_chunks_mut::<LANES>();
        for (c, chunk) in chunks.iter_mut().enumerate() {
            for (i, v) in chunk.iter_mut().enumerate() {
                *v = *v * scale + slope * ((c * LANES + i) as f32 - last);
                lanes[i] = if *v > lanes[i] { *v } else { lanes[i] };
            }
        }
        let before = visible - rest.len();
        for (i, v) in rest.iter_mut().enumerate() {
            *v = *v * scale + slope * ((before + i) as f32 - last);
            lanes[i] = if *v > lanes[i] { *v } else { lanes[i] };
        }
        let top = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        let mut sums = [0.0f32; LANES];
        for chunk in chunks {
            for (sum, v) in sums.iter_mut().zip(chunk) {
                *v = exp(*v - top);
                *sum += *v;
            }
        }
        for (sum, v) in sums.iter_mut().zip(rest) {
            *v = exp(*v - top);
            *sum += *v;
        }
        (top, sums.iter().sum())
    }
}

per_isa! {
    /// Scores to probabilities by the log-sum-exp of the forward pass, zeros beyond `visible`.
    fn probabilities(scores: &mut [f32], visible: usize, scale: f32, slope: f32, lse: f32) {
        let (seen, hidden) = scores.split_at_mut(visible);
        hidden.fill(0.0);
        let last = visible as f32 - 1.0;
        for (j, v) in seen.iter_mut().enumerate() {
            *v = exp(*v * scale + slope * (j as f32 - last) - lse);
        }
    }
}

per_isa! {
    /// dS = scale · P · (dP − delta), in place of dP.
    fn score_gradient(dp: &mut [f32], p: &[f32], delta: f32, scale: f32) {
        for (d, p) in dp.iter_mut().zip(p) {
            *d = scale * p * (*d - delta);
        }
    }
}

per_isa! {
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; LANES];
        let (x, x_rest) = a.as_chunks::<LANES>();
        let (y, y_rest) = b.as_chunks::<LANES>();
        for (x, y) in x.iter().zip(y) {
            for i in 0..LANES {
                sums[i] += x[i] * y[i];
            }
        }
        sums.iter().sum::<f32>() + x_rest.iter().zip(y_rest).map(|(a, b)| a * b).sum::<f32>()
    }
}

per_isa! {
    fn scale_row(row: &mut [f32], by: f32) {
        for v in row {
            *v *= by;
        }
    }
}

/// A packed operand: panels of `depth` rows and a tile's columns each.
#[derive(Clone, Copy)]
struct Panels {
    data: *const f32,
    depth: usize,
    columns: usize,
}

fn panels_words<M: Micro>(depth: usize, columns: usize) -> usize {
    depth * columns.next_multiple_of(M::COLUMNS)
}

/// Packs [depth, columns] from `from`, or the transpose of what lies there, from `row` and `column` on.
///
/// # Safety
/// As `Micro`; `to` has `panels_words` of room.
unsafe fn pack_panels<M: Micro>(
    from: &Matrix,
    transposed: bool,
    (row, depth): (usize, usize),
    (column, columns): (usize, usize),
    to: *mut f32,
) -> Panels {
    for lane in (0..columns).step_by(M::COLUMNS) {
        let panel = Panel {
            from,
            transposed,
            first: row,
            depth,
            column: column + lane,
            columns: M::COLUMNS.min(columns - lane),
            width: M::COLUMNS,
        };
        unsafe { M::pack_panel(&panel, to.add(lane * depth)) };
    }
    Panels { data: to, depth, columns }
}

/// The left operand of a product: rows with a stride, or columns.
#[derive(Clone, Copy)]
struct Left {
    data: *const f32,
    stride: usize,
    in_columns: bool,
}

/// C[rows, columns] = A[rows, depth] · B, or += . Only the first `depth` rows and `columns` of B count.
///
/// # Safety
/// As `Micro`; the pointers have room.
unsafe fn product<M: Micro>(
    a: Left,
    b: Panels,
    (rows, columns, depth): (usize, usize, usize),
    c: *mut f32,
    c_stride: usize,
    accumulate: bool,
) {
    for lane in (0..columns.min(b.columns)).step_by(M::COLUMNS) {
        for top in (0..rows).step_by(M::ROWS) {
            let tile = Tile {
                depth,
                a: unsafe { a.data.add(if a.in_columns { top } else { top * a.stride }) },
                a_stride: a.stride,
                b: unsafe { b.data.add(lane * b.depth) },
                b_stride: M::COLUMNS,
                c: unsafe { c.add(top * c_stride + lane) },
                c_stride,
                alpha: 1.0,
                accumulate,
                bias: std::ptr::null(),
                columns: M::COLUMNS.min(columns - lane),
            };
            unsafe { M::tile(M::ROWS.min(rows - top), a.in_columns, &tile) };
        }
    }
}

/// # Safety
/// As `Micro`; `to` has room for `rows` of `width + SKEW`.
unsafe fn pack_rows<M: Micro>(
    from: &Matrix,
    row: usize,
    rows: usize,
    column: usize,
    width: usize,
    to: *mut f32,
) -> Left {
    let stride = width + SKEW;
    // Columns of a stored row are its k: the head's channels.
    let block = Block { from, transposed: false, first: column, depth: width, row, rows, stride };
    unsafe { M::pack_block(&block, to) };
    Left { data: to, stride, in_columns: false }
}

struct Forward {
    q: Matrix,
    k: Matrix,
    v: Matrix,
    y: Store,
    lse: Shared<f32>,
    shape: Shape,
}

// SAFETY: the operands are only read, and tasks write rows and heads of their own.
unsafe impl Send for Forward {}
// SAFETY: as above.
unsafe impl Sync for Forward {}

fn forward_task<M: Micro>(f: &Forward, d: &Segment, group: usize, from: usize, to: usize) {
    let Shape { heads, width: e, scale, .. } = f.shape;
    let keys = d.visible(to - 1);
    let padded = keys.next_multiple_of(M::COLUMNS) + SKEW;
    let sizes = [
        panels_words::<M>(e, keys),
        panels_words::<M>(keys, e),
        QUERIES * (e + SKEW),
        QUERIES * padded,
        QUERIES * e,
        (keys + 1) * e + SKEW,
    ];
    scratch::with(sizes, |[keys_at, values_at, queries, scores, out, gathered]| unsafe {
        // SAFETY: the scratch has room for all; `M` was chosen by `isa()`.
        let rows = d.gather::<M>(&f.k, keys, group * e, e, gathered);
        let k = pack_panels::<M>(&rows, true, (0, e), (0, keys), keys_at);
        let rows = d.gather::<M>(&f.v, keys, group * e, e, gathered);
        let v = pack_panels::<M>(&rows, false, (0, keys), (0, e), values_at);
        for head in group * f.shape.per_group()..(group + 1) * f.shape.per_group() {
            for first in (from..to).step_by(QUERIES) {
                let count = QUERIES.min(to - first);
                let seen = d.visible(first + count - 1);
                let q = pack_rows::<M>(&f.q, d.query + first, count, head * e, e, queries);
                product::<M>(q, k, (count, seen, e), scores, padded, false);
                let mut sums = [0.0f32; QUERIES];
                for (i, sum) in sums.iter_mut().enumerate().take(count) {
                    let row = std::slice::from_raw_parts_mut(scores.add(i * padded), seen);
                    let visible = d.visible(first + i);
                    let (top, total) = soften(row, visible, scale, f.shape.slope(head));
                    *sum = total;
                    *f.lse.get().add((d.query + first + i) * heads + head) = top + total.ln();
                }
                let p = Left { data: scores, stride: padded, in_columns: false };
                product::<M>(p, v, (count, e, seen), out, e, false);
                for (i, sum) in sums.iter().enumerate().take(count) {
                    let row = std::slice::from_raw_parts_mut(out.add(i * e), e);
                    scale_row(row, 1.0 / sum);
                    f.y.write(((d.query + first + i) * heads + head) * e, row);
                }
            }
        }
    });
}

struct Backward {
    dy: Matrix,
    q: Matrix,
    k: Matrix,
    v: Matrix,
    y: Matrix,
    lse: Shared<f32>,
    dq: Store,
    dk: Store,
    dv: Store,
    shape: Shape,
}

// SAFETY: the operands are only read, and tasks write documents and heads of their own.
unsafe impl Send for Backward {}
// SAFETY: as above.
unsafe impl Sync for Backward {}

fn backward_task<M: Micro>(b: &Backward, segments: &[&Segment], group: usize) {
    let Shape { heads, key_heads, width: e, scale, .. } = b.shape;
    let keys = segments.iter().map(|d| d.keys).max().unwrap_or(0);
    let first_row = segments.iter().flat_map(|d| d.rows()).min().unwrap_or(0);
    let end_row = segments.iter().flat_map(|d| d.rows()).max().map_or(0, |row| row + 1);
    let padded = keys.next_multiple_of(M::COLUMNS) + SKEW;
    let sizes = [
        panels_words::<M>(e, keys),
        panels_words::<M>(keys, e),
        panels_words::<M>(e, keys),
        QUERIES * (e + SKEW),
        QUERIES * (e + SKEW),
        QUERIES * (e + SKEW),
        panels_words::<M>(QUERIES, e),
        panels_words::<M>(QUERIES, e),
        QUERIES * padded,
        QUERIES * padded,
        QUERIES * e,
        (keys + 1) * e + SKEW,
        keys * e,
        keys * e,
        (end_row - first_row) * e,
        (end_row - first_row) * e,
    ];
    scratch::with(
        sizes,
        |[
            kt_at,
            k_at,
            vt_at,
            q_at,
            dy_at,
            y_at,
            qp_at,
            dyp_at,
            p_at,
            ds_at,
            dq_at,
            gathered,
            dk,
            dv,
            dk_sum,
            dv_sum,
        ]| unsafe {
            std::ptr::write_bytes(dk_sum, 0, (end_row - first_row) * e);
            std::ptr::write_bytes(dv_sum, 0, (end_row - first_row) * e);
            for d in segments {
                let keys = d.keys;
                // SAFETY: the scratch has room for all; `M` was chosen by `isa()`.
                let from = d.gather::<M>(&b.k, keys, group * e, e, gathered);
                let kt = pack_panels::<M>(&from, true, (0, e), (0, keys), kt_at);
                let k = pack_panels::<M>(&from, false, (0, keys), (0, e), k_at);
                let from = d.gather::<M>(&b.v, keys, group * e, e, gathered);
                let vt = pack_panels::<M>(&from, true, (0, e), (0, keys), vt_at);
                std::ptr::write_bytes(dk, 0, keys * e);
                std::ptr::write_bytes(dv, 0, keys * e);
                for head in group * b.shape.per_group()..(group + 1) * b.shape.per_group() {
                    for first in (0..d.queries).step_by(QUERIES) {
                        let count = QUERIES.min(d.queries - first);
                        let seen = d.visible(first + count - 1);
                        let row = d.query + first;
                        let channels = (head * e, e);
                        let q = pack_rows::<M>(&b.q, row, count, head * e, e, q_at);
                        let dy = pack_rows::<M>(&b.dy, row, count, head * e, e, dy_at);
                        let y = pack_rows::<M>(&b.y, row, count, head * e, e, y_at);
                        let q_panels = pack_panels::<M>(&b.q, false, (row, count), channels, qp_at);
                        let dy_panels =
                            pack_panels::<M>(&b.dy, false, (row, count), channels, dyp_at);
                        product::<M>(q, kt, (count, seen, e), p_at, padded, false);
                        product::<M>(dy, vt, (count, seen, e), ds_at, padded, false);
                        for i in 0..count {
                            let part = |left: Left| {
                                std::slice::from_raw_parts(left.data.add(i * left.stride), e)
                            };
                            let delta = dot(part(dy), part(y));
                            let p = std::slice::from_raw_parts_mut(p_at.add(i * padded), seen);
                            let ds = std::slice::from_raw_parts_mut(ds_at.add(i * padded), seen);
                            let lse = *b.lse.get().add((row + i) * heads + head);
                            probabilities(p, d.visible(first + i), scale, b.shape.slope(head), lse);
                            score_gradient(ds, p, delta, scale);
                        }
                        let across =
                            |data: *mut f32| Left { data, stride: padded, in_columns: false };
                        let down = |data: *mut f32| Left { data, stride: padded, in_columns: true };
                        product::<M>(across(ds_at), k, (count, e, seen), dq_at, e, false);
                        product::<M>(down(ds_at), q_panels, (seen, e, count), dk, e, true);
                        product::<M>(down(p_at), dy_panels, (seen, e, count), dv, e, true);
                        for i in 0..count {
                            let from = std::slice::from_raw_parts(dq_at.add(i * e), e);
                            b.dq.write(((row + i) * heads + head) * e, from);
                        }
                    }
                }
                for (j, row) in d.rows().enumerate() {
                    for i in 0..e {
                        *dk_sum.add((row - first_row) * e + i) += *dk.add(j * e + i);
                        *dv_sum.add((row - first_row) * e + i) += *dv.add(j * e + i);
                    }
                }
            }
            for j in 0..end_row - first_row {
                let at = ((first_row + j) * key_heads + group) * e;
                b.dk.write(at, std::slice::from_raw_parts(dk_sum.add(j * e), e));
                b.dv.write(at, std::slice::from_raw_parts(dv_sum.add(j * e), e));
            }
        },
    );
}

macro_rules! on_isa {
    ($task:ident($($arg:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        match isa() {
            Isa::Avx512 | Isa::Avx512Bf16 => return $task::<tile::Avx512>($($arg),*),
            Isa::Avx2 => return $task::<tile::Avx2>($($arg),*),
            Isa::Portable => {}
        }
        $task::<tile::Portable>($($arg),*)
    }};
}

fn forward_on_isa(f: &Forward, d: &Segment, group: usize, from: usize, to: usize) {
    on_isa!(forward_task(f, d, group, from, to))
}

fn backward_on_isa(b: &Backward, segments: &[&Segment], group: usize) {
    on_isa!(backward_task(b, segments, group))
}

fn shape_of(
    heads: u32,
    key_heads: u32,
    width: u32,
    scale: f64,
    slopes: Option<Floats>,
) -> Result<Shape> {
    Ok(Shape {
        heads: heads as usize,
        key_heads: key_heads as usize,
        width: width as usize,
        scale: scale as f32,
        slopes: slopes.map(Floats::f32).transpose()?.map(|s| s.to_vec()),
    })
}

fn segments(queries: &[i32], ranges: &[i32], range_starts: &[i32]) -> Vec<Segment> {
    (0..queries.len() - 1)
        .map(|n| {
            let ranges: Vec<(usize, usize)> = (range_starts[n] as usize
                ..range_starts[n + 1] as usize)
                .map(|r| (ranges[2 * r] as usize, ranges[2 * r + 1] as usize))
                .collect();
            Segment {
                query: queries[n] as usize,
                queries: (queries[n + 1] - queries[n]) as usize,
                keys: ranges.iter().map(|&(_, rows)| rows).sum(),
                ranges,
            }
        })
        .filter(|d| d.queries > 0)
        .collect()
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
    expect_length("y", y.len(), q.len())?;
    let segments = segments(&query_starts, &ranges, &range_starts);
    let mut tasks = Vec::new();
    for d in &segments {
        for group in 0..shape.key_heads {
            for from in (0..d.queries).step_by(TASK) {
                tasks.push((d, group, from, (from + TASK).min(d.queries)));
            }
        }
    }
    let f = Forward {
        q: matrix(&q, row),
        k: matrix(&k, key_row),
        v: matrix(&v, key_row),
        y: Store::of(y),
        lse: Shared(lse.f32()?.as_mut_ptr()),
        shape,
    };
    queue::drain(tasks.len(), |i| {
        let (d, group, from, to) = tasks[i];
        forward_on_isa(&f, d, group, from, to);
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
    expect_length("dq", dq.len(), q.len())?;
    expect_length("dk", dk.len(), k.len())?;
    expect_length("dv", dv.len(), v.len())?;
    let segments = segments(&query_starts, &ranges, &range_starts);
    // Segments that follow each other and share rows are one task's, which sums in their order.
    let mut families: Vec<Vec<&Segment>> = Vec::new();
    let mut end = 0;
    for d in &segments {
        let first = d.rows().min().unwrap_or(0);
        match families.last_mut() {
            Some(last) if first < end => last.push(d),
            _ => families.push(vec![d]),
        }
        end = end.max(d.rows().max().map_or(0, |row| row + 1));
    }
    let groups = shape.key_heads;
    let b = Backward {
        dy: matrix(&dy, row),
        q: matrix(&q, row),
        k: matrix(&k, key_row),
        v: matrix(&v, key_row),
        y: matrix(&y, row),
        lse: Shared(lse.f32()?.as_mut_ptr()),
        dq: Store::of(dq),
        dk: Store::of(dk),
        dv: Store::of(dv),
        shape,
    };
    queue::drain(families.len() * groups, |i| {
        backward_on_isa(&b, &families[i / groups], i % groups);
    });
    Ok(())
}
