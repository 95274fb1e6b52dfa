//! How a product is cut: k into chunks, C into blocks that threads take one after another.
//!
//! All columns of B that fit are packed once, by all threads; then each task takes a block of rows, whose part of A
//! stays in the second-level cache, past them. Each number of C is summed along k, chunk by chunk, in an order
//! that depends on k alone: no cut into tasks, no number of rows and no size of a cache changes a bit.
//! After Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).

use super::pack::Matrix;
use super::panels::{self, GROUP, Packed};
use super::tile::Micro;
use super::work::{Block, FEW_ROWS, Target, Work};
use super::{caches, finish};
use crate::quantized::Quantized;
use crate::queue::{self, Shared};
use crate::{pool, scratch};

/// Words of B that are packed together, at most.
const PACKED: usize = 1 << 20;
/// Columns of a task whose sums wait in a buffer of their own: they stay in the second-level cache.
const SUMS: usize = 384;
/// Multiply-adds below which waking a second thread costs more than it saves.
const SMALL: usize = 100_000;

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
    pub bias: Option<Vec<f32>>,
    /// What the sums of codes stand for.
    pub scales: Option<Scales<'a>>,
}

/// A sum of codes is number · rows[row] · columns[column].
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

    /// Whether sums wait in a buffer of their own until they are what C stores.
    fn buffered(&self) -> bool {
        self.c_bf16 || self.c_transposed || self.scales.is_some()
    }
}

/// A range of k.
pub struct Chunk<'p> {
    pub of: &'p Factors<'p>,
    /// Whether the words are what the instruction set multiplies best here, or plain f32.
    pub special: bool,
    pub first: usize,
    pub depth: usize,
    pub words: usize,
    /// Words of a packed column before it, in its stage.
    pub before: usize,
}

impl Chunk<'_> {
    /// Whether bf16 of B is multiplied where it lies.
    pub fn in_halves(&self) -> bool {
        self.of.trans_a && !self.special
    }
}

/// Chunks whose parts of B are packed together.
struct Stage<'p> {
    chunks: Vec<Chunk<'p>>,
    words: usize,
    first: bool,
    last: bool,
}

/// A range of rows or columns.
pub type Range = (usize, usize);

/// Part `i` of `parts` equal ones of `count` units.
fn part(i: usize, parts: usize, count: usize, unit: usize, end: usize) -> Range {
    (i * count / parts * unit, ((i + 1) * count / parts * unit).min(end))
}

/// Equal chunks of k of at most `most`, whole cache lines but for the last.
fn depth_of(k: usize, most: usize) -> usize {
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(16).max(1)
}

fn chunks<'p, M: Micro>(p: &'p Product) -> Vec<Chunk<'p>> {
    let mut chunks = Vec::new();
    for of in &p.factors {
        let pairs = M::PAIRS && p.pairs(of);
        let special = pairs || matches!(of.b, Source::Codes(_));
        let most = match (pairs, special) {
            (true, _) => 2 * M::DEPTH,
            (false, true) => M::DEPTH,
            (false, false) => M::Single::DEPTH,
        };
        let depth = depth_of(of.k, most);
        for first in (0..of.k.max(1)).step_by(depth) {
            let depth = depth.min(of.k - first);
            let words = if pairs { depth.div_ceil(2) } else { depth };
            let unit = if special && M::BY_REGISTERS { M::LANES } else { 1 };
            let words = words.next_multiple_of(unit);
            chunks.push(Chunk { of, special, first, depth, words, before: 0 });
        }
    }
    chunks
}

/// Chunks of at most `words` together, and what joins the last one.
fn stages<'p, M: Micro>(chunks: Vec<Chunk<'p>>, words: usize) -> Vec<Stage<'p>> {
    let mut stages: Vec<Stage> = Vec::new();
    for mut chunk in chunks {
        match stages.last_mut() {
            Some(stage)
                if stage.words + chunk.words <= words
                    || stage.chunks.last().is_some_and(|last| joins::<M>(last, &chunk)) =>
            {
                chunk.before = stage.words;
                stage.words += chunk.words;
                stage.chunks.push(chunk);
            }
            _ => {
                let words = chunk.words;
                stages.push(Stage { chunks: vec![chunk], words, first: false, last: false });
            }
        }
    }
    if let Some(stage) = stages.first_mut() {
        stage.first = true;
    }
    if let Some(stage) = stages.last_mut() {
        stage.last = true;
    }
    stages
}

/// How the columns that are packed together, and the rows, are cut into tasks.
struct Grid {
    rows: usize,
    columns: usize,
}

impl Grid {
    fn new<M: Micro>(p: &Product, width: usize, depth: usize, buffered: bool) -> Grid {
        let threads = pool::threads() as usize;
        let (panels, cache) = (width.div_ceil(M::COLUMNS), caches::second_level() / 4);
        // What stays in the second-level cache has a quarter of it: rows of A, or panels of B.
        let (most_rows, most_panels) = if M::PANEL_STAYS {
            ((cache * 2 / 3 / 4 / depth.max(1)).clamp(24, 192), usize::MAX)
        } else {
            (480, (cache / 2 / (depth.max(1) * M::COLUMNS)).max(1))
        };
        let most_panels = if buffered { most_panels.min(SUMS / M::COLUMNS) } else { most_panels };
        let mut grid =
            Grid { rows: p.m.div_ceil(most_rows), columns: panels.div_ceil(most_panels) };
        if p.m * width * depth.max(16) < SMALL {
            return grid;
        }
        let strips = p.m.div_ceil(M::ROWS);
        if grid.rows > 1 {
            grid.rows = grid.rows.next_multiple_of(threads).min(strips.div_ceil(4));
        }
        // Tasks should outnumber the threads.
        while grid.rows * grid.columns < 2 * threads {
            let (strips, panels) = (strips / grid.rows, panels / grid.columns);
            if panels >= 2 && (grid.rows == 1 || panels * M::COLUMNS >= strips * M::ROWS) {
                grid.columns *= 2;
            } else if strips >= 8 {
                grid.rows *= 2;
            } else {
                break;
            }
        }
        grid
    }
}

