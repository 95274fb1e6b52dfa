//! Products of rows of numbers. The weight's rows are read where they lie, or expanded to f32 a few at a time.

use super::{AHEAD, Sink};
use crate::floats::from_bf16;
use crate::per_simd;
use crate::quantized::Quantized;
use crate::simd::Simd;

/// Rows of the weight that are taken past x together.
const ROWS: usize = 4;
/// Rows of x from which on it pays to expand the weight's rows once: below, each is expanded twice at most, in registers.
const MANY: usize = 9;

/// How a weight's numbers are stored.
trait Stored: Copy {
    /// # Safety
    /// As `Simd`.
    unsafe fn load<S: Simd>(from: *const Self) -> S::V;
    fn number(self) -> f32;
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const f32) -> S::V {
        unsafe { S::load(from) }
    }
    #[inline(always)]
    fn number(self) -> f32 {
        self
    }
}

/// bf16.
impl Stored for u16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const u16) -> S::V {
        unsafe { S::load_bf16(from) }
    }
    #[inline(always)]
    fn number(self) -> f32 {
        from_bf16(self)
    }
}

/// The rows of x, [m, k], in f32.
#[derive(Clone, Copy)]
pub struct Rows {
    pub data: *const f32,
    /// From row to row: whole cache lines, since a load that crosses two of them costs two.
    pub stride: usize,
    pub m: usize,
    pub k: usize,
}

// SAFETY: they are only read.
unsafe impl Sync for Rows {}
// SAFETY: as above.
unsafe impl Send for Rows {}

/// What a few rows of the weight give with a few of x: [x's row, weight's row].
type Sums = [[f32; ROWS]; ROWS];

/// Each sum has lanes of its own along k, whatever is summed beside it. `FETCH`: the weight comes from memory.
#[inline(always)]
unsafe fn tile<S: Simd, W: Stored, const R: usize, const M: usize, const FETCH: bool>(
    x: Rows,
    first: usize,
    w: *const W,
    sums: &mut Sums,
    column: usize,
) {
    unsafe {
        let (x, stride, k) = (x.data.add(first * x.stride), x.stride, x.k);
        let mut lanes = [[S::splat(0.0); M]; R];
        let whole = k - k % S::LANES;
        let mut at = 0;
        // A cache line of the weight at a time, which is fetched once; less of it is soon enough where memory is the limit.
        let line = if M > 2 { 64 / size_of::<W>() } else { S::LANES };
        macro_rules! step {
            ($at:expr, $fetch:expr) => {
                let at = $at;
                let mut xs = [S::splat(0.0); M];
                for (i, v) in xs.iter_mut().enumerate() {
                    *v = S::load(x.add(i * stride + at));
                }
                for (i, lanes) in lanes.iter_mut().enumerate() {
                    let from = w.add(i * k + at);
                    if $fetch {
                        S::prefetch(from.cast::<u8>().wrapping_add(AHEAD).cast());
                    }
                    let v = W::load::<S>(from);
                    for (lane, x) in lanes.iter_mut().zip(xs) {
                        *lane = S::fma(v, x, *lane);
                    }
                }
            };
        }
        while at + line <= whole {
            for lane in (0..line).step_by(S::LANES) {
                step!(at + lane, FETCH && lane == 0);
            }
            at += line;
        }
        while at < whole {
            step!(at, FETCH);
            at += S::LANES;
        }
        for (i, lanes) in lanes.iter().enumerate() {
            let four = std::array::from_fn(|m| if m < M { lanes[m] } else { S::splat(0.0) });
            let whole_sums = if M > 2 { S::sums(four) } else { four.map(|lanes| S::sum(lanes)) };
            for (m, mut sum) in whole_sums.into_iter().take(M).enumerate() {
                for rest in whole..k {
                    sum += *x.add(m * stride + rest) * (*w.add(i * k + rest)).number();
                }
                sums[m][column + i] = sum;
            }
        }
    }
}

