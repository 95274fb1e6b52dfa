//! Backward: a task is a tile of a segment's keys with all heads that share it. It makes the scores of each block of
//! queries again, sums dK and dV of its keys, and adds its part to dQ after the tiles before it: the order of
//! every sum is that of one thread.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::gemm::pack::{Block, Matrix};
use crate::gemm::tile::Micro;
use crate::queue::{self, Shared};
use crate::scratch;

use super::forward::strips;
use super::operand::{Operand, Output, Rows, transpose};
use super::softmax::{dots, gradients};
use super::{KEYS, Product, SCORES, Segment, Shape, Sight, on_isa, row_words};

/// Queries of a block: whole tiles on every instruction set.
const QUERIES: usize = 96;

/// Rows of a task that sums or rounds.
const TASK: usize = 64;

pub struct Backward {
    pub pairs: bool,
    pub segments: Vec<Segment>,
    /// Rows of q and of k.
    pub queries: usize,
    pub keys: usize,
    pub dy: Operand,
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    pub y: Operand,
    pub lse: Shared<f32>,
    pub dq: Output,
    pub dk: Output,
    pub dv: Output,
    pub shape: Shape,
}

struct Task {
    segment: usize,
    group: usize,
    /// First key.
    tile: usize,
}

/// Where the sums of a call stand until they are whole.
struct Sums {
    /// dQ, [T, H, E].
    dq: Shared<f32>,
    /// dy · y, [T, H].
    deltas: Shared<f32>,
    /// dK and dV of segments that share key rows with others, [rows, K, E] each.
    dk: Shared<f32>,
    dv: Shared<f32>,
    sharing: Sharing,
    /// Tiles that are in dQ of each block of queries, by segment, head and block.
    done: Vec<AtomicU32>,
    first_done: Vec<usize>,
}

/// Key rows that more than one segment reads.
struct Sharing {
    /// Segments that read each key row.
    readers: Vec<u32>,
    /// First row among the sums of each segment that shares any.
    first: Vec<Option<usize>>,
    rows: usize,
}

impl Sharing {
    fn new(segments: &[Segment], keys: usize) -> Sharing {
        let mut readers = vec![0; keys];
        for segment in segments {
            for &(row, rows) in &segment.ranges {
                readers[row..row + rows].iter_mut().for_each(|count| *count += 1);
            }
        }
        let mut rows = 0;
        let first = segments.iter().map(|segment| {
            let mut ranges = segment.ranges.iter();
            let shares =
                ranges.any(|&(row, count)| readers[row..row + count].iter().any(|&n| n > 1));
            shares.then(|| {
                rows += segment.keys;
                rows - segment.keys
            })
        });
        let first = first.collect();
        Sharing { readers, first, rows }
    }

    /// Each shared row with its places among the sums, in the order of the segments.
    fn places(&self, segments: &[Segment]) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        for (segment, first) in segments.iter().zip(&self.first) {
            let Some(first) = first else { continue };
            for (at, row, rows) in segment.runs(0, segment.keys) {
                let shared = (0..rows).filter(|i| self.readers[row + i] > 1);
                places.extend(shared.map(|i| (row + i, first + at + i)));
            }
        }
        // Stable: places of one row stay in the order of the segments.
        places.sort_by_key(|&(row, _)| row);
        places
    }
}

