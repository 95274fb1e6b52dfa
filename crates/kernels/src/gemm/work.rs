//! One chunk of k for one block of C: where its operands are read or packed, and tile after tile of the block.

use super::cuts::{Chunk, Range};
use super::pack::{self, Matrix};
use super::panels::{self, GROUP, Packed};
use super::product::{Product, Source};
use super::tile::{Micro, Part, Tile};
use crate::queue::Shared;

/// Rows up to which B's rows are read where they lie: packing would cost more than it saves.
pub const FEW_ROWS: usize = 24;

/// What a task computes.
pub struct Block {
    pub rows: Range,
    pub columns: Range,
    /// The columns that are packed together with these.
    pub all: Range,
    pub packed: Option<Packed>,
    /// [m, all columns]
    pub sums: Option<Shared<f32>>,
    /// What is read after the block, and its bytes.
    pub ahead: Option<(*const u8, usize)>,
}

/// A place in C, or in what stands for it.
#[derive(Clone, Copy)]
pub struct Target {
    pub data: *mut f32,
    pub stride: usize,
}

/// A chunk of k for a task's block of C.
pub struct Work<'w, 'p> {
    pub p: &'w Product<'p>,
    pub block: &'w Block,
    pub chunk: &'w Chunk<'w>,
    /// Whether it is the first that writes C.
    pub opens: bool,
    pub accumulate: bool,
    pub target: Target,
    /// What is added to the same sums.
    pub more: Option<&'w Chunk<'w>>,
    /// What is multiplied next.
    pub next: Option<&'w Chunk<'w>>,
    /// Room for `GROUP` packed columns of B, where none are shared.
    pub panel: *mut f32,
    /// Room for the packed rows of A.
    pub a: *mut f32,
    /// The same of `more`.
    pub more_a: *mut f32,
}

/// A row stride of many cache lines makes rows fall into the same few places of a cache.
fn aliased<M: Micro>(matrix: &Matrix) -> bool {
    (matrix.stride * if matrix.bf16 { 2 } else { 4 }).is_multiple_of(M::ALIASES)
}

/// Where strip `i` of `height` rows begins, and its rows.
fn strip<M: Micro>(i: usize, height: usize, most: usize) -> Range {
    if M::BY_REGISTERS {
        return (i * most, most.min(height - i * most));
    }
    pack::strip_of(i, height, most)
}

/// Where the words of a block of A are read.
struct Left {
    data: *const f32,
    stride: usize,
    in_columns: bool,
    /// Words of a packed strip, where strips lie one after the other.
    strip: usize,
}

/// Where the words of a panel of B are read.
struct Right {
    data: *const f32,
    /// Numbers from one row to the next.
    stride: usize,
    /// From one panel to the next.
    step: usize,
    /// The column where those end that lie so.
    end: usize,
    /// Whether they are bf16.
    halves: bool,
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
    pub fn run<M: Micro>(&self) {
        let Work { block, .. } = self;
        let (height, width) = (block.rows.1 - block.rows.0, block.columns.1 - block.columns.0);
        let left = self.left::<M>(self.chunk, self.a, height, width);
        let more = self.more.map(|more| (more, self.left::<M>(more, self.more_a, height, width)));
        let narrow = width <= M::LANES && !left.in_columns;
        let most = if narrow { M::NARROW_ROWS } else { M::ROWS };
        // Panels that nobody has packed are packed a group at a time, and a group stays in the second-level cache.
        let span = if M::PANELS_STAY || block.packed.is_none() { GROUP } else { width };
        let in_place = self.in_place::<M>(height);
        for from in (block.columns.0..block.columns.1).step_by(span) {
            let group = (from, (from + span).min(block.columns.1));
            self.pack::<M>(group, in_place.is_some());
            // A strip of A goes past the panels, so that it writes a row of C from one end to the other.
            for i in 0..height.div_ceil(most) {
                let (top, rows) = strip::<M>(i, height, most);
                let mut column = group.0;
                while column < group.1 {
                    let right = self.right::<M>(column, from, in_place);
                    let end = if M::PANELS_STAY { right.end } else { column + M::COLUMNS };
                    let columns = (column, end.min(group.1));
                    let ahead = match block.ahead {
                        Some((next, bytes)) => {
                            let come = self.come::<M>(column);
                            (come < bytes).then(|| next.wrapping_add(come).cast())
                        }
                        None => self.after::<M>(column, span, i),
                    };
                    let more = more
                        .as_ref()
                        .map(|(chunk, left)| self.part::<M>(chunk, left, (i, top), column));
                    let a = (left.at(i, top), left.stride);
                    let ahead = ahead.unwrap_or(right.data);
                    let tile = Tile { more, ahead, ..self.tile(a, &right, top, columns) };
                    // SAFETY: `M` was chosen by `isa()`; all parts lie inside the operands, whose lengths were checked.
                    unsafe { M::tile(rows, left.in_columns, &tile) };
                    column = columns.1;
                }
            }
        }
    }

