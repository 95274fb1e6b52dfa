//! How a product is cut: k into chunks and stages, C into blocks that threads take one after another.
//!
//! Each number of C is summed along k, chunk by chunk, in an order that depends on k alone: no cut into tasks, no number of rows
//! and no size of a cache changes a bit.

use super::caches;
use super::product::{Factors, Product};
use super::tile::Micro;
use super::work::FEW_ROWS;
use crate::pool;

/// Columns of a task whose sums wait in a buffer of their own: they stay in the second-level cache.
const SUMS: usize = 384;
/// Multiply-adds below which waking a second thread costs more than it saves.
pub const SMALL: usize = 100_000;

/// A range of rows or columns.
pub type Range = (usize, usize);

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
pub struct Stage<'p> {
    pub chunks: Vec<Chunk<'p>>,
    pub words: usize,
    pub first: bool,
    pub last: bool,
}

/// Part `i` of `parts` equal ones of `count` units.
pub fn part(i: usize, parts: usize, count: usize, unit: usize, end: usize) -> Range {
    (i * count / parts * unit, ((i + 1) * count / parts * unit).min(end))
}

/// Equal chunks of k of at most `most`, whole cache lines and whole words but for the last.
fn depth_of(k: usize, most: usize, numbers: usize) -> usize {
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(numbers.max(16)).max(1)
}

pub fn chunks<'p, M: Micro>(p: &'p Product) -> Vec<Chunk<'p>> {
    let mut chunks = Vec::new();
    for of in &p.factors {
        let special = p.special::<M>(of);
        let (numbers, most) = if special {
            (M::NUMBERS, M::DEPTH / M::WORDS * M::NUMBERS)
        } else {
            (1, M::Single::DEPTH)
        };
        let depth = depth_of(of.k, most, numbers);
        for first in (0..of.k.max(1)).step_by(depth) {
            let depth = depth.min(of.k - first);
            let words = if special { M::words(depth) } else { depth };
            chunks.push(Chunk { of, special, first, depth, words, before: 0 });
        }
    }
    chunks
}

/// Chunks of at most `words` together, and what joins the last one.
pub fn stages<'p, M: Micro>(chunks: Vec<Chunk<'p>>, words: usize) -> Vec<Stage<'p>> {
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

/// Words of a chunk that is summed in one go with the one before it, at most: a task has room for so many of each row.
pub const JOINED: usize = 192;

/// Whether a low-rank update goes on with a weight's sums, before they are stored: later it would as well, with the same bits.
pub fn joins<M: Micro>(chunk: &Chunk, more: &Chunk) -> bool {
    M::BY_REGISTERS
        && chunk.special
        && more.special
        && more.depth == more.of.k
        && more.words <= JOINED
        && chunk.of.alpha == 1.0
        && more.of.alpha == 1.0
}

/// How the columns that are packed together, and the rows, are cut into tasks.
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    pub fn new<M: Micro>(p: &Product, width: usize, depth: usize, buffered: bool) -> Grid {
        let threads = pool::threads() as usize;
        let (panels, cache) = (width.div_ceil(M::COLUMNS), caches::second_level() / 4);
        // What stays in the second-level cache: rows of A have a quarter of it, or panels of B half.
        let (most_rows, most_panels) = if M::PANELS_STAY {
            ((cache / 4 / depth.max(1)).clamp(24, 192), usize::MAX)
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
pub struct Apart {
    pub grid: Grid,
    /// Columns that a thread packs at a time.
    pub columns: usize,
    /// Words along k of a stage, at most.
    pub words: usize,
}

/// Where a packed panel streams past rows of A anyway, to pack it costs less than to fetch what another core has just
/// written. None where what is packed at a time would be packed too often.
pub fn apart<M: Micro>(p: &Product, all: usize, deepest: usize, quantized: bool) -> Option<Apart> {
    let threads = pool::threads() as usize;
    let panels = p.n.div_ceil(M::COLUMNS);
    if M::PANELS_STAY || p.m <= FEW_ROWS {
        return None;
    }
    let room = caches::second_level() / 4 / M::COLUMNS;
    let most_panels = room * 2 / 5 / all;
    // Blocks of a quantized matrix are expanded once, for all rows and all of k.
    if most_panels < panels.min(if quantized { 3 } else { M::LEAST_PANELS }) {
        // Not all of k, then, but more columns, so that rows of A are read less often. Three times the words want more of
        // the cache for A and C beside them.
        let most = room * if M::THIRDS { 3 } else { 5 } / 8;
        let own = panels.div_ceil(threads);
        let own = own.div_ceil(own.div_ceil((most / deepest).max(1)));
        let grid = Grid { rows: 1, columns: panels.div_ceil(own) };
        let (chunks, fitting) = (all.div_ceil(deepest), (most / own / deepest).max(1));
        let words = chunks.div_ceil(chunks.div_ceil(fitting)) * deepest;
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