pub fn run(b: &Backward) {
    let Shape { heads, key_heads, width, .. } = b.shape;
    let sharing = Sharing::new(&b.segments, b.keys);
    let shared = sharing.rows * key_heads * width;
    let in_place = matches!(b.dq, Output::F32(_));
    let sizes =
        [if in_place { 0 } else { b.queries * heads * width }, shared, shared, b.queries * heads];
    scratch::with(sizes, |[dq, dk, dv, deltas]| {
        let dq = match b.dq {
            Output::F32(to) => to,
            Output::Bf16(_) => Shared(dq),
        };
        let mut blocks = 0;
        let first_done = b.segments.iter().map(|segment| {
            blocks += heads * segment.queries.div_ceil(QUERIES);
            blocks - heads * segment.queries.div_ceil(QUERIES)
        });
        let first_done = first_done.collect();
        let done = (0..blocks).map(|_| AtomicU32::new(0)).collect();
        let (dk, dv, deltas) = (Shared(dk), Shared(dv), Shared(deltas));
        let sums = Sums { dq, deltas, dk, dv, sharing, done, first_done };
        dot_rows(b, deltas);
        let mut tasks = Vec::new();
        for (index, segment) in b.segments.iter().enumerate() {
            for tile in (0..segment.keys).step_by(KEYS) {
                tasks.extend((0..key_heads).map(|group| Task { segment: index, group, tile }));
            }
        }
        // The longest come first, so that the threads end together; a segment's tiles stay in order, as a task
        // waits for those before it and the queue hands them out in turn.
        tasks.sort_by_key(|task| {
            let segment = &b.segments[task.segment];
            let queries = segment.queries - segment.first_to_see(task.tile).min(segment.queries);
            std::cmp::Reverse(queries * KEYS.min(segment.keys - task.tile))
        });
        queue::drain(tasks.len(), |i| on_isa!(tile_of(b, &sums, &tasks[i]), pairs: b.pairs));
        add_shared(b, &sums);
        if !in_place {
            let row = heads * width;
            queue::drain(b.queries.div_ceil(TASK), |i| {
                let rows = TASK.min(b.queries - i * TASK);
                let at = i * TASK * row;
                // SAFETY: the rows are this task's.
                unsafe { b.dq.write(at, sums.dq.get().add(at), rows * row, 1.0) };
            });
        }
    });
}

/// dy · y of every position and head.
fn dot_rows(b: &Backward, to: Shared<f32>) {
    let Shape { heads, width, .. } = b.shape;
    let row = heads * width;
    queue::drain(b.queries.div_ceil(TASK), |i| {
        let first = i * TASK;
        let rows = TASK.min(b.queries - first);
        // SAFETY: the scratch has room, and the rows are this task's.
        scratch::with([rows * row + 16, rows * row + 16], |[dy, y]| unsafe {
            b.dy.copy(first, rows, 0, row, dy, row);
            b.y.copy(first, rows, 0, row, y, row);
            dots(dy, y, rows * heads, width, to.get().add(first * heads));
        });
    });
}

/// The left operand of sums over queries: `count` rows that each have a number for every key.
struct Turned {
    data: *const f32,
    stride: usize,
}

impl Turned {
    /// Words from a key's row to the next.
    const STRIDE: usize = QUERIES / 2;

    /// As they lie, in columns, or a row of pairs for each of `keys` in `room`.
    unsafe fn new<M: Micro>(scores: *mut f32, count: usize, keys: usize, room: *mut f32) -> Turned {
        if !M::PAIRS {
            return Turned { data: scores, stride: SCORES };
        }
        let from = Matrix { data: scores.cast(), bf16: true, stride: 2 * SCORES };
        let stride = Turned::STRIDE;
        let block = Block {
            from: &from,
            transposed: true,
            first: 0,
            depth: count,
            row: 0,
            rows: keys,
            stride,
        };
        // SAFETY: the caller's.
        unsafe { M::pack_block(&block, room) };
        Turned { data: room, stride }
    }
}

