//! Matrix products. Spec: `src/kernels/gemm.ts`.
//!
//! A task is a block of rows times a block of columns of C. It packs its columns of B so that they stay in
//! the second-level cache, chunk of k by chunk of k, and streams its rows of A past them. Each number of
//! C is summed along k in an order that depends on k alone, so no split into tasks changes a bit.

pub mod pack;
mod peak;
mod rows;
pub mod tile;

use napi::Result;
use napi_derive::napi;
use pack::Matrix;
use tile::{Micro, Tile};

use crate::floats::{Floats, from_bf16, invalid, to_bf16};
use crate::isa::{Isa, isa};
use crate::queue::{self, Shared};
use crate::{pool, scratch};

/// Most words along k that are packed at a time.
const CHUNK: usize = 384;
/// Words of B that a task packs at a time: half of a second-level cache of 1 MiB.
const PACKED: usize = 128 * 1024;
/// Rows of A that are packed at a time: whole tiles on every instruction set, whole cache lines in columns.
const BLOCK: usize = 48;
/// Rows of a task, at most: what a chunk of bf16 results needs in f32 meanwhile.
const MOST_ROWS: usize = 2064;
/// Rows up to which B's rows are read where they lie: packing would cost more than it saves.
const FEW_ROWS: usize = 24;
/// Multiply-adds below which waking a second thread costs more than it saves.
const SMALL: usize = 500_000;

struct Product {
    a: Matrix,
    b: Matrix,
    c: Shared<u8>,
    c_bf16: bool,
    m: usize,
    n: usize,
    k: usize,
    trans_a: bool,
    trans_b: bool,
    alpha: f32,
    accumulate: bool,
    bias: Option<Vec<f32>>,
}

// SAFETY: the operands are only read, and tasks write blocks of C of their own.
unsafe impl Send for Product {}
// SAFETY: as above.
unsafe impl Sync for Product {}