    /// What comes nearer while strip `i` goes past the panels from `column` on: its share of those that come a span later,
    /// where they are packed already.
    fn after<M: Micro>(&self, column: usize, span: usize, i: usize) -> Option<*const f32> {
        let (packed, columns) = (self.block.packed?, self.block.columns);
        let come = i * self.chunk.words.div_ceil(M::AHEAD) * 16;
        if come >= self.chunk.words * M::COLUMNS {
            return None;
        }
        let panel = match column + span {
            next if next < columns.1 => packed.panel::<M>(self.chunk, next),
            // The next chunk begins with the first columns.
            _ => packed.panel::<M>(self.next?, columns.0 + (column - columns.0) % span),
        };
        Some(panel.wrapping_add(come).cast_const())
    }

    /// Bytes of what is read after the block that earlier tiles have had come.
    fn come<M: Micro>(&self, column: usize) -> usize {
        let (first, end) = self.block.columns;
        let panels = (end - first).div_ceil(M::COLUMNS);
        let words = self.chunk.before * panels + (column - first) / M::COLUMNS * self.chunk.words;
        words / M::AHEAD * 64
    }

    fn left<M: Micro>(&self, chunk: &Chunk, a: *mut f32, height: usize, width: usize) -> Left {
        let Chunk { of, first, depth, words, .. } = *chunk;
        let row = self.block.rows.0;
        if self.p.in_words {
            let data = of.a.at(row, M::words(first) * M::ROWS).cast();
            return Left { data, stride: of.a.stride, in_columns: false, strip: 0 };
        }
        // Rows of codes have room up to whole registers, and what is there counts for nothing.
        let whole = !M::BY_REGISTERS || M::CODES > 0 || depth.is_multiple_of(M::NUMBERS);
        let as_it_is = whole
            && match (M::PAIRS, M::THIRDS) {
                (_, true) => false,
                (true, _) => of.k.is_multiple_of(2),
                (false, _) => !of.a.bf16,
            };
        if of.trans_a && as_it_is && !M::PAIRS && self.p.m <= FEW_ROWS {
            let data = of.a.at(first, row).cast();
            return Left { data, stride: of.a.stride, in_columns: true, strip: 0 };
        }
        // Words that lie side by side cost the tiles fewer instructions than copying them does.
        let strips =
            !M::BY_REGISTERS && (of.trans_a || (M::PANELS_STAY && width >= 6 * M::COLUMNS));
        let fits = !aliased::<M>(&of.a) || width <= 2 * M::COLUMNS;
        if as_it_is && fits && !strips && !of.trans_a {
            let stride = if M::PAIRS { of.a.stride / 2 } else { of.a.stride };
            let data = of.a.at(row, first).cast();
            return Left { data, stride, in_columns: false, strip: 0 };
        }
        let stride = if M::THIRDS { words } else { words.next_multiple_of(16) + 16 };
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
                M::pack_strips(&from, a);
                let strip = words * M::ROWS;
                Left { data: a, stride: M::ROWS, in_columns: true, strip }
            } else {
                M::pack_block(&from, a);
                Left { data: a, stride, in_columns: false, strip: 0 }
            }
        }
    }

    /// The right operand where its stored rows are read as they lie: once, or in different places of the cache.
    fn in_place<M: Micro>(&self, height: usize) -> Option<Matrix> {
        match self.chunk.of.b {
            Source::Floats(_) if M::THIRDS => None,
            Source::Floats(b) if !self.chunk.of.trans_b && (!b.bf16 || self.chunk.in_halves()) => {
                (height <= M::ROWS || height <= FEW_ROWS && !aliased::<M>(&b)).then_some(b)
            }
            _ => None,
        }
    }

    /// Packs what no thread has packed, and what is not read as it lies, of a group of columns.
    fn pack<M: Micro>(&self, group: Range, in_place: bool) {
        if self.block.packed.is_some() {
            return;
        }
        let whole = group.0 + (group.1 - group.0) / M::COLUMNS * M::COLUMNS;
        let from = if in_place { whole } else { group.0 };
        if from < group.1 {
            let at = |column| self.packed_here::<M>(column, group.0);
            panels::pack_panels::<M>(self.chunk, (from, group.1), at);
        }
    }

    fn packed_here<M: Micro>(&self, column: usize, group: usize) -> *mut f32 {
        self.panel.wrapping_add((column - group) / M::COLUMNS * self.chunk.words * M::COLUMNS)
    }

    /// The panels of B from a column on, in the group that begins at another.
    fn right<M: Micro>(&self, column: usize, group: usize, in_place: Option<Matrix>) -> Right {
        let end = self.block.columns.1;
        let data = match (self.block.packed, in_place) {
            (Some(packed), _) => packed.panel::<M>(self.chunk, column),
            (None, Some(b)) if end - column >= M::COLUMNS => {
                let data = b.at(self.chunk.first, column).cast();
                let end = end - (end - group) % M::COLUMNS;
                return Right { data, stride: b.stride, step: M::COLUMNS, end, halves: b.bf16 };
            }
            _ => self.packed_here::<M>(column, group),
        };
        let step = self.chunk.words * M::COLUMNS;
        Right { data, stride: M::COLUMNS, step, end, halves: false }
    }

    /// What a chunk whose panels are packed adds to a tile.
    fn part<M: Micro>(
        &self,
        chunk: &Chunk,
        left: &Left,
        (index, top): (usize, usize),
        column: usize,
    ) -> Part {
        let packed = self.block.packed.expect("chunks are joined where their panels are packed");
        Part {
            depth: chunk.words,
            a: left.at(index, top),
            a_stride: left.stride,
            b: packed.panel::<M>(chunk, column),
            b_stride: M::COLUMNS,
        }
    }

    /// The tile, or tiles, of a strip's rows and some columns.
    fn tile(
        &self,
        (a, a_stride): (*const f32, usize),
        right: &Right,
        top: usize,
        (column, end): Range,
    ) -> Tile {
        let Work { p, block, chunk, target, .. } = self;
        let at = top * target.stride + column - block.columns.0;
        Tile {
            part: Part { depth: chunk.words, a, a_stride, b: right.data, b_stride: right.stride },
            more: None,
            c: target.data.wrapping_add(at),
            c_stride: target.stride,
            alpha: chunk.of.alpha,
            accumulate: self.accumulate,
            bias: match p.bias {
                Some(bias) if self.opens && p.scales.is_none() => bias[column..].as_ptr(),
                _ => std::ptr::null(),
            },
            columns: end - column,
            b_step: right.step,
            halves: right.halves,
            ahead: right.data,
        }
    }
}
