//! Operands of attention: rows of either storage copied to f32, or to pairs of bf16 as they are, and transposed into panels.

use crate::floats::Floats;
use crate::gemm::pack::{Matrix, Panel};
use crate::gemm::tile::Micro;
use crate::per_simd;
use crate::queue::Shared;

use super::Segment;

/// Rows of q, k, v, y or dy: all heads of a position beside each other.
#[derive(Clone, Copy)]
pub struct Operand {
    data: *const u8,
    bf16: bool,
    stride: usize,
}

// SAFETY: only read, and outlived by what it points to.
unsafe impl Send for Operand {}
// SAFETY: as above.
unsafe impl Sync for Operand {}

impl Operand {
    pub fn of(floats: &Floats, stride: usize) -> Operand {
        match floats {
            Floats::F32(a) => Operand { data: a.as_ptr().cast(), bf16: false, stride },
            Floats::Bf16(a) => Operand { data: a.as_ptr().cast(), bf16: true, stride },
        }
    }

    /// The same rows in the words that tiles multiply: a pair of bf16 is copied as if it were an f32.
    pub fn in_words<M: Micro>(self) -> Operand {
        if !M::PAIRS {
            return self;
        }
        debug_assert!(self.bf16 && self.stride.is_multiple_of(2));
        Operand { bf16: false, stride: self.stride / 2, ..self }
    }

    /// Copies `width` columns from `column` on of `rows` rows from `row` on.
    ///
    /// # Safety
    /// They are inside; `to` has room for `rows` of `to_stride`, of which whole registers are written.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn copy(
        &self,
        row: usize,
        rows: usize,
        column: usize,
        width: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        unsafe {
            let size = if self.bf16 { 2 } else { 4 };
            let from = self.data.add((row * self.stride + column) * size);
            copy_rows(from, self.bf16, self.stride, rows, width, to, to_stride);
        }
    }

    /// Copies keys [first, first + count) of a segment end to end.
    ///
    /// # Safety
    /// As `copy`.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn gather(
        &self,
        segment: &Segment,
        first: usize,
        count: usize,
        column: usize,
        width: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for (at, row, rows) in segment.runs(first, count) {
            unsafe { self.copy(row, rows, column, width, to.add(at * to_stride), to_stride) };
        }
    }
}

/// Rows that are fetched ahead: they lie far apart, where the processor does not look by itself.
const AHEAD: usize = 8;

per_simd! {
    fn copy_rows<S>(
        from: *const u8,
        bf16: bool,
        stride: usize,
        rows: usize,
        width: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        let whole = width - width % S::LANES;
        let size = if bf16 { 2 } else { 4 };
        for row in 0..rows {
            let to = to.add(row * to_stride);
            if row + AHEAD < rows {
                let ahead = from.add((row + AHEAD) * stride * size);
                for line in (0..width * size).step_by(64) {
                    S::prefetch(ahead.add(line).cast());
                }
            }
            if bf16 {
                let from = from.cast::<u16>().add(row * stride);
                for i in (0..whole).step_by(S::LANES) {
                    S::store(to.add(i), S::load_bf16(from.add(i)));
                }
                if whole < width {
                    let mut part = [0u16; 16];
                    std::ptr::copy_nonoverlapping(from.add(whole), part.as_mut_ptr(), width - whole);
                    S::store(to.add(whole), S::load_bf16(part.as_ptr()));
                }
            } else {
                let from = from.cast::<f32>().add(row * stride);
                for i in (0..whole).step_by(S::LANES) {
                    S::store(to.add(i), S::load(from.add(i)));
                }
                if whole < width {
                    let part = S::load_part(from.add(whole), width - whole);
                    S::store(to.add(whole), part);
                }
            }
        }
    }
}

