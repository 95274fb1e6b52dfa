//! How a product is cut: k into chunks, C into blocks that threads take one after another.
//!
//! All columns of B that fit are packed once, by all threads; then each task takes a block of rows, whose part of A
//! stays in the second-level cache, past them. Each number of C is summed along k, chunk by chunk, in an order
//! that depends on k alone: no cut into tasks, no number of rows and no size of a cache changes a bit.
//! After Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008).

use super::pack::{self, Matrix};
use super::panels::{self, GROUP, Packed};
use super::tile::{Micro, Tile};
use super::{caches, finish};
use crate::quantized::Quantized;
use crate::queue::{self, Shared};
use crate::{pool, scratch};

/// Words of B that are packed together, at most.
const PACKED: usize = 1 << 20;
/// Columns of a task whose sums wait in a buffer of their own: they stay in the second-level cache.
const SUMS: usize = 384;
/// Rows up to which B's rows are read where they lie: packing would cost more than it saves.
const FEW_ROWS: usize = 24;
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
    pub fn pairs(&self) -> bool {
        self.a.bf16 && matches!(self.b, Source::Floats(b) if b.bf16)
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
        let pairs = M::PAIRS && of.pairs();
        let special = pairs || matches!(of.b, Source::Codes(_));
        let depth = depth_of(of.k, if pairs { 2 * M::DEPTH } else { M::DEPTH });
        for first in (0..of.k.max(1)).step_by(depth) {
            let depth = depth.min(of.k - first);
            let words = if pairs { depth.div_ceil(2) } else { depth };
            chunks.push(Chunk { of, special, first, depth, words, before: 0 });
        }
    }
    chunks
}

fn stages<'p>(chunks: Vec<Chunk<'p>>, words: usize) -> Vec<Stage<'p>> {
    let mut stages: Vec<Stage> = Vec::new();
    for mut chunk in chunks {
        match stages.last_mut() {
            Some(stage) if stage.words + chunk.words <= words => {
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

pub fn run<M: Micro>(p: &Product) {
    let chunks = chunks::<M>(p);
    let (all, deepest) = (
        chunks.iter().map(|chunk| chunk.words).sum::<usize>().max(1),
        chunks.iter().map(|chunk| chunk.words).max().unwrap_or(0),
    );
    let buffered = p.buffered();
    // Few rows use each panel once: nothing is packed together. Else all of k at once where enough columns fit.
    let quantized = p.factors.iter().any(|of| matches!(of.b, Source::Quantized(_)));
    let fitting = if p.m <= FEW_ROWS && !quantized { usize::MAX } else { PACKED / all };
    let (width, depth) = if fitting >= p.n.min(512) {
        (fitting.min(p.n), all)
    } else {
        let most = if buffered { PACKED / p.m } else { PACKED };
        let width = p.n.min(1024).min(most.max(GROUP));
        (width, (PACKED / width).max(deepest))
    };
    let stages = stages(chunks, depth);
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
            };
            if block.rows.0 < block.rows.1 && block.columns.0 < block.columns.1 {
                task::<M>(p, stage, &block);
            }
        });
    });
}

/// What a task computes.
struct Block {
    rows: Range,
    columns: Range,
    /// The columns that are packed together with these.
    all: Range,
    packed: Option<Packed>,
    /// [m, all columns]
    sums: Option<Shared<f32>>,
}

