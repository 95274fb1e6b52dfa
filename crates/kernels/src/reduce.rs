//! Sums over whole buffers, and the sums that other kernels share. Spec: `src/kernels/reduce.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats, expect_length};
use crate::{each_storage, per_isa, pool};

/// One AVX-512 register, on every path: lanes are summed in one order, so all paths agree.
pub const LANES: usize = 16;

/// Elements of one partial sum: a constant, so that no result depends on the number of threads.
const CHUNK: usize = 1 << 14;

/// Σ a · b, in lanes.
#[inline(always)]
pub fn dot<A: Element, B: Element>(a: &[A], b: &[B]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] += a[i].get() * b[i].get();
        }
    }
    lanes.iter().sum::<f32>()
        + a_rest.iter().zip(b_rest).map(|(a, b)| a.get() * b.get()).sum::<f32>()
}

/// Writes to `sum` the rows of `partials`, added from first to last.
pub fn add_partials(partials: &[f32], sum: &mut [f32]) {
    sum.fill(0.0);
    for partial in partials.chunks_exact(sum.len().max(1)) {
        for (sum, partial) in sum.iter_mut().zip(partial) {
            *sum += partial;
        }
    }
}

per_isa! {
    fn chunk_squares<X: Element>(x: &[X]) -> f64 {
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [0.0f64; LANES];
        for chunk in chunks {
            for i in 0..LANES {
                let v = chunk[i].get() as f64;
                lanes[i] += v * v;
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|v| (v.get() as f64).powi(2)).sum::<f64>()
    }
}

per_isa! {
    fn chunk_sum<X: Element>(x: &[X]) -> f64 {
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [0.0f64; LANES];
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += chunk[i].get() as f64;
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|v| v.get() as f64).sum::<f64>()
    }
}

per_isa! {
    /// NaN where one difference is: a comparison alone would pass it by.
    fn chunk_difference<A: Element, B: Element>(a: &[A], b: &[B]) -> f32 {
        let mut most = 0.0f32;
        let mut sum = 0.0f32;
        for (a, b) in a.iter().zip(b) {
            let difference = (a.get() - b.get()).abs();
            most = if difference > most { difference } else { most };
            sum += difference;
        }
        if sum.is_nan() { f32::NAN } else { most }
    }
}

fn difference<A: Element, B: Element>(a: &[A], b: &[B]) -> f64 {
    let mut partials = vec![0.0f32; a.len().div_ceil(CHUNK)];
    let chunks = a.chunks(CHUNK).zip(b.chunks(CHUNK)).zip(&mut partials);
    pool::each(chunks, |((a, b), partial)| *partial = chunk_difference(a, b));
    let worst = |most: f32, &next: &f32| if most.is_nan() || next <= most { most } else { next };
    partials.iter().fold(0.0, worst) as f64
}

fn in_chunks<X: Element>(x: &[X], of: fn(&[X]) -> f64) -> f64 {
    let mut partials = vec![0.0; x.len().div_ceil(CHUNK)];
    pool::each(x.chunks(CHUNK).zip(&mut partials), |(x, partial)| *partial = of(x));
    partials.iter().sum()
}

#[napi]
pub fn sum_of_squares(x: Floats) -> Result<f64> {
    each_storage!(x; Ok(in_chunks(x, chunk_squares)))
}

#[napi]
pub fn sum(x: Floats) -> Result<f64> {
    each_storage!(x; Ok(in_chunks(x, chunk_sum)))
}

#[napi]
pub fn largest_difference(a: Floats, b: Floats) -> Result<f64> {
    expect_length("b", b.len(), a.len())?;
    each_storage!(a, b; Ok(difference(a, b)))
}
