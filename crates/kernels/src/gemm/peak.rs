//! The machine's own limit, against which kernels are measured: independent multiply-adds in registers.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use napi_derive::napi;

use crate::{per_simd, pool, queue};

const CHAINS: usize = 12;
const ROUNDS: usize = 200_000;

per_simd! {
    /// FLOPs done.
    fn burst<S>(seed: f32) -> u64 {
        let mut chains = [S::splat(seed); CHAINS];
        let (a, b) = (S::splat(0.999), S::splat(seed * 0.001));
        for _ in 0..ROUNDS {
            for chain in chains.iter_mut() {
                *chain = S::fma(*chain, a, b);
            }
        }
        black_box(chains.iter().map(|chain| S::sum(*chain)).sum::<f32>());
        (2 * CHAINS * ROUNDS * S::LANES) as u64
    }
}

/// GFLOP/s of f32 multiply-adds on all threads of the pool, the best of short bursts within `seconds`.
#[napi]
pub fn peak_probe(seconds: f64) -> f64 {
    let threads = pool::threads() as usize;
    let start = Instant::now();
    let mut best = 0.0f64;
    while start.elapsed().as_secs_f64() < seconds {
        let flops = AtomicU64::new(0);
        let began = Instant::now();
        queue::drain(threads, |_| {
            flops.fetch_add(burst(black_box(1.0)), Ordering::Relaxed);
        });
        best = best.max(flops.into_inner() as f64 / began.elapsed().as_secs_f64() / 1e9);
    }
    best
}