/// A place in C, or in what stands for it.
#[derive(Clone, Copy)]
struct Target {
    data: *mut f32,
    stride: usize,
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
        if buffered && block.sums.is_none() { height * stride } else { 0 },
    ];
    scratch::with(sizes, |[panel, a, sums]| {
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
        for (i, chunk) in stage.chunks.iter().enumerate() {
            let opens = stage.first && i == 0;
            let work = Work {
                p,
                block,
                chunk,
                opens,
                accumulate: !opens || (p.accumulate && !buffered),
                target,
                next: stage.chunks.get(i + 1),
                panel,
                a,
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

/// A chunk of k for a task's block of C.
struct Work<'w, 'p> {
    p: &'w Product<'p>,
    block: &'w Block,
    chunk: &'w Chunk<'w>,
    /// Whether it is the first that writes C.
    opens: bool,
    accumulate: bool,
    target: Target,
    /// What is multiplied next.
    next: Option<&'w Chunk<'w>>,
    /// Room for `GROUP` packed columns of B, where none are shared.
    panel: *mut f32,
    /// Room for the packed rows of A.
    a: *mut f32,
}

/// A row stride of many cache lines makes rows fall into the same few places of a cache.
fn aliased(matrix: &Matrix) -> bool {
    (matrix.stride * if matrix.bf16 { 2 } else { 4 }).is_multiple_of(1024)
}

/// Where the words of a block of A are read.
struct Left {
    data: *const f32,
    stride: usize,
    in_columns: bool,
    /// Words of a packed strip, where strips lie one after the other.
    strip: usize,
}

impl Left {
    fn at(&self, index: usize, row: usize) -> *const f32 {
        self.data.wrapping_add(match (self.strip, self.in_columns) {
            (0, true) => row,
            (0, false) => row * self.stride,
            (strip, _) => index * strip,
        })
    }
}

impl Work<'_, '_> {
    fn run<M: Micro>(&self) {
        let Work { block, .. } = self;
        let (height, width) = (block.rows.1 - block.rows.0, block.columns.1 - block.columns.0);
        let left = self.left::<M>(height, width);
        let narrow = width <= M::LANES && !left.in_columns;
        let most = if narrow { M::NARROW_ROWS } else { M::ROWS };
        // A strip of A goes past a group of panels, so that it writes a row of C from one end to the other.
        let span = if M::PANEL_STAYS || block.packed.is_none() { GROUP } else { width };
        for from in (block.columns.0..block.columns.1).step_by(span) {
            let group = (from, (from + span).min(block.columns.1));
            self.pack::<M>(group, height);
            for (i, (top, rows)) in pack::strips_of(height, most).enumerate() {
                // Strip by strip, the next group comes nearer.
                let come = i * self.chunk.words.div_ceil(4) * 16;
                for column in (group.0..group.1).step_by(M::COLUMNS) {
                    let right = self.right::<M>(column, group.0, height);
                    let ahead = match self.after::<M>(column, span) {
                        Some(next) if come < self.chunk.words * M::COLUMNS => {
                            next.wrapping_add(come)
                        }
                        _ => right.0,
                    };
                    self.tile::<M>(left.at(i, top), &left, (top, rows), (right, ahead), column);
                }
            }
        }
    }

    /// What is multiplied a group after the panel of `column`, where it is packed already.
    fn after<M: Micro>(&self, column: usize, span: usize) -> Option<*const f32> {
        let (packed, columns) = (self.block.packed?, self.block.columns);
        let next = column + span;
        if next < columns.1 {
            return Some(packed.panel::<M>(self.chunk, next).cast_const());
        }
        // The next chunk begins with the first group.
        let first = columns.0 + (column - columns.0) % span;
        Some(packed.panel::<M>(self.next?, first).cast_const())
    }

    fn left<M: Micro>(&self, height: usize, width: usize) -> Left {
        let Chunk { of, first, depth, words, .. } = *self.chunk;
        let row = self.block.rows.0;
        let as_it_is = if M::PAIRS { of.k.is_multiple_of(2) } else { !of.a.bf16 };
        if of.trans_a && as_it_is && !M::PAIRS && height <= FEW_ROWS {
            let data = of.a.at(first, row).cast();
            return Left { data, stride: of.a.stride, in_columns: true, strip: 0 };
        }
        // Words that lie side by side cost the tiles fewer instructions than copying them does.
        let strips = of.trans_a || (M::PANEL_STAYS && width >= 6 * M::COLUMNS);
        if !strips && as_it_is && !(aliased(&of.a) && width > 2 * M::COLUMNS) {
            let stride = if M::PAIRS { of.a.stride / 2 } else { of.a.stride };
            let data = of.a.at(row, first).cast();
            return Left { data, stride, in_columns: false, strip: 0 };
        }
        let stride = words.next_multiple_of(16) + 16;
        let from = pack::Block {
            from: &of.a,
            transposed: of.trans_a,
            first,
            depth,
            row,
            rows: height,
            stride,
        };
        // SAFETY: `M` was chosen by `isa()`; the scratch has room for the rows.
        unsafe {
            if strips {
                M::pack_strips(&from, self.a);
                let strip = words * M::ROWS;
                Left { data: self.a, stride: M::ROWS, in_columns: true, strip }
            } else {
                M::pack_block(&from, self.a);
                Left { data: self.a, stride, in_columns: false, strip: 0 }
            }
        }
    }

    /// The right operand where its stored rows are read as they lie: once, or in different places of the cache.
    fn in_place<M: Micro>(&self, height: usize) -> Option<Matrix> {
        match self.chunk.of.b {
            Source::Floats(b) if !self.chunk.of.trans_b && !b.bf16 => {
                (height <= M::ROWS || height <= FEW_ROWS && !aliased(&b)).then_some(b)
            }
            _ => None,
        }
    }

    /// Packs what no thread has packed, and what is not read as it lies, of a group of columns.
    fn pack<M: Micro>(&self, group: Range, height: usize) {
        if self.block.packed.is_some() {
            return;
        }
        let whole = group.0 + (group.1 - group.0) / M::COLUMNS * M::COLUMNS;
        let from = if self.in_place::<M>(height).is_some() { whole } else { group.0 };
        if from < group.1 {
            let at = |column| self.packed_here::<M>(column, group.0);
            panels::pack_panels::<M>(self.chunk, (from, group.1), at);
        }
    }

    fn packed_here<M: Micro>(&self, column: usize, group: usize) -> *mut f32 {
        self.panel.wrapping_add((column - group) / M::COLUMNS * self.chunk.words * M::COLUMNS)
    }

    /// A panel of B in the group that begins at a column, and the words from one of its rows to the next.
    fn right<M: Micro>(&self, column: usize, group: usize, height: usize) -> (*const f32, usize) {
        if let Some(packed) = self.block.packed {
            return (packed.panel::<M>(self.chunk, column).cast_const(), M::COLUMNS);
        }
        match self.in_place::<M>(height) {
            Some(b) if self.block.columns.1 - column >= M::COLUMNS => {
                (b.at(self.chunk.first, column).cast(), b.stride)
            }
            _ => (self.packed_here::<M>(column, group).cast_const(), M::COLUMNS),
        }
    }

    fn tile<M: Micro>(
        &self,
        a: *const f32,
        left: &Left,
        (top, rows): (usize, usize),
        ((b, b_stride), ahead): ((*const f32, usize), *const f32),
        column: usize,
    ) {
        let Work { p, block, chunk, target, .. } = self;
        let at = top * target.stride + column - block.columns.0;
        let tile = Tile {
            depth: chunk.words,
            a,
            a_stride: left.stride,
            b,
            b_stride,
            c: target.data.wrapping_add(at),
            c_stride: target.stride,
            alpha: chunk.of.alpha,
            accumulate: self.accumulate,
            bias: match &p.bias {
                Some(bias) if self.opens && p.scales.is_none() => bias[column..].as_ptr(),
                _ => std::ptr::null(),
            },
            columns: M::COLUMNS.min(block.columns.1 - column),
            ahead,
        };
        // SAFETY: `M` was chosen by `isa()`; all parts lie inside the operands, whose lengths were checked.
        unsafe { M::tile(rows, left.in_columns, &tile) };
    }
}
