//! The panels of B that a product reads: packed from floats, codes or quantized rows, each to its place.

use super::codes;
use super::cuts::{Chunk, Range};
use super::pack::{self, Matrix};
use super::product::{Factors, Source};
use super::tile::Micro;
use crate::convert::encode_bf16;
use crate::quantized::Quantized;
use crate::queue::Shared;
use crate::scratch;

/// Columns that are packed at a time.
pub const GROUP: usize = 128;

/// A stage's panels of a range of columns, packed for all threads.
#[derive(Clone, Copy)]
pub struct Packed {
    pub data: Shared<f32>,
    pub columns: Range,
}

impl Packed {
    /// Where the panel of a column lies, which is the first of a panel.
    pub fn panel<M: Micro>(self, chunk: &Chunk, column: usize) -> *mut f32 {
        let panels = (self.columns.1 - self.columns.0).div_ceil(M::COLUMNS);
        let panel = (column - self.columns.0) / M::COLUMNS;
        self.data.get().wrapping_add((chunk.before * panels + panel * chunk.words) * M::COLUMNS)
    }
}

/// What one thread packs at a time.
pub struct PackGroup<'s, 'p> {
    chunks: &'s [Chunk<'p>],
    columns: Range,
}

/// Cuts the columns of a stage's chunks into what threads pack one after another.
pub fn groups<'s, 'p, M: Micro>(chunks: &'s [Chunk<'p>], columns: Range) -> Vec<PackGroup<'s, 'p>> {
    let mut groups = Vec::new();
    for chunks in chunks.chunk_by(|a, b| std::ptr::eq(a.of, b.of)) {
        let Factors { b, trans_b, .. } = chunks[0].of;
        // Stored rows are columns: they are read from one end to the other.
        let (size, chunks) = match (trans_b, b) {
            (true, _) => (2 * M::COLUMNS, vec![chunks]),
            (false, Source::Floats(_) | Source::Codes(_)) => (GROUP, chunks.chunks(1).collect()),
            (false, Source::Quantized(b)) => (GROUP.max(b.block()), chunks.chunks(1).collect()),
        };
        for chunks in chunks {
            let start = columns.0 / size * size;
            for first in (start..columns.1).step_by(size) {
                let columns = (first.max(columns.0), (first + size).min(columns.1));
                groups.push(PackGroup { chunks, columns });
            }
        }
    }
    groups
}

pub fn pack_group<M: Micro>(group: &PackGroup, packed: Packed) {
    let at = |chunk: &Chunk, column: usize| packed.panel::<M>(chunk, column);
    match group.chunks[0].of.b {
        Source::Quantized(b) if group.chunks[0].of.trans_b => pack_rows::<M>(group, b, &at),
        Source::Quantized(b) => pack_columns::<M>(group, b, &at),
        Source::Floats(_) | Source::Codes(_) => {
            for chunk in group.chunks {
                pack_panels::<M>(chunk, group.columns, |column| at(chunk, column));
            }
        }
    }
}

/// Packs the panels of some columns, each to where `at` says.
pub fn pack_panels<M: Micro>(chunk: &Chunk, columns: Range, at: impl Fn(usize) -> *mut f32) {
    // Of stored rows of columns, some at a time: the panels' parts of a row lie side by side.
    let span = if chunk.of.trans_b { chunk.words.max(1) } else { M::WORDS.max(16) };
    for first in (0..chunk.words).step_by(span) {
        let words = (first, (first + span).min(chunk.words));
        for column in (columns.0..columns.1).step_by(M::COLUMNS) {
            let present = M::COLUMNS.min(columns.1 - column);
            let to = at(column).wrapping_add(first * M::COLUMNS);
            pack_panel::<M>(chunk, words, (column, present), to);
        }
    }
}

/// Numbers that a chunk's words before `words` stand for.
fn numbers<M: Micro>(chunk: &Chunk, words: usize) -> usize {
    if chunk.special { words * M::NUMBERS / M::WORDS } else { words }
}

/// Words that packing `depth` numbers writes: those beyond them are zeros that nothing wrote.
fn packed_words<M: Micro>(chunk: &Chunk, depth: usize) -> usize {
    match (chunk.special, M::THIRDS, M::PAIRS) {
        (true, true, _) => M::words(depth),
        (true, false, true) => depth.div_ceil(2),
        _ => depth,
    }
}

/// Packs words `from .. to` along k of a panel.
fn pack_panel<M: Micro>(
    chunk: &Chunk,
    words: Range,
    (column, columns): (usize, usize),
    to: *mut f32,
) {
    let first = numbers::<M>(chunk, words.0);
    let depth = numbers::<M>(chunk, words.1).min(chunk.depth) - first;
    let there = packed_words::<M>(chunk, depth);
    // SAFETY: the caller's buffer has room for all words.
    unsafe {
        let rest = to.add(there * M::COLUMNS);
        std::ptr::write_bytes(rest, 0, (words.1 - words.0 - there) * M::COLUMNS);
    }
    let from = match chunk.of.b {
        Source::Floats(b) => b,
        Source::Quantized(_) => unreachable!("quantized panels are packed together"),
        Source::Codes(codes) => {
            let panel = codes::Panel {
                codes: &codes,
                transposed: chunk.of.trans_b,
                first: chunk.first + words.0,
                words: there,
                column,
                columns,
                width: M::COLUMNS,
            };
            // SAFETY: the caller's buffer has room for a panel.
            return unsafe { codes::panel::<M>(&panel, to) };
        }
    };
    let panel = pack::Panel {
        from: &from,
        transposed: chunk.of.trans_b,
        first: chunk.first + first,
        depth,
        column,
        columns,
        width: M::COLUMNS,
    };
    // SAFETY: `M` was chosen by `isa()`; the caller's buffer has room for a panel.
    unsafe {
        if chunk.special { M::pack_panel(&panel, to) } else { M::Single::pack_panel(&panel, to) }
    }
}