pub fn matrix(floats: &Floats, stride: usize) -> Matrix {
    match floats {
        Floats::F32(a) => Matrix { data: a.as_ptr().cast(), bf16: false, stride },
        Floats::Bf16(a) => Matrix { data: a.as_ptr().cast(), bf16: true, stride },
    }
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn gemm(
    a: Floats,
    b: Floats,
    c: Floats,
    m: u32,
    n: u32,
    k: u32,
    trans_a: bool,
    trans_b: bool,
    alpha: f64,
    beta: f64,
    bias: Option<Floats>,
) -> Result<()> {
    let (m, n, k) = (m as usize, n as usize, k as usize);
    let lengths = [("a", a.len(), m * k), ("b", b.len(), k * n), ("c", c.len(), m * n)];
    for (name, length, wanted) in lengths {
        if length < wanted {
            return Err(invalid(format!(
                "`{name}` has {length} elements where {wanted} are needed"
            )));
        }
    }
    if beta != 0.0 && beta != 1.0 {
        return Err(invalid("`beta` must be 0 or 1"));
    }
    let bias = match bias {
        Some(bias) if bias.len() != n => {
            return Err(invalid(format!(
                "`bias` has {} elements where {n} are needed",
                bias.len()
            )));
        }
        Some(Floats::F32(bias)) => Some(bias.to_vec()),
        Some(Floats::Bf16(bias)) => Some(bias.iter().map(|&bits| from_bf16(bits)).collect()),
        None => None,
    };
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (data, c_bf16) = match c {
        Floats::F32(c) => (c.as_mut_ptr().cast(), false),
        Floats::Bf16(c) => (c.as_mut_ptr().cast(), true),
    };
    run(&Product {
        a: matrix(&a, if trans_a { m } else { k }),
        b: matrix(&b, if trans_b { k } else { n }),
        c: Shared(data),
        c_bf16,
        m,
        n,
        k,
        trans_a,
        trans_b,
        alpha: alpha as f32,
        accumulate: beta == 1.0,
        bias,
    });
    Ok(())
}

fn run(p: &Product) {
    if p.m <= rows::MOST && p.trans_b && !p.trans_a && p.k > 0 {
        return few_rows(p);
    }
    #[cfg(target_arch = "x86_64")]
    match isa() {
        Isa::Avx512Bf16 if p.a.bf16 && p.b.bf16 => return blocks::<tile::Avx512Dot>(p),
        Isa::Avx512 | Isa::Avx512Bf16 => return blocks::<tile::Avx512>(p),
        Isa::Avx2 => return blocks::<tile::Avx2>(p),
        Isa::Portable => {}
    }
    blocks::<tile::Portable>(p);
}

/// How C is cut into tasks. Nothing but the time depends on it.
struct Grid {
    rows: usize,
    columns: usize,
}

impl Grid {
    fn new<M: Micro>(p: &Product, depth: usize) -> Grid {
        let panels = p.n.div_ceil(M::COLUMNS);
        let strips = p.m.div_ceil(BLOCK);
        let words = if M::PAIRS { depth.div_ceil(2) } else { depth };
        let most = (PACKED / (words.max(1) * M::COLUMNS)).max(1);
        let mut grid = Grid { rows: p.m.div_ceil(MOST_ROWS), columns: panels.div_ceil(most) };
        let work = p.m * p.n * p.k.max(16);
        if work < SMALL {
            return grid;
        }
        let threads = pool::threads() as usize;
        if grid.columns > 1 {
            grid.columns = grid.columns.next_multiple_of(threads).min(panels);
        }
        // Tasks should outnumber the threads where each is long enough.
        let wanted = if work > 64 * SMALL { 2 * threads } else { threads };
        while grid.rows * grid.columns < wanted {
            let (strips, panels) = (strips / grid.rows, panels / grid.columns);
            if panels >= 2 && panels * M::COLUMNS >= strips * BLOCK {
                grid.columns *= 2;
            } else if strips >= 2 {
                grid.rows *= 2;
            } else if panels >= 2 {
                grid.columns *= 2;
            } else {
                break;
            }
        }
        grid
    }
}

/// Part `i` of `parts` equal ones of `count` units.
fn part(i: usize, parts: usize, count: usize, unit: usize, end: usize) -> (usize, usize) {
    ((i * count / parts) * unit, (((i + 1) * count / parts) * unit).min(end))
}

/// Equal chunks of k, even in length.
fn depth_of(k: usize) -> usize {
    k.div_ceil(k.div_ceil(CHUNK).max(1)).next_multiple_of(16).min(k)
}

fn blocks<M: Micro>(p: &Product) {
    let depth = depth_of(p.k);
    let grid = Grid::new::<M>(p, depth);
    let (strips, panels) = (p.m.div_ceil(BLOCK), p.n.div_ceil(M::COLUMNS));
    let tasks = grid.rows * grid.columns;
    let work = |i: usize| {
        let rows = part(i % grid.rows, grid.rows, strips, BLOCK, p.m);
        let columns = part(i / grid.rows, grid.columns, panels, M::COLUMNS, p.n);
        task::<M>(p, depth, rows, columns);
    };
    if p.m * p.n * p.k.max(16) < SMALL {
        (0..tasks).for_each(work)
    } else {
        queue::drain(tasks, work)
    }
}

/// Where the words of a block of A are read.
struct Strips {
    data: *const f32,
    stride: usize,
    in_columns: bool,
}

impl Strips {
    fn at(&self, row: usize) -> *const f32 {
        // SAFETY: rows lie inside the block.
        unsafe { self.data.add(if self.in_columns { row } else { row * self.stride }) }
    }
}

fn task<M: Micro>(p: &Product, depth: usize, rows: (usize, usize), columns: (usize, usize)) {
    let (height, width) = (rows.1 - rows.0, columns.1 - columns.0);
    if height == 0 || width == 0 {
        return;
    }
    let words = if M::PAIRS { depth.div_ceil(2) } else { depth };
    let panels = width.div_ceil(M::COLUMNS);
    // Rows of B are read where they lie, but for a last panel that is not whole.
    let in_place = height <= FEW_ROWS && !p.trans_b && !p.b.bf16;
    let packed_panels = if in_place { 1 } else { panels };
    // A row stride of many cache lines makes the rows of a tile fall into the same few places of the cache.
    let aliased = (p.a.stride * 4).is_multiple_of(1024);
    let a_in_place = !p.trans_a
        && if M::PAIRS { p.k.is_multiple_of(2) } else { !p.a.bf16 }
        && !(aliased && width > 2 * M::COLUMNS);
    let a_stride = if p.trans_a { BLOCK } else { words.next_multiple_of(16) + 16 };
    let a_words = if p.trans_a { words * BLOCK } else { a_stride * BLOCK };
    // bf16 results are summed in f32: all rows where k comes in chunks, else one block of rows.
    let in_chunks = p.k > depth;
    let c_rows = if in_chunks { height } else { BLOCK };
    let c_width = width.next_multiple_of(16);
    let sizes = [
        words * M::COLUMNS * packed_panels,
        if a_in_place { 0 } else { a_words },
        if p.c_bf16 { c_rows * c_width } else { 0 },
    ];
    scratch::with(sizes, |[b, a, sums]| {
        let mut first = 0;
        loop {
            let depth = depth.min(p.k - first);
            let words = if M::PAIRS { depth.div_ceil(2) } else { depth };
            let last = first + depth >= p.k;
            for panel in 0..panels {
                let column = columns.0 + panel * M::COLUMNS;
                let present = M::COLUMNS.min(columns.1 - column);
                if in_place && present == M::COLUMNS {
                    continue;
                }
                let from = pack::Panel {
                    from: &p.b,
                    transposed: p.trans_b,
                    first,
                    depth,
                    column,
                    columns: present,
                    width: M::COLUMNS,
                };
                let at = if in_place { 0 } else { panel * words * M::COLUMNS };
                // SAFETY: `blocks` was chosen by `isa()`; the scratch has room for the panels.
                unsafe { M::pack_panel(&from, b.add(at)) };
            }
            for row in (rows.0..rows.1).step_by(BLOCK) {
                let height = BLOCK.min(rows.1 - row);
                let strips = if a_in_place {
                    let stride = if M::PAIRS { p.a.stride / 2 } else { p.a.stride };
                    Strips { data: p.a.at(row, first).cast(), stride, in_columns: false }
                } else {
                    let transposed = p.trans_a;
                    let from = pack::Block {
                        from: &p.a,
                        transposed,
                        first,
                        depth,
                        row,
                        rows: height,
                        stride: a_stride,
                    };
                    // SAFETY: as above.
                    unsafe { M::pack_block(&from, a) };
                    Strips { data: a, stride: a_stride, in_columns: transposed }
                };
                let in_sums = if in_chunks { row - rows.0 } else { 0 };
                for top in (0..height).step_by(M::ROWS) {
                    for panel in 0..panels {
                        let offset = panel * M::COLUMNS;
                        let present = M::COLUMNS.min(width - offset);
                        let (b, b_stride) = if in_place && present == M::COLUMNS {
                            (p.b.at(first, columns.0 + offset).cast(), p.b.stride)
                        } else if in_place {
                            (b.cast_const(), M::COLUMNS)
                        } else {
                            (b.wrapping_add(panel * words * M::COLUMNS).cast_const(), M::COLUMNS)
                        };
                        let column = columns.0 + offset;
                        let (c, c_stride) = if p.c_bf16 {
                            (sums.wrapping_add((in_sums + top) * c_width + offset), c_width)
                        } else {
                            (p.c.get().cast::<f32>().wrapping_add((row + top) * p.n + column), p.n)
                        };
                        let bias = match &p.bias {
                            Some(bias) if first == 0 => bias[column..].as_ptr(),
                            _ => std::ptr::null(),
                        };
                        let tile = Tile {
                            depth: words,
                            a: strips.at(top),
                            a_stride: strips.stride,
                            b,
                            b_stride,
                            c,
                            c_stride,
                            alpha: p.alpha,
                            accumulate: first > 0 || (p.accumulate && !p.c_bf16),
                            bias,
                            columns: present,
                        };
                        // SAFETY: as above; all parts lie inside the operands, whose lengths were checked.
                        unsafe { M::tile(M::ROWS.min(height - top), strips.in_columns, &tile) };
                    }
                }
                if p.c_bf16 && last {
                    for i in 0..height {
                        // SAFETY: this task's part of C, and the scratch behind it.
                        unsafe {
                            let from = std::slice::from_raw_parts(
                                sums.add((in_sums + i) * c_width),
                                width,
                            );
                            round_row(p, row + i, columns.0, from);
                        }
                    }
                }
            }
            first += depth;
            if last {
                break;
            }
        }
    });
}

/// # Safety
/// The row is the caller's alone.
unsafe fn round_row(p: &Product, row: usize, column: usize, from: &[f32]) {
    // SAFETY: inside C.
    let to = unsafe {
        let at = p.c.get().cast::<u16>().add(row * p.n + column);
        std::slice::from_raw_parts_mut(at, from.len())
    };
    round(from, to, p.accumulate);
}

crate::per_isa! {
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

/// Rows of the weight that a thread takes at a time.
const WEIGHT_ROWS: usize = 64;

fn few_rows(p: &Product) {
    let x: Vec<f32>;
    let x = if p.a.bf16 {
        x = (0..p.m * p.k).map(|i| pack::number(&p.a, 0, i)).collect();
        x.as_ptr()
    } else {
        p.a.data.cast()
    };
    let x = Shared(x.cast_mut());
    let work = |i: usize| {
        let (from, to) = (i * WEIGHT_ROWS, ((i + 1) * WEIGHT_ROWS).min(p.n));
        let mut sums = [0.0f32; rows::MOST * WEIGHT_ROWS];
        rows::dots(x.get(), p.m, p.k, &p.b, from, to, sums.as_mut_ptr());
        for (row, sums) in sums.chunks(to - from).take(p.m).enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                let column = from + i;
                let value = p.alpha * sum + p.bias.as_ref().map_or(0.0, |bias| bias[column]);
                let at = row * p.n + column;
                // SAFETY: this task's columns of C.
                unsafe {
                    if p.c_bf16 {
                        let to = p.c.get().cast::<u16>().add(at);
                        *to = to_bf16(value + if p.accumulate { from_bf16(*to) } else { 0.0 });
                    } else {
                        let to = p.c.get().cast::<f32>().add(at);
                        *to = value + if p.accumulate { *to } else { 0.0 };
                    }
                }
            }
        }
    };
    let tasks = p.n.div_ceil(WEIGHT_ROWS);
    if p.m * p.n * p.k < SMALL / 4 { (0..tasks).for_each(work) } else { queue::drain(tasks, work) }
}
