//! Parts of the operands, copied as the microkernel reads them: contiguous, in f32 (or in pairs of
//! bf16), B in panels of one tile's columns.

use crate::simd::Simd;

/// A matrix as it lies in memory, by rows.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub data: *const u8,
    pub bf16: bool,
    /// Elements from one stored row to the next.
    pub stride: usize,
}

impl Matrix {
    pub fn at(&self, row: usize, column: usize) -> *const u8 {
        // SAFETY: the entry has checked the lengths, and callers stay inside.
        unsafe { self.data.add(self.bytes_before(row, column)) }
    }

    #[inline(always)]
    fn bytes_before(&self, row: usize, column: usize) -> usize {
        (row * self.stride + column) * if self.bf16 { 2 } else { 4 }
    }

    /// Has a number come near, and its cache line, wherever that is: rows far from one another are not foreseen by the
    /// machine.
    #[inline(always)]
    pub fn foresee<S: Simd>(&self, row: usize, column: usize) {
        let at = self.data.wrapping_add(self.bytes_before(row, column));
        // SAFETY: a prefetch reads nothing that a program could see, and never faults.
        unsafe { S::prefetch(at.cast()) };
    }
}

/// `columns` columns of B from `column` on, k from `first` on.
pub struct Panel<'a> {
    pub from: &'a Matrix,
    /// Whether B's columns lie in the stored rows.
    pub transposed: bool,
    pub first: usize,
    pub depth: usize,
    pub column: usize,
    pub columns: usize,
    /// Words of a row of the packed panel: its missing columns become zeros.
    pub width: usize,
}

/// The first `n` numbers, at most one register.
#[inline(always)]
pub unsafe fn load<S: Simd>(from: &Matrix, row: usize, column: usize, n: usize) -> S::V {
    unsafe {
        let at = from.at(row, column);
        match (from.bf16, n >= S::LANES) {
            (false, true) => S::load(at.cast()),
            (false, false) => S::load_part(at.cast(), n),
            (true, true) => S::load_bf16(at.cast()),
            (true, false) => {
                let mut part = [0u16; 16];
                std::ptr::copy_nonoverlapping(at.cast(), part.as_mut_ptr(), n);
                S::load_bf16(part.as_ptr())
            }
        }
    }
}

/// Words of `n` columns, at most one register: bf16 of stored row `row` below, of the next one (or zero) above.
#[inline(always)]
unsafe fn interleave<S: Simd>(
    from: &Matrix,
    row: usize,
    both: bool,
    column: usize,
    n: usize,
    to: *mut f32,
) {
    unsafe {
        let low: *const u16 = from.at(row, column).cast();
        static ZEROS: [u16; 16] = [0; 16];
        let high = if both { low.add(from.stride) } else { ZEROS.as_ptr() };
        if n == S::LANES {
            return S::store(to, S::pairs(low, high));
        }
        let (low, high) = (std::slice::from_raw_parts(low, n), std::slice::from_raw_parts(high, n));
        for (i, (low, high)) in low.iter().zip(high).enumerate() {
            *to.cast::<u32>().add(i) = *low as u32 | (*high as u32) << 16;
        }
    }
}