/// Four rows of the weight, the first of which is `row`, past all rows of x: no tile has more sums than registers.
#[inline(always)]
unsafe fn four_past<S: Simd, W: Stored, const FETCH: bool>(
    x: Rows,
    w: *const W,
    row: usize,
    sink: &Sink,
) {
    for first in (0..x.m).step_by(ROWS) {
        let mut sums = [[0.0; ROWS]; ROWS];
        unsafe {
            match x.m - first {
                1 => tile::<S, W, 4, 1, FETCH>(x, first, w, &mut sums, 0),
                2 => tile::<S, W, 4, 2, FETCH>(x, first, w, &mut sums, 0),
                3 => tile::<S, W, 4, 3, FETCH>(x, first, w, &mut sums, 0),
                _ => {
                    tile::<S, W, 2, 4, FETCH>(x, first, w, &mut sums, 0);
                    tile::<S, W, 2, 4, FETCH>(x, first, w.add(2 * x.k), &mut sums, 2);
                }
            }
            for (m, sums) in sums.iter().enumerate().take(x.m - first) {
                sink.put_all(first + m, row, *sums);
            }
        }
    }
}

/// What is left of the weight's rows, one by one.
#[inline(always)]
unsafe fn one_past<S: Simd, W: Stored>(x: Rows, w: *const W, row: usize, sink: &Sink) {
    for m in 0..x.m {
        let mut sums = [[0.0; ROWS]; ROWS];
        unsafe {
            tile::<S, W, 1, 1, false>(x, m, w, &mut sums, 0);
            sink.put(m, row, sums[0][0]);
        }
    }
}

#[inline(always)]
unsafe fn in_place<S: Simd, W: Stored>(x: Rows, w: *const W, from: usize, to: usize, sink: &Sink) {
    unsafe {
        let mut row = from;
        while row + ROWS <= to {
            four_past::<S, W, true>(x, w.add(row * x.k), row, sink);
            row += ROWS;
        }
        while row < to {
            one_past::<S, W>(x, w.add(row * x.k), row, sink);
            row += 1;
        }
    }
}

/// Expands a few rows of the weight at a time into `scratch`, and takes them past x.
#[inline(always)]
unsafe fn expanded<S: Simd>(
    x: Rows,
    from: usize,
    to: usize,
    scratch: *mut f32,
    sink: &Sink,
    expand: impl Fn(usize, usize, *mut f32),
) {
    unsafe {
        let mut row = from;
        while row < to {
            let count = ROWS.min(to - row);
            expand(row, count, scratch);
            if count == ROWS {
                four_past::<S, f32, false>(x, scratch, row, sink);
            } else {
                for i in 0..count {
                    one_past::<S, f32>(x, scratch.add(i * x.k), row + i, sink);
                }
            }
            row += count;
        }
    }
}

/// Numbers of scratch that a task needs.
pub fn scratch_of(k: usize) -> usize {
    ROWS * k
}

per_simd! {
    /// Rows `from..to` of a weight [n, k] in f32.
    pub fn f32_rows<S>(x: Rows, w: *const f32, from: usize, to: usize, sink: &Sink) {
        in_place::<S, f32>(x, w, from, to, sink);
    }
}

per_simd! {
    /// Rows `from..to` of a weight [n, k] in bf16.
    pub fn bf16_rows<S>(x: Rows, w: *const u16, from: usize, to: usize, scratch: *mut f32, sink: &Sink) {
        if x.m < MANY {
            return in_place::<S, u16>(x, w, from, to, sink);
        }
        expanded::<S>(x, from, to, scratch, sink, |row, count, out| {
            let (w, length) = (w.add(row * x.k), count * x.k);
            let whole = length - length % S::LANES;
            for at in (0..whole).step_by(S::LANES) {
                S::prefetch(w.wrapping_add(at).cast::<u8>().wrapping_add(AHEAD).cast());
                S::store(out.add(at), S::load_bf16(w.add(at)));
            }
            for at in whole..length {
                *out.add(at) = from_bf16(*w.add(at));
            }
        });
    }
}

per_simd! {
    /// Rows `from..to` of a quantized weight, as numbers.
    pub fn quantized_rows<S>(x: Rows, w: &Quantized, from: usize, to: usize, scratch: *mut f32, sink: &Sink) {
        expanded::<S>(x, from, to, scratch, sink, |row, count, out| {
            for i in 0..count {
                w.decode(row + i, 0, x.k, out.add(i * x.k));
            }
        });
    }
}
