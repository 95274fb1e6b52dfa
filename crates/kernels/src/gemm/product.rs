//! A product, and how threads go through its cuts.
//!
//! All columns of B that fit are packed once, by all threads; then each task takes a block of rows, whose part of A
//! stays in the second-level cache, past them. Or each task packs what it multiplies (`apart`).
//! After Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).

use super::cuts::{self, Apart, Grid, JOINED, Range, SMALL, Stage, part};
use super::finish;
use super::pack::Matrix;
use super::panels::{self, GROUP, Packed};
use super::tile::Micro;
use super::work::{Block, FEW_ROWS, Target, Work};
use crate::quantized::Quantized;
use crate::queue::{self, Shared};
use crate::scratch;

/// Words of B that are packed together, at most.
const PACKED: usize = 1 << 20;

/// The right operand.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Floats(Matrix),
    Quantized(&'a Quantized),
    Codes(Codes<'a>),
}

/// Codes of eight bits, multiplied with words of A that hold codes as well: k counts words.
#[derive(Clone, Copy)]
pub struct Codes<'a> {
    pub codes: &'a [i8],
    /// Codes of a stored row, and stored rows.
    pub stride: usize,
    pub rows: usize,
}

/// alpha · op(A) · op(B).
#[derive(Clone, Copy)]
pub struct Factors<'a> {
    pub a: Matrix,
    pub b: Source<'a>,
    pub k: usize,
    pub trans_a: bool,
    pub trans_b: bool,
    pub alpha: f32,
}

// SAFETY: the operands are only read.
unsafe impl Sync for Factors<'_> {}

impl Factors<'_> {
    /// Where some rows of A lie, and their bytes; None where there are none, or A lies in columns.
    fn rows_of_a(&self, first: usize, end: usize) -> Option<(*const u8, usize)> {
        let size = if self.a.bf16 { 2 } else { 4 };
        (!self.trans_a && first < end)
            .then(|| (self.a.at(first, 0), (end - first) * self.a.stride * size))
    }

    /// Numbers [first, first + k) along k. None where B's do not lie in a place of their own.
    pub fn along(&self, first: usize, k: usize) -> Option<Self> {
        let Source::Floats(b) = self.b else { return None };
        let at = |of: Matrix, in_columns: bool| {
            let data = if in_columns { of.at(first, 0) } else { of.at(0, first) };
            Matrix { data, ..of }
        };
        let b = Source::Floats(at(b, !self.trans_b));
        Some(Factors { a: at(self.a, self.trans_a), b, k, ..*self })
    }
}

/// C[m, n] = Σ factors + bias, or += .
pub struct Product<'a> {
    pub m: usize,
    pub n: usize,
    pub factors: Vec<Factors<'a>>,
    pub c: Shared<u8>,
    pub c_bf16: bool,
    /// Whether C's rows are stored as columns.
    pub c_transposed: bool,
    pub accumulate: bool,
    pub bias: Option<&'a [f32]>,
    /// Whether each A is the words that tiles multiply, as `Micro::pack_block` has them.
    pub in_words: bool,
    /// What the sums of codes stand for.
    pub scales: Option<Scales<'a>>,
}

/// A sum of codes is number · rows[row] · columns[column].
#[derive(Clone, Copy)]
pub struct Scales<'a> {
    pub rows: &'a [f32],
    pub columns: Option<&'a [f32]>,
    /// To be taken from the sums of each column, where A's codes are not about zero.
    pub offsets: Option<&'a [i32]>,
}

impl Product<'_> {
    /// Whether bf16 is multiplied in pairs, where the instruction set can: not what few rows of a transposed A sum (a low-rank
    /// gradient), whose B costs more to pair than to multiply as f32.
    pub fn pairs(&self, of: &Factors) -> bool {
        of.a.bf16
            && match of.b {
                Source::Floats(_) if self.m <= FEW_ROWS && of.trans_a && !of.trans_b => false,
                Source::Floats(b) => b.bf16,
                Source::Quantized(_) => true,
                Source::Codes(_) => false,
            }
    }

    /// Whether numbers of f32 can be multiplied as sums of three bf16.
    fn thirds(&self, of: &Factors) -> bool {
        !of.a.bf16
            && match of.b {
                Source::Floats(b) => !b.bf16,
                Source::Quantized(_) => true,
                Source::Codes(_) => false,
            }
    }

    /// Whether they are, where the instruction set can: not where a low-rank factor's few rows or columns would cost more to
    /// take apart than to multiply. A row's path depends on nothing that may stand beside it.
    pub fn in_thirds(&self) -> bool {
        const LEAST: usize = 64;
        let few_rows = self.m < LEAST && self.factors.iter().any(|of| of.trans_a);
        self.n >= LEAST && !few_rows && self.factors.iter().all(|of| self.thirds(of))
    }

    /// Whether the words are what `M` multiplies best, or plain f32.
    pub fn special<M: Micro>(&self, of: &Factors) -> bool {
        match of.b {
            Source::Codes(_) => true,
            _ if M::THIRDS => self.thirds(of),
            _ => M::PAIRS && self.pairs(of),
        }
    }

    /// Whether sums wait in a buffer of their own until they are what C stores.
    pub fn buffered(&self) -> bool {
        self.c_bf16 || self.c_transposed || self.scales.is_some()
    }
}