/// Decoded numbers beside an A of bf16 are rounded to it, as bitsandbytes has them in the type that it computes in.
struct Decoded {
    numbers: *mut f32,
    rounded: Option<*mut u16>,
    stride: usize,
}

impl Decoded {
    /// `count` numbers of a stored row, to a row of these.
    ///
    /// # Safety
    /// Whole blocks of the row; there is room for them.
    unsafe fn row(&self, b: &Quantized, stored: usize, first: usize, count: usize, row: usize) {
        // SAFETY: the caller's.
        unsafe {
            let numbers = self.numbers.add(row * self.stride);
            b.decode(stored, first, count, numbers);
            if let Some(rounded) = self.rounded {
                let rounded = rounded.add(row * self.stride);
                let rounded = std::slice::from_raw_parts_mut(rounded, count);
                encode_bf16(std::slice::from_raw_parts(numbers, count), rounded);
            }
        }
    }

    fn matrix(&self) -> Matrix {
        match self.rounded {
            Some(rounded) => Matrix { data: rounded.cast(), bf16: true, stride: self.stride },
            None => Matrix { data: self.numbers.cast(), bf16: false, stride: self.stride },
        }
    }
}

/// Room for `rows` decoded rows of `stride` numbers.
fn with_decoded(chunk: &Chunk, rows: usize, stride: usize, work: impl FnOnce(Decoded)) {
    let count = rows * stride;
    let halves = if chunk.of.a.bf16 { count.div_ceil(2) } else { 0 };
    scratch::with([count, halves], |[numbers, halves]| {
        let rounded = chunk.of.a.bf16.then_some(halves.cast());
        work(Decoded { numbers, rounded, stride });
    });
}

/// Packs a panel of decoded numbers as the words that the chunk has; the words that it has beyond them are zeros.
fn pack_decoded<M: Micro>(chunk: &Chunk, panel: &pack::Panel, before: usize, to: *mut f32) {
    let first = packed_words::<M>(chunk, before);
    let to = to.wrapping_add(first * M::COLUMNS);
    // SAFETY: as in `pack_panel`.
    unsafe {
        if chunk.special {
            M::pack_panel(panel, to)
        } else {
            M::Single::pack_panel(panel, to)
        }
        if before + panel.depth == chunk.depth {
            let there = packed_words::<M>(chunk, panel.depth);
            let rest = to.add(there * M::COLUMNS);
            std::ptr::write_bytes(rest, 0, (chunk.words - first - there) * M::COLUMNS);
        }
    }
}

/// Rows of a quantized matrix, as columns: whole blocks are decoded, and written where their chunks have them.
fn pack_rows<M: Micro>(group: &PackGroup, b: &Quantized, at: &impl Fn(&Chunk, usize) -> *mut f32) {
    let (first, last) = (&group.chunks[0], &group.chunks[group.chunks.len() - 1]);
    let end = last.first + last.depth;
    let window = b.block().max(256);
    with_decoded(first, M::COLUMNS, window, |decoded| {
        for column in (group.columns.0..group.columns.1).step_by(M::COLUMNS) {
            let present = M::COLUMNS.min(group.columns.1 - column);
            for start in (first.first / window * window..end).step_by(window) {
                let count = window.min(b.columns - start);
                for row in 0..present {
                    // SAFETY: whole blocks of a row; the scratch has room for them.
                    unsafe { decoded.row(b, column + row, start, count, row) };
                }
                let from = decoded.matrix();
                for chunk in group.chunks {
                    let low = start.max(chunk.first);
                    let high = (start + count).min(chunk.first + chunk.depth);
                    if low >= high {
                        continue;
                    }
                    let panel = pack::Panel {
                        from: &from,
                        transposed: true,
                        first: low - start,
                        depth: high - low,
                        column: 0,
                        columns: present,
                        width: M::COLUMNS,
                    };
                    pack_decoded::<M>(chunk, &panel, low - chunk.first, at(chunk, column));
                }
            }
        }
    });
}

/// Columns of a quantized matrix: a range of whole blocks of each stored row, over several panels.
fn pack_columns<M: Micro>(
    group: &PackGroup,
    b: &Quantized,
    at: &impl Fn(&Chunk, usize) -> *mut f32,
) {
    let block = b.block();
    let start = group.columns.0 / block * block;
    let count = (group.columns.1.next_multiple_of(block)).min(b.columns) - start;
    let chunk = &group.chunks[0];
    /// Stored rows that are decoded before they are copied.
    const ROWS: usize = 32;
    with_decoded(chunk, ROWS, count, |decoded| {
        let from = decoded.matrix();
        for k in (0..chunk.depth).step_by(ROWS) {
            let rows = ROWS.min(chunk.depth - k);
            for row in 0..rows {
                // SAFETY: whole blocks of a row; the scratch has room for them.
                unsafe { decoded.row(b, chunk.first + k + row, start, count, row) };
            }
            for column in (group.columns.0..group.columns.1).step_by(M::COLUMNS) {
                let panel = pack::Panel {
                    from: &from,
                    transposed: false,
                    first: 0,
                    depth: rows,
                    column: column - start,
                    columns: M::COLUMNS.min(group.columns.1 - column),
                    width: M::COLUMNS,
                };
                pack_decoded::<M>(chunk, &panel, k, at(chunk, column));
            }
        }
    });
}
