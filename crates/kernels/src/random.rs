//! Numbers to begin a parameter with: element i is a function of seed, purpose and i.
//! Spec: `src/kernels/random.ts`.

use std::f64::consts::TAU;

use napi::Result;
use napi_derive::napi;

use crate::floats::{Element, Floats};
use crate::philox::{LANES, blocks};
use crate::{each_storage, per_isa, pool};

/// Elements of `LANES` blocks, and of one task (a whole number of those).
const SPAN: usize = 4 * LANES;
const TASK: usize = 64 * SPAN;

/// What turns the four words of a block into four numbers.
#[derive(Clone, Copy)]
enum Shape {
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, std: f64 },
}

const UNIT: f64 = 1.0 / 4_294_967_296.0;

/// Two normal numbers from two words (Box and Muller 1958).
#[inline(always)]
fn normal_pair(a: u32, b: u32) -> [f64; 2] {
    let radius = (-2.0 * ((a as f64 + 0.5) * UNIT).ln()).sqrt();
    let (sin, cos) = (b as f64 * UNIT * TAU).sin_cos();
    [radius * cos, radius * sin]
}

per_isa! {
    fn chunk<Y: Element>(first: usize, key: [u32; 2], shape: Shape, y: &mut [Y]) {
        for (index, y) in y.chunks_mut(SPAN).enumerate() {
            let block = (first + index * SPAN) as u64 / 4;
            // `first` is a multiple of SPAN, so the low word does not wrap inside.
            let words = blocks([block as u32, (block >> 32) as u32, 0, 0], 0, key);
            for (i, y) in y.chunks_mut(4).enumerate() {
                let word = [words[0][i], words[1][i], words[2][i], words[3][i]];
                let numbers = match shape {
                    Shape::Uniform { low, high } => {
                        word.map(|word| low + word as f64 * UNIT * (high - low))
                    }
                    Shape::Normal { mean, std } => {
                        let [a, b] = normal_pair(word[0], word[1]);
                        let [c, d] = normal_pair(word[2], word[3]);
                        [a, b, c, d].map(|number| mean + std * number)
                    }
                };
                for (y, number) in y.iter_mut().zip(numbers) {
                    *y = Y::put(number as f32);
                }
            }
        }
    }
}

fn draw<Y: Element>(key: [u32; 2], shape: Shape, y: &mut [Y]) -> Result<()> {
    pool::each(y.chunks_mut(TASK).enumerate(), |(i, y)| chunk(i * TASK, key, shape, y));
    Ok(())
}

#[napi]
pub fn random_uniform(seed: u32, purpose: u32, low: f64, high: f64, y: Floats) -> Result<()> {
    each_storage!(y; draw([seed, purpose], Shape::Uniform { low, high }, y))
}

#[napi]
pub fn random_normal(seed: u32, purpose: u32, mean: f64, std: f64, y: Floats) -> Result<()> {
    each_storage!(y; draw([seed, purpose], Shape::Normal { mean, std }, y))
}