fn tile_of<M: Micro>(b: &Backward, sums: &Sums, task: &Task) {
    let &Task { tile, group, .. } = task;
    let segment = &b.segments[task.segment];
    let Shape { heads: all_heads, width: e, scale, .. } = b.shape;
    let [all_q, all_k, all_v, all_dy] = [b.q, b.k, b.v, b.dy].map(Operand::in_words::<M>);
    let (width, depth) = (if M::PAIRS { e / 2 } else { e }, M::words(e));
    let (stride, out_stride) = (row_words(depth), row_words(e));
    let keys = KEYS.min(segment.keys - tile);
    let (panels, turned) =
        ((KEYS + M::COLUMNS) * depth, if M::PAIRS { KEYS * Turned::STRIDE } else { 0 });
    let sizes = [
        KEYS * stride,
        KEYS * stride,
        panels,
        panels,
        Rows::panels::<M>(KEYS, e),
        QUERIES * stride,
        QUERIES * stride,
        Rows::panels::<M>(QUERIES, e),
        Rows::panels::<M>(QUERIES, e),
        QUERIES * SCORES,
        QUERIES * SCORES,
        turned,
        turned,
        KEYS * out_stride,
        KEYS * out_stride,
    ];
    scratch::with(sizes, |room| unsafe {
        let [
            k,
            v,
            k_panels,
            v_panels,
            k_rows,
            q,
            dy,
            q_rows,
            dy_rows,
            p,
            ds,
            p_room,
            ds_room,
            dk,
            dv,
        ] = room;
        // SAFETY: the scratch has room for all; `M` was chosen by `isa()`; a task's keys are its own, and it
        // adds to dQ when the task before it has.
        all_k.gather(segment, tile, keys, group * width, width, k, stride);
        all_v.gather(segment, tile, keys, group * width, width, v, stride);
        transpose(k, stride, keys, depth, k_panels);
        transpose(v, stride, keys, depth, v_panels);
        let k_rows = Rows::new::<M>(k, stride, (keys, e), k_rows);
        std::ptr::write_bytes(dk, 0, keys * out_stride);
        std::ptr::write_bytes(dv, 0, keys * out_stride);
        let blocks = segment.queries.div_ceil(QUERIES);
        for head in group * b.shape.per_group()..(group + 1) * b.shape.per_group() {
            for block in segment.first_to_see(tile) / QUERIES..blocks {
                let first = block * QUERIES;
                let count = QUERIES.min(segment.queries - first);
                let sight = Sight::new(segment, first, tile);
                let (row, column) = (segment.query + first, head * width);
                all_q.copy(row, count, column, width, q, stride);
                all_dy.copy(row, count, column, width, dy, stride);
                let (mut lse, mut deltas) = ([0.0; QUERIES], [0.0; QUERIES]);
                for i in 0..count {
                    let at = (row + i) * all_heads + head;
                    lse[i] = *b.lse.get().add(at) * std::f32::consts::LOG2_E;
                    deltas[i] = *sums.deltas.get().add(at);
                }
                for (a, panels, c) in [(q, k_panels, p), (dy, v_panels, ds)] {
                    for panel in (0..keys).step_by(M::COLUMNS) {
                        let product = Product {
                            a,
                            a_stride: stride,
                            turned: false,
                            b: panels.add(panel * depth),
                            b_stride: M::COLUMNS,
                            c: c.add(panel),
                            c_stride: SCORES,
                            columns: M::COLUMNS,
                            alpha: 1.0,
                            accumulate: false,
                        };
                        strips::<M>(sight.first_to_see(panel), count, |rows| {
                            product.rows::<M>(rows, (0, e));
                        });
                    }
                }
                let factors = b.shape.factors(head);
                let (lse, deltas) = (lse.as_ptr(), deltas.as_ptr());
                gradients(p, ds, count, sight, factors, M::PAIRS, lse, deltas);

                for (scores, turned, rows, panels, c, alpha) in
                    [(ds, ds_room, q, q_rows, dk, scale), (p, p_room, dy, dy_rows, dv, 1.0)]
                {
                    let left = Turned::new::<M>(scores, count, keys, turned);
                    let right = Rows::new::<M>(rows, stride, (count, e), panels);
                    for column in (0..e).step_by(M::COLUMNS) {
                        let product = Product {
                            a: left.data,
                            a_stride: left.stride,
                            turned: !M::PAIRS,
                            b: right.column(column),
                            b_stride: right.stride,
                            c: c.add(column),
                            c_stride: out_stride,
                            columns: e - column,
                            alpha,
                            accumulate: true,
                        };
                        strips::<M>(0, keys, |(key, keys)| {
                            let first = sight.first_to_see(key);
                            if first < count {
                                product.rows::<M>((key, keys), (first, count));
                            }
                        });
                    }
                }

                let number = (tile / KEYS) as u32;
                let done = &sums.done[sums.first_done[task.segment] + head * blocks + block];
                while done.load(Ordering::Acquire) != number {
                    std::thread::yield_now();
                }
                for column in (0..e).step_by(M::COLUMNS) {
                    let product = Product {
                        a: ds,
                        a_stride: SCORES,
                        turned: false,
                        b: k_rows.column(column),
                        b_stride: k_rows.stride,
                        c: sums.dq.get().add((row * all_heads + head) * e + column),
                        c_stride: all_heads * e,
                        columns: e - column,
                        alpha: scale,
                        accumulate: tile > 0,
                    };
                    strips::<M>(sight.first_to_see(0), count, |(row, rows)| {
                        product.rows::<M>((row, rows), (0, sight.of(row + rows - 1)));
                    });
                }
                done.store(number + 1, Ordering::Release);
            }
        }
        M::done();
        put_keys(b, sums, task, keys, [dk, dv], out_stride);
    });
}

