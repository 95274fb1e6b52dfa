//! The machine's own limit, against which kernels are measured: independent multiply-adds in registers.

use std::hint::black_box;
use std::time::Instant;

use napi::Result;
use napi_derive::napi;

#[cfg(target_arch = "x86_64")]
use super::amx;
use super::tile::{self, Micro};
use crate::floats::invalid;
use crate::isa::{Isa, isa};
use crate::{pool, queue};

const ROUNDS: usize = 200_000;

fn best_of<M: Micro>(seconds: f64) -> f64 {
    let threads = pool::threads() as usize;
    let start = Instant::now();
    let mut best = 0.0f64;
    while start.elapsed().as_secs_f64() < seconds {
        let began = Instant::now();
        queue::drain(threads, |_| {
            // SAFETY: `M` was chosen by `isa()`.
            black_box(unsafe { M::burst(black_box(ROUNDS)) });
        });
        let per_word = if M::PAIRS { 2 } else { M::CODES.max(1) };
        let operations = 2 * M::BURST * ROUNDS * per_word * threads;
        best = best.max(operations as f64 / began.elapsed().as_secs_f64() / 1e9);
    }
    best
}

/// Billions of operations a second (a multiply-add is two) on all threads of the pool, the best of short bursts within
/// `seconds`: of `f32`, `bf16` or `int8`, by the instructions that the products use for them.
#[napi]
pub fn peak_probe(seconds: f64, kind: Option<String>) -> Result<f64> {
    #[cfg(target_arch = "x86_64")]
    let [f32, bf16, int8]: [fn(f64) -> f64; 3] = match isa() {
        Isa::Amx => [best_of::<tile::Avx512>, best_of::<amx::AmxPairs>, best_of::<amx::AmxQuads>],
        Isa::Avx512Bf16 => {
            [best_of::<tile::Avx512>, best_of::<tile::Avx512Dot>, best_of::<tile::Avx512Quads>]
        }
        Isa::Avx512 => {
            [best_of::<tile::Avx512>, best_of::<tile::Avx512>, best_of::<tile::Avx512Pairs>]
        }
        Isa::Avx2 => [best_of::<tile::Avx2>, best_of::<tile::Avx2>, best_of::<tile::Avx2Pairs>],
        Isa::Portable => {
            [best_of::<tile::Portable>, best_of::<tile::Portable>, best_of::<tile::PortablePairs>]
        }
    };
    #[cfg(not(target_arch = "x86_64"))]
    let [f32, bf16, int8]: [fn(f64) -> f64; 3] =
        [best_of::<tile::Portable>, best_of::<tile::Portable>, best_of::<tile::PortablePairs>];
    match kind.as_deref().unwrap_or("f32") {
        "f32" => Ok(f32(seconds)),
        "bf16" => Ok(bf16(seconds)),
        "int8" => Ok(int8(seconds)),
        other => Err(invalid(format!("there is no peak of `{other}`"))),
    }
}