/// Writes [depth, width] words, zeros where the panel has no column.
///
/// # Safety
/// As `Simd`; `to` has room.
#[inline(always)]
pub unsafe fn panel<S: Simd, const PAIRS: bool>(p: &Panel, to: *mut f32) {
    unsafe {
        let words = if PAIRS { p.depth.div_ceil(2) } else { p.depth };
        if !p.transposed {
            // While some rows are packed, as many below them come near.
            let line = if p.from.bf16 { 32 } else { 16 };
            for row in p.first + p.depth..p.first + 2 * p.depth {
                for column in (p.column..p.column + p.columns).step_by(line) {
                    p.from.foresee::<S>(row, column);
                }
            }
        }
        if !PAIRS && !p.transposed && p.columns == 2 * S::LANES && p.width == p.columns {
            // A row's part is a cache line: it is read once.
            for k in 0..words {
                let (row, to) = (p.first + k, to.add(k * p.width));
                S::store(to, load::<S>(p.from, row, p.column, S::LANES));
                let beside = load::<S>(p.from, row, p.column + S::LANES, S::LANES);
                S::store(to.add(S::LANES), beside);
            }
            return;
        }
        for lane in (0..p.width).step_by(S::LANES) {
            let columns = p.columns.saturating_sub(lane).min(S::LANES);
            let column = p.column + lane;
            let to = to.add(lane);
            if columns == 0 {
                for k in 0..words {
                    S::store(to.add(k * p.width), S::splat(0.0));
                }
            } else if p.transposed && PAIRS {
                panel_of_pairs::<S>(p, column, columns, to);
            } else if p.transposed {
                panel_of_rows::<S>(p, column, columns, to);
            } else if PAIRS {
                for k in 0..words {
                    let to = to.add(k * p.width);
                    if columns < S::LANES {
                        S::store(to, S::splat(0.0));
                    }
                    let both = 2 * k + 1 < p.depth;
                    interleave::<S>(p.from, p.first + 2 * k, both, column, columns, to);
                }
            } else {
                for k in 0..words {
                    S::store(to.add(k * p.width), load::<S>(p.from, p.first + k, column, columns));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn panel_of_rows<S: Simd>(p: &Panel, column: usize, columns: usize, to: *mut f32) {
    unsafe {
        let mut expanded = [0.0f32; 16 * 16];
        for k in (0..p.depth).step_by(S::LANES) {
            let depth = S::LANES.min(p.depth - k);
            let to = to.add(k * p.width);
            if !p.from.bf16 {
                let (from, stride) = (p.from.at(column, p.first + k), p.from.stride * 4);
                if columns == S::LANES && depth == S::LANES {
                    // Constants leave no test of a row in the loop.
                    S::transpose(from, stride, S::LANES, S::LANES, to, p.width);
                } else {
                    S::transpose(from, stride, columns, depth, to, p.width);
                }
                continue;
            }
            for row in 0..columns {
                let v = load::<S>(p.from, column + row, p.first + k, depth);
                S::store(expanded.as_mut_ptr().add(row * S::LANES), v);
            }
            S::transpose(expanded.as_ptr().cast(), S::LANES * 4, columns, depth, to, p.width);
        }
    }
}

#[inline(always)]
unsafe fn panel_of_pairs<S: Simd>(p: &Panel, column: usize, columns: usize, to: *mut f32) {
    unsafe {
        let words = p.depth / 2;
        for k in (0..words).step_by(S::LANES) {
            let depth = S::LANES.min(words - k);
            let from = p.from.at(column, p.first + 2 * k);
            S::transpose(from, p.from.stride * 2, columns, depth, to.add(k * p.width), p.width);
        }
        if p.depth % 2 == 1 {
            let to = to.add(words * p.width);
            S::store(to, S::splat(0.0));
            for i in 0..columns {
                let last: *const u16 = p.from.at(column + i, p.first + 2 * words).cast();
                *to.add(i).cast::<u32>() = *last as u32;
            }
        }
    }
}

/// `rows` rows of A from `row` on, k from `first` on.
pub struct Block<'a> {
    pub from: &'a Matrix,
    /// Whether A's rows lie in the stored columns.
    pub transposed: bool,
    pub first: usize,
    pub depth: usize,
    pub row: usize,
    pub rows: usize,
    /// Words from one packed row to the next.
    pub stride: usize,
}

/// Writes [rows, depth] words of an A that lies by rows.
///
/// # Safety
/// As `Simd`; `to` has room for whole registers.
#[inline(always)]
pub unsafe fn block<S: Simd, const PAIRS: bool>(p: &Block, to: *mut f32) {
    unsafe {
        for row in 0..p.rows {
            let to = to.add(row * p.stride);
            if PAIRS {
                let from = p.from.at(p.row + row, p.first);
                std::ptr::copy_nonoverlapping(from, to.cast(), p.depth * 2);
                if p.depth % 2 == 1 {
                    *to.cast::<u16>().add(p.depth) = 0;
                }
                continue;
            }
            for k in (0..p.depth).step_by(S::LANES) {
                p.from.foresee::<S>(p.row + row + 2, p.first + k);
                let v = load::<S>(p.from, p.row + row, p.first + k, p.depth - k);
                S::store(to.add(k), v);
            }
        }
    }
}

/// Writes [rows, words] pairs of a transposed A; the last register along k ends in zeros.
///
/// # Safety
/// As `Simd`; `to` has room for whole registers.
#[inline(always)]
pub unsafe fn turned_pairs<S: Simd>(p: &Block, to: *mut f32) {
    unsafe {
        let words = p.depth.div_ceil(2);
        let mut some = [0.0f32; 16 * 16];
        for k in (0..words).step_by(S::LANES) {
            let count = S::LANES.min(words - k);
            for lane in (0..p.rows).step_by(S::LANES) {
                let rows = S::LANES.min(p.rows - lane);
                for i in 0..count {
                    let (first, row) = (2 * (k + i), p.row + lane);
                    let to = some.as_mut_ptr().add(i * S::LANES);
                    interleave::<S>(p.from, p.first + first, first + 1 < p.depth, row, rows, to);
                }
                let to = to.add(lane * p.stride + k);
                S::transpose(some.as_ptr().cast(), S::LANES * 4, count, rows, to, p.stride);
            }
        }
    }
}

/// Where strip `i` of those that `rows` rows are cut into begins, and its height: as even as can be, the taller ones first.
pub fn strip_of(i: usize, rows: usize, most: usize) -> (usize, usize) {
    let count = rows.div_ceil(most);
    let (height, taller) = (rows / count, rows % count);
    (i * height + i.min(taller), height + usize::from(i < taller))
}

/// Each strip’s beginning and height.
fn strips_of(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows.div_ceil(most)).map(move |i| strip_of(i, rows, most))
}

/// Strips of at most `most` rows of a transposed A, one after the other as [depth, most] words each.
///
/// # Safety
/// As `Simd`; `to` has room for the strips and one register more.
#[inline(always)]
pub unsafe fn strips<S: Simd, const PAIRS: bool>(p: &Block, most: usize, to: *mut f32) {
    unsafe {
        let words = if PAIRS { p.depth.div_ceil(2) } else { p.depth };
        for (i, (top, _)) in strips_of(p.rows, most).enumerate() {
            let to = to.add(i * words * most);
            let row = p.row + top;
            // A whole register where the stored row has it: what is too much is written over next.
            let n = (p.from.stride - row).min(S::LANES);
            for k in 0..words {
                let to = to.add(k * most);
                if PAIRS {
                    let both = 2 * k + 1 < p.depth;
                    interleave::<S>(p.from, p.first + 2 * k, both, row, n, to);
                } else {
                    // Parts of a register cost more than what the rows below have in it.
                    let whole = (p.depth - k) * p.from.stride >= row + S::LANES;
                    let n = if whole { S::LANES } else { n };
                    S::store(to, load::<S>(p.from, p.first + k, row, n));
                }
            }
        }
    }
}

/// The same strips of an A that lies by rows.
///
/// # Safety
/// As `Simd`; `to` has room for the strips and one register more.
#[inline(always)]
pub unsafe fn turned_strips<S: Simd>(p: &Block, most: usize, to: *mut f32) {
    unsafe {
        let mut expanded = [0.0f32; 16 * 16];
        for (i, (top, height)) in strips_of(p.rows, most).enumerate() {
            let to = to.add(i * p.depth * most);
            let row = p.row + top;
            for k in (0..p.depth).step_by(S::LANES) {
                let depth = S::LANES.min(p.depth - k);
                let to = to.add(k * most);
                let (mut from, mut stride) = (p.from.at(row, p.first + k), p.from.stride * 4);
                if p.from.bf16 {
                    for i in 0..height {
                        let v = load::<S>(p.from, row + i, p.first + k, depth);
                        S::store(expanded.as_mut_ptr().add(i * S::LANES), v);
                    }
                    (from, stride) = (expanded.as_ptr().cast(), S::LANES * 4);
                }
                // What a row of words has too much is written over by the next one.
                if height == most && depth == S::LANES {
                    S::transpose(from, stride, most, S::LANES, to, most);
                } else {
                    S::transpose(from, stride, height, depth, to, most);
                }
            }
        }
    }
}