/// Writes a tile's dK and dV: where they belong if no other segment reads the row, else beside the others' until all
/// are there.
///
/// # Safety
/// The sums are `keys` rows of `stride`; the task's keys are the caller's alone.
unsafe fn put_keys(
    b: &Backward,
    sums: &Sums,
    task: &Task,
    keys: usize,
    [dk, dv]: [*mut f32; 2],
    stride: usize,
) {
    let Shape { key_heads, width: e, .. } = b.shape;
    let segment = &b.segments[task.segment];
    for (at, row, rows) in segment.runs(task.tile, keys) {
        for i in 0..rows {
            let from = (at + i) * stride;
            let place = |row: usize| (row * key_heads + task.group) * e;
            unsafe {
                match sums.sharing.first[task.segment] {
                    Some(first) if sums.sharing.readers[row + i] > 1 => {
                        let to = place(first + task.tile + at + i);
                        std::ptr::copy_nonoverlapping(dk.add(from), sums.dk.get().add(to), e);
                        std::ptr::copy_nonoverlapping(dv.add(from), sums.dv.get().add(to), e);
                    }
                    _ => {
                        b.dk.write(place(row + i), dk.add(from), e, 1.0);
                        b.dv.write(place(row + i), dv.add(from), e, 1.0);
                    }
                }
            }
        }
    }
}

/// Sums dK and dV of rows that several segments read; rows that none reads get zeros.
fn add_shared(b: &Backward, sums: &Sums) {
    let width = b.shape.key_heads * b.shape.width;
    let zeros = vec![0.0f32; width];
    for (row, _) in sums.sharing.readers.iter().enumerate().filter(|(_, count)| **count == 0) {
        // SAFETY: no task writes the row.
        unsafe {
            b.dk.write(row * width, zeros.as_ptr(), width, 1.0);
            b.dv.write(row * width, zeros.as_ptr(), width, 1.0);
        }
    }
    let places = sums.sharing.places(&b.segments);
    let rows: Vec<&[(usize, usize)]> = places.chunk_by(|a, b| a.0 == b.0).collect();
    queue::drain(rows.len().div_ceil(TASK), |i| {
        let mut total = vec![0.0f32; width];
        for places in &rows[i * TASK..rows.len().min((i + 1) * TASK)] {
            for (from, to) in [(sums.dk, b.dk), (sums.dv, b.dv)] {
                total.fill(0.0);
                for &(_, at) in *places {
                    // SAFETY: inside the sums, which no task writes any more.
                    let part =
                        unsafe { std::slice::from_raw_parts(from.get().add(at * width), width) };
                    for (total, part) in total.iter_mut().zip(part) {
                        *total += part;
                    }
                }
                // SAFETY: the row is this task's.
                unsafe { to.write(places[0].0 * width, total.as_ptr(), width, 1.0) };
            }
        }
    });
}
