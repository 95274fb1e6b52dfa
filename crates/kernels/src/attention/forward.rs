//! Forward: a task is a block of a segment's queries with some of the heads that share a key head.

use crate::gemm::tile::Micro;
use crate::queue::{self, Shared};
use crate::scratch;

use super::operand::{Operand, Output, Rows, transpose};
use super::softmax::{Running, soften};
use super::{KEYS, Product, SCORES, Segment, Shape, Sight, on_isa, row_words};

/// Rows of a block, about: enough that what they do with a tile is worth packing it.
const ROWS: usize = 144;

/// Rows whose scores stand side by side, about: with a panel of keys they fit the first-level cache.
const SCORED: usize = 48;

/// Heads of a block, at most.
const HEADS: usize = 16;

pub struct Forward {
    pub pairs: bool,
    pub segments: Vec<Segment>,
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    pub y: Output,
    pub lse: Shared<f32>,
    pub shape: Shape,
}

struct Task {
    segment: usize,
    group: usize,
    /// First head, and how many.
    head: usize,
    heads: usize,
    /// First query, and how many.
    first: usize,
    count: usize,
}

pub fn run(f: &Forward) {
    let mut tasks = Vec::new();
    let group = f.shape.per_group();
    // Whole tiles of every instruction set.
    let block = (ROWS / group.min(HEADS)).next_multiple_of(if f.pairs { 32 } else { 12 });
    for (index, segment) in f.segments.iter().enumerate() {
        for first in (0..segment.queries).step_by(block) {
            for head in (0..f.shape.heads).step_by(group) {
                for part in (0..group).step_by(HEADS) {
                    tasks.push(Task {
                        segment: index,
                        group: head / group,
                        head: head + part,
                        heads: HEADS.min(group - part),
                        first,
                        count: block.min(segment.queries - first),
                    });
                }
            }
        }
    }
    // The longest come first, so that the threads end together.
    let cost = |t: &Task| t.count * f.segments[t.segment].visible(t.first + t.count - 1);
    tasks.sort_by_key(|t| std::cmp::Reverse(cost(t)));
    queue::drain(tasks.len(), |i| on_isa!(block_of(f, &tasks[i]), pairs: f.pairs));
}

fn block_of<M: Micro>(f: &Forward, task: &Task) {
    let &Task { head: first_head, heads, first, count, .. } = task;
    let segment = &f.segments[task.segment];
    let Shape { heads: all_heads, width: e, .. } = f.shape;
    let [all_q, all_k, all_v] = [f.q, f.k, f.v].map(Operand::in_words::<M>);
    let (width, depth) = (if M::PAIRS { e / 2 } else { e }, M::words(e));
    let (stride, out_stride) = (row_words(depth), row_words(e));
    let scored = SCORED.next_multiple_of(M::ROWS);
    let rows = heads * count;
    let sizes = [
        rows * stride,
        KEYS * stride,
        KEYS * stride,
        (KEYS + M::COLUMNS) * depth,
        Rows::panels::<M>(KEYS, e),
        scored * SCORES,
        rows * out_stride,
    ];
    let mut running = vec![Running::NOTHING; rows];
    scratch::with(sizes, |[q, k, v, panels, v_panels, scores, out]| unsafe {
        // SAFETY: the scratch has room for all; `M` was chosen by `isa()`; a task's rows and heads are its own.
        for head in 0..heads {
            let (row, column) = (segment.query + first, (first_head + head) * width);
            all_q.copy(row, count, column, width, q.add(head * count * stride), stride);
        }
        let visible = segment.visible(first + count - 1);
        // A single query's heads see the same keys, and share tiles as several queries of a head do.
        let alone = count == 1 && f.shape.slopes.is_none();
        let (heads, count) = if alone { (1, heads) } else { (heads, count) };
        for tile in (0..visible).step_by(KEYS) {
            let keys = KEYS.min(visible - tile);
            let column = task.group * width;
            all_k.gather(segment, tile, keys, column, width, k, stride);
            all_v.gather(segment, tile, keys, column, width, v, stride);
            transpose(k, stride, keys, depth, panels);
            let values = Rows::new::<M>(v, stride, (keys, e), v_panels);
            for head in 0..heads {
                let factors = f.shape.factors(first_head + head);
                for part in (0..count).step_by(scored) {
                    let count_here = scored.min(count - part);
                    let at = head * count + part;
                    let mut sight = Sight::new(segment, first + if alone { 0 } else { part }, tile);
                    sight.alike = alone;
                    if sight.of(count_here - 1) == 0 {
                        continue;
                    }
                    for panel in (0..sight.of(count_here - 1)).step_by(M::COLUMNS) {
                        let product = Product {
                            a: q.add(at * stride),
                            a_stride: stride,
                            turned: false,
                            b: panels.add(panel * depth),
                            b_stride: M::COLUMNS,
                            c: scores.add(panel),
                            c_stride: SCORES,
                            columns: M::COLUMNS,
                            alpha: 1.0,
                            accumulate: false,
                        };
                        strips::<M>(sight.first_to_see(panel), count_here, |rows| {
                            product.rows::<M>(rows, (0, e));
                        });
                    }
                    let out = out.add(at * out_stride);
                    let running = running.as_mut_ptr().add(at);
                    soften(scores, count_here, sight, factors, M::PAIRS, running, out, out_stride);
                    for column in (0..e).step_by(M::COLUMNS) {
                        let product = Product {
                            a: scores,
                            a_stride: SCORES,
                            turned: false,
                            b: values.column(column),
                            b_stride: values.stride,
                            c: out.add(column),
                            c_stride: out_stride,
                            columns: e - column,
                            alpha: 1.0,
                            accumulate: tile > 0,
                        };
                        strips::<M>(sight.first_to_see(0), count_here, |(row, rows)| {
                            product.rows::<M>((row, rows), (0, sight.of(row + rows - 1)));
                        });
                    }
                }
            }
        }
        M::done();
        for (i, Running { top, sum }) in running.iter().enumerate() {
            let row = segment.query + first + i % task.count;
            let at = row * all_heads + first_head + i / task.count;
            f.y.write(at * e, out.add(i * out_stride), e, 1.0 / sum);
            *f.lse.get().add(at) = (top + sum.log2()) * std::f32::consts::LN_2;
        }
    });
}

/// Whole tiles of rows, from the one on that has row `first`.
#[inline(always)]
pub fn strips<M: Micro>(first: usize, count: usize, mut work: impl FnMut((usize, usize))) {
    for row in (first / M::ROWS * M::ROWS..count).step_by(M::ROWS) {
        work((row, M::ROWS.min(count - row)));
    }
}