/// What a stage reads of some rows of A, where it is in one piece, and its bytes.
fn ahead<M: Micro>(p: &Product, stage: &Stage, (first, end): Range) -> Option<(*const u8, usize)> {
    let chunk = stage.chunks.first()?;
    if p.in_words {
        let rows = chunk.of.a.at(first, M::words(chunk.first) * M::ROWS);
        return (first < end).then_some((rows, M::ROWS * stage.words * 4));
    }
    // Of parts of rows, what is copied comes by itself.
    if stage.first && stage.last { chunk.of.rows_of_a(first, end) } else { None }
}

fn run_apart<M: Micro>(p: &Product, stages: &[Stage], Apart { grid, columns: most, .. }: &Apart) {
    let (strips, panels) = (p.m.div_ceil(M::ROWS), p.n.div_ceil(M::COLUMNS));
    let most_words = stages.iter().map(|stage| stage.words).max().unwrap_or(0);
    let work = |i: usize| {
        let rows = part(i % grid.rows, grid.rows, strips, M::ROWS, p.m);
        let (from, to) = part(i / grid.rows, grid.columns, panels, M::COLUMNS, p.n);
        if rows.0 >= rows.1 {
            return;
        }
        let spans = (to - from).div_ceil(*most).max(1);
        let span = (to - from).div_ceil(spans).next_multiple_of(M::COLUMNS);
        for first in (from..to).step_by(span.max(1)) {
            let columns = (first, (first + span).min(to));
            let panels = (columns.1 - columns.0).div_ceil(M::COLUMNS);
            // The sums of several stages wait for the last one.
            let waiting = stages.len() > 1 && p.buffered();
            let sizes = [
                most_words * panels * M::COLUMNS,
                if waiting { p.m * (columns.1 - columns.0) } else { 0 },
            ];
            scratch::with(sizes, |[packed, sums]| {
                for stage in stages {
                    let sums = waiting.then_some(Shared(sums));
                    let packed = Packed { data: Shared(packed), columns };
                    for group in panels::groups::<M>(&stage.chunks, columns) {
                        panels::pack_group::<M>(&group, packed);
                    }
                    // A strip is finished while its sums are in the first-level cache.
                    for top in (rows.0..rows.1).step_by(M::ROWS) {
                        let end = (top + M::ROWS).min(rows.1);
                        let block = Block {
                            rows: (top, end),
                            columns,
                            all: columns,
                            packed: Some(packed),
                            sums,
                            ahead: ahead::<M>(p, stage, (end, (end + M::ROWS).min(rows.1))),
                        };
                        task::<M>(p, stage, &block);
                    }
                }
            });
        }
        M::done();
    };
    let tasks = grid.rows * grid.columns;
    if tasks > 1 { queue::drain(tasks, work) } else { work(0) }
}

pub fn run<M: Micro>(p: &Product) {
    let chunks = cuts::chunks::<M>(p);
    let (all, deepest) = (
        chunks.iter().map(|chunk| chunk.words).sum::<usize>().max(1),
        chunks.iter().map(|chunk| chunk.words).max().unwrap_or(0),
    );
    let buffered = p.buffered();
    // Few rows use each panel once: nothing is packed together. Else all of k at once where enough columns fit.
    let quantized = p.factors.iter().any(|of| matches!(of.b, Source::Quantized(_)));
    if let Some(apart) = cuts::apart::<M>(p, all, deepest, quantized) {
        return run_apart::<M>(p, &cuts::stages::<M>(chunks, apart.words), &apart);
    }
    let fitting = if p.m <= FEW_ROWS && !quantized { usize::MAX } else { PACKED / all };
    let (width, depth) = if fitting >= p.n.min(512) {
        (fitting.min(p.n), all)
    } else {
        let most = if buffered { PACKED / p.m } else { PACKED };
        let width = p.n.min(1024).min(most.max(GROUP));
        (width, (PACKED / width).max(deepest))
    };
    let stages = cuts::stages::<M>(chunks, depth);
    let blocks = p.n.div_ceil(width.max(GROUP));
    let width = p.n.div_ceil(blocks).next_multiple_of(GROUP);
    // The sums of several stages wait for the last one.
    let sums = if buffered && stages.len() > 1 { p.m * width } else { 0 };
    scratch::with([sums], |[sums]| {
        let sums = (buffered && stages.len() > 1).then_some(Shared(sums));
        for first in (0..p.n).step_by(width) {
            let columns = (first, (first + width).min(p.n));
            let grid = Grid::new::<M>(p, columns.1 - first, deepest, buffered);
            for stage in &stages {
                run_stage::<M>(p, stage, columns, &grid, sums);
            }
        }
    });
}