/// How a product is cut where each thread packs what it multiplies.
struct Apart {
    grid: Grid,
    /// Columns that a thread packs at a time.
    columns: usize,
    /// Words along k of a stage, at most.
    words: usize,
}

/// Where a packed panel streams past rows of A anyway, to pack it costs less than to fetch what another core has just
/// written. None where what is packed at a time would be packed too often.
fn apart<M: Micro>(p: &Product, all: usize, deepest: usize, quantized: bool) -> Option<Apart> {
    let threads = pool::threads() as usize;
    let panels = p.n.div_ceil(M::COLUMNS);
    if M::PANEL_STAYS || p.m <= FEW_ROWS {
        return None;
    }
    let room = caches::second_level() / 4 / M::COLUMNS;
    let most_panels = room * 2 / 5 / all;
    if most_panels < panels.min(if quantized { 3 } else { M::LEAST_PANELS }) {
        // Not all of k, then, but more columns, so that rows of A are read less often.
        let most = room * 5 / 8;
        let own = panels.div_ceil(threads);
        let own = own.div_ceil(own.div_ceil((most / deepest).max(1)));
        let grid = Grid { rows: 1, columns: panels.div_ceil(own) };
        let words = (most / own).max(deepest);
        return (!quantized).then_some(Apart { grid, columns: own * M::COLUMNS, words });
    }
    let tasks = if p.m * p.n * all.max(16) < SMALL { 1 } else { 4 * threads };
    // What a task packs should serve many rows, and the rows of A that it reads many columns.
    let columns = match (panels / M::LEAST_PANELS).clamp(1, tasks) {
        several if several > threads => several / threads * threads,
        few => few,
    };
    let rows = if columns == 1 {
        tasks.min(p.m.div_ceil(M::LEAST_ROWS))
    } else {
        threads.div_ceil(columns)
    };
    if quantized && rows > 1 {
        return None;
    }
    let grid = Grid { rows, columns };
    Some(Apart { grid, columns: most_panels * M::COLUMNS, words: usize::MAX })
}

fn run_apart<M: Micro>(p: &Product, stages: &[Stage], Apart { grid, columns: most, .. }: &Apart) {
    let (strips, panels) = (p.m.div_ceil(M::ROWS), p.n.div_ceil(M::COLUMNS));
    let deepest = stages.iter().map(|stage| stage.words).max().unwrap_or(0);
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
                deepest * panels * M::COLUMNS,
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
                            // Of parts of rows, what is copied comes by itself.
                            ahead: stage
                                .chunks
                                .first()
                                .filter(|_| stage.first && stage.last)
                                .and_then(|chunk| {
                                    chunk.of.rows_of_a(end, (end + M::ROWS).min(rows.1))
                                }),
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
    let chunks = chunks::<M>(p);
    let (all, deepest) = (
        chunks.iter().map(|chunk| chunk.words).sum::<usize>().max(1),
        chunks.iter().map(|chunk| chunk.words).max().unwrap_or(0),
    );
    let buffered = p.buffered();
    // Few rows use each panel once: nothing is packed together. Else all of k at once where enough columns fit.
    let quantized = p.factors.iter().any(|of| matches!(of.b, Source::Quantized(_)));
    if let Some(apart) = apart::<M>(p, all, deepest, quantized) {
        return run_apart::<M>(p, &stages::<M>(chunks, apart.words), &apart);
    }
    let fitting = if p.m <= FEW_ROWS && !quantized { usize::MAX } else { PACKED / all };
    let (width, depth) = if fitting >= p.n.min(512) {
        (fitting.min(p.n), all)
    } else {
        let most = if buffered { PACKED / p.m } else { PACKED };
        let width = p.n.min(1024).min(most.max(GROUP));
        (width, (PACKED / width).max(deepest))
    };
    let stages = stages::<M>(chunks, depth);
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

/// Words of a chunk that is summed in one go with the one before it, at most: one register's, whose products AMX sums before it
/// adds them to others. So it gives the bits that a pass of its own gives.
const JOINED: usize = 16;

/// Whether a low-rank update is summed beside a weight: one that is a single chunk. Beside the last of several it would be added to
/// that one's sums first.
fn joins<M: Micro>(chunk: &Chunk, more: &Chunk) -> bool {
    M::BY_REGISTERS
        && chunk.depth == chunk.of.k
        && chunk.special
        && more.special
        && more.words <= JOINED
        && chunk.of.alpha == more.of.alpha
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
        if M::BY_REGISTERS { height * (JOINED.next_multiple_of(16) + 16) } else { 0 },
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
                .filter(|more| block.packed.is_some() && joins::<M>(chunk, more));
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