per_simd! {
    /// Writes the transpose of `rows` rows as panels [width, 2 · LANES], zeros where the last has no row.
    pub fn transpose<S>(from: *const f32, stride: usize, rows: usize, width: usize, to: *mut f32) {
        let columns = 2 * S::LANES;
        for first in (0..rows).step_by(S::LANES) {
            let to = to.add(first / columns * columns * width + first % columns);
            let count = S::LANES.min(rows - first);
            for i in (0..width).step_by(S::LANES) {
                let from = from.add(first * stride + i).cast();
                let depth = S::LANES.min(width - i);
                S::transpose(from, stride * 4, count, depth, to.add(i * columns), columns);
            }
        }
    }
}

/// The right operand of a product that sums over its rows.
pub struct Rows {
    data: *const f32,
    pub stride: usize,
    /// Words from what is multiplied for one column to the same of the next.
    step: usize,
}

impl Rows {
    /// `count` rows of `width` numbers as they lie, or paired in `panels`: zeros follow up to what is summed at a time.
    ///
    /// # Safety
    /// As `Micro`; rows and panels have room up to there.
    pub unsafe fn new<M: Micro>(
        rows: *mut f32,
        stride: usize,
        (count, width): (usize, usize),
        panels: *mut f32,
    ) -> Rows {
        if !M::PAIRS {
            return Rows { data: rows, stride, step: 1 };
        }
        let depth = count.next_multiple_of(M::NUMBERS);
        let from = Matrix { data: rows.cast(), bf16: true, stride: 2 * stride };
        unsafe {
            std::ptr::write_bytes(rows.add(count * stride), 0, (depth - count) * stride);
            for column in (0..width).step_by(M::COLUMNS) {
                let panel = Panel {
                    from: &from,
                    transposed: false,
                    first: 0,
                    depth,
                    column,
                    columns: M::COLUMNS.min(width - column),
                    width: M::COLUMNS,
                };
                M::pack_panel(&panel, panels.add(column * M::words(count)));
            }
        }
        Rows { data: panels, stride: M::COLUMNS, step: M::words(count) }
    }

    /// Words that `count` rows take in panels.
    pub fn panels<M: Micro>(count: usize, width: usize) -> usize {
        if M::PAIRS { M::words(count) * width.next_multiple_of(M::COLUMNS) } else { 0 }
    }

    pub fn column(&self, column: usize) -> *const f32 {
        self.data.wrapping_add(column * self.step)
    }
}

/// y, dq, dk or dv, written by tasks in rows of their own.
#[derive(Clone, Copy)]
pub enum Output {
    F32(Shared<f32>),
    Bf16(Shared<u16>),
}

impl Output {
    pub fn of(floats: Floats) -> Output {
        match floats {
            Floats::F32(a) => Output::F32(Shared(a.as_mut_ptr())),
            Floats::Bf16(a) => Output::Bf16(Shared(a.as_mut_ptr())),
        }
    }

    /// Writes `count` numbers times `scale`.
    ///
    /// # Safety
    /// [at, at + count) is inside, and the caller's alone.
    pub unsafe fn write(self, at: usize, from: *const f32, count: usize, scale: f32) {
        unsafe {
            match self {
                Output::F32(to) => scaled(from, count, scale, to.get().add(at)),
                Output::Bf16(to) => rounded(from, count, scale, to.get().add(at)),
            }
        }
    }
}

per_simd! {
    fn scaled<S>(from: *const f32, count: usize, scale: f32, to: *mut f32) {
        let scale = S::splat(scale);
        let whole = count - count % S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            S::store(to.add(i), S::mul(scale, S::load(from.add(i))));
        }
        if whole < count {
            let last = S::mul(scale, S::load_part(from.add(whole), count - whole));
            S::store_part(to.add(whole), last, count - whole);
        }
    }
}

per_simd! {
    fn rounded<S>(from: *const f32, count: usize, scale: f32, to: *mut u16) {
        let scale = S::splat(scale);
        let whole = count - count % S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            S::store_bf16(to.add(i), S::mul(scale, S::load(from.add(i))));
        }
        if whole < count {
            let mut part = [0u16; 16];
            let last = S::mul(scale, S::load_part(from.add(whole), count - whole));
            S::store_bf16(part.as_mut_ptr(), last);
            std::ptr::copy_nonoverlapping(part.as_ptr(), to.add(whole), count - whole);
        }
    }
}