fn run_stage<M: Micro>(
    p: &Product,
    stage: &Stage,
    columns: Range,
    grid: &Grid,
    sums: Option<Shared<f32>>,
) {
    let width = columns.1 - columns.0;
    let (strips, panels) = (p.m.div_ceil(M::ROWS), width.div_ceil(M::COLUMNS));
    let parallel = p.m * width * stage.words.max(16) >= SMALL;
    let drain = |count: usize, work: &(dyn Fn(usize) + Send + Sync)| {
        if parallel { queue::drain(count, work) } else { (0..count).for_each(work) }
    };
    let quantized = stage.chunks.iter().any(|chunk| matches!(chunk.of.b, Source::Quantized(_)));
    // A single block of rows uses each panel once, and packs it where it is used.
    let shared = grid.rows > 1 || quantized;
    let size = if shared { stage.words * panels * M::COLUMNS } else { 0 };
    scratch::with([size], |[packed]| {
        let packed = shared.then_some(Packed { data: Shared(packed), columns });
        if let Some(packed) = packed {
            let groups = panels::groups::<M>(&stage.chunks, columns);
            drain(groups.len(), &|i| panels::pack_group::<M>(&groups[i], packed));
        }
        drain(grid.rows * grid.columns, &|i| {
            let block = Block {
                rows: part(i % grid.rows, grid.rows, strips, M::ROWS, p.m),
                columns: {
                    let (from, to) = part(i / grid.rows, grid.columns, panels, M::COLUMNS, width);
                    (columns.0 + from, columns.0 + to)
                },
                all: columns,
                packed,
                sums,
                ahead: None,
            };
            if block.rows.0 < block.rows.1 && block.columns.0 < block.columns.1 {
                task::<M>(p, stage, &block);
            }
            M::done();
        });
    });
}

fn task<M: Micro>(p: &Product, stage: &Stage, block: &Block) {
    let (height, width) = (block.rows.1 - block.rows.0, block.columns.1 - block.columns.0);
    let buffered = p.buffered();
    let stride = width.next_multiple_of(16);
    let deepest = stage.chunks.iter().map(|chunk| chunk.words).max().unwrap_or(0);
    let sizes = [
        if block.packed.is_some() { 0 } else { deepest * GROUP },
        // Strips of a transposed A may be less than whole, and a store may go beyond the last one.
        (height + M::ROWS) * (deepest.next_multiple_of(16) + 16) + 16,
        if M::BY_REGISTERS { height.next_multiple_of(M::ROWS) * (JOINED + 16) } else { 0 },
        if buffered && block.sums.is_none() { height * stride } else { 0 },
    ];
    scratch::with(sizes, |[panel, a, more_a, sums]| {
        let target = match (buffered, block.sums) {
            (false, _) => Target {
                data: p.c.get().cast::<f32>().wrapping_add(block.rows.0 * p.n + block.columns.0),
                stride: p.n,
            },
            (true, None) => Target { data: sums, stride },
            (true, Some(sums)) => {
                let stride = block.all.1 - block.all.0;
                let at = block.rows.0 * stride + block.columns.0 - block.all.0;
                Target { data: sums.get().wrapping_add(at), stride }
            }
        };
        let mut joined = false;
        for (i, chunk) in stage.chunks.iter().enumerate() {
            if std::mem::take(&mut joined) {
                continue;
            }
            let more = stage
                .chunks
                .get(i + 1)
                .filter(|more| block.packed.is_some() && cuts::joins::<M>(chunk, more));
            joined = more.is_some();
            let opens = stage.first && i == 0;
            let work = Work {
                p,
                block,
                chunk,
                opens,
                accumulate: !opens || (p.accumulate && !buffered),
                target,
                more,
                next: stage.chunks.get(i + 1),
                panel,
                a,
                more_a,
            };
            if chunk.special {
                work.run::<M>()
            } else {
                work.run::<M::Single>()
            }
            let ends = chunk.special && chunk.first + chunk.depth >= chunk.of.k;
            let stored = stage.last && i + 1 == stage.chunks.len();
            if let (true, false, Some(scales)) = (ends, stored, &p.scales) {
                let Target { data, stride } = target;
                // SAFETY: this task's sums.
                unsafe { finish::scale(p, scales, block.rows, block.columns, data, stride) };
            }
        }
        if buffered && stage.last {
            let last = stage.chunks.last().is_some_and(|chunk| chunk.special);
            let scales = p.scales.as_ref().filter(|_| last);
            let Target { data, stride } = target;
            // SAFETY: this task's part of C, and the sums behind it.
            unsafe { finish::store(p, scales, block.rows, block.columns, data, stride) };
        }
    });
}
