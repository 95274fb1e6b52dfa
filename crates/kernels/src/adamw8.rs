//! One step of AdamW whose moments are kept in 8 bits. Spec: `src/kernels/adamw8.ts`.

use std::sync::OnceLock;

use napi::Result;
use napi_derive::napi;

use crate::adamw::Step;
use crate::floats::{Bytes, Floats, expect_length};
use crate::{per_isa, pool};

/// Numbers that share a scale.
const BLOCK: usize = 256;

/// Blocks of a task.
const TASK: usize = 32;

/// Bits of a float that name a bucket: sign apart, its exponent and eight bits of its fraction. Within a bucket lies at
/// most one middle between two codes.
const SHIFT: u32 = 15;

/// The exponent below which every number is nearest to the code next to zero, or to zero.
const LEAST: usize = 96;

/// The numbers that codes stand for, and how the nearest one is found.
struct Map {
    values: [f32; 256],
    /// Between code i and the next; infinite behind the last.
    middles: [f32; 256],
    /// Code of the least number of each bucket, by the float's bits above `SHIFT` less those of the least exponent.
    first: Vec<u8>,
}

impl Map {
    fn new(signed: bool) -> Map {
        let mut all = vec![0.0f32, 1.0];
        for power in 0..7 {
            let parts = 1usize << if signed { power } else { power + 1 };
            let step = 0.9f32 / parts as f32;
            let bound = |i: usize| {
                // As torch.linspace, which counts from either end and rounds once.
                let step = step as f64;
                if 2 * i < parts + 1 {
                    (0.1f32 as f64 + step * i as f64) as f32
                } else {
                    (1.0 - step * (parts - i) as f64) as f32
                }
            };
            let ten = 10f64.powi(power - 6) as f32;
            for i in 0..parts {
                let value = ten * ((bound(i) + bound(i + 1)) / 2.0);
                all.push(value);
                if signed {
                    all.push(-value);
                }
            }
        }
        all.sort_by(f32::total_cmp);
        let mut map = Map { values: [0.0; 256], middles: [f32::INFINITY; 256], first: Vec::new() };
        map.values.copy_from_slice(&all);
        for code in 0..255 {
            map.middles[code] = (map.values[code] + map.values[code + 1]) / 2.0;
        }
        // Buckets of [2^(LEAST − 127), 2), of positive numbers and of negative ones.
        let buckets = (128 - LEAST) << (23 - SHIFT);
        for sign in [0u32, 1 << 31] {
            for bucket in 0..buckets {
                let bits = ((LEAST << (23 - SHIFT)) + bucket) << SHIFT;
                // The least number is the one farthest from zero where they are negative.
                let bits =
                    if sign == 0 { bits as u32 } else { (bits as u32 + (1 << SHIFT) - 1) | sign };
                map.first.push(map.search(f32::from_bits(bits)));
            }
        }
        map
    }

    fn search(&self, value: f32) -> u8 {
        self.middles.partition_point(|&middle| value > middle) as u8
    }

    /// The code nearest to a number of [-1, 1].
    #[inline(always)]
    fn code(&self, value: f32) -> u8 {
        let bits = value.to_bits();
        let buckets = (128 - LEAST) << (23 - SHIFT);
        let place = ((bits & 0x7fff_ffff) >> SHIFT) as usize;
        let bucket = place.saturating_sub(LEAST << (23 - SHIFT)).min(buckets - 1);
        let code = self.first[bucket + (bits >> 31) as usize * buckets];
        code + (value > self.middles[code as usize]) as u8
    }
}

/// Of first moments, and of second ones, which are never negative.
fn maps() -> &'static (Map, Map) {
    static MAPS: OnceLock<(Map, Map)> = OnceLock::new();
    MAPS.get_or_init(|| (Map::new(true), Map::new(false)))
}

per_isa! {
    fn update(
        param: &mut [f32],
        grad: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        step: Step,
    ) {
        step.apply(param, grad, m, v);
    }
}

fn decode(map: &Map, codes: &[u8], scale: f32, to: &mut [f32]) {
    for (to, code) in to.iter_mut().zip(codes) {
        *to = map.values[*code as usize] * scale;
    }
}

fn encode(map: &Map, values: &[f32], codes: &mut [u8]) -> f32 {
    let scale = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let by = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (code, value) in codes.iter_mut().zip(values) {
        *code = map.code(value * by);
    }
    scale
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn adamw8(
    param: Floats,
    grad: Floats,
    m: Bytes,
    v: Bytes,
    m_scales: Floats,
    v_scales: Floats,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    step: f64,
    grad_scale: f64,
) -> Result<()> {
    let (param, grad, m, v) = (param.f32()?, grad.f32()?, m.0, v.0);
    let (m_scales, v_scales) = (m_scales.f32()?, v_scales.f32()?);
    let lengths = [("grad", grad.len()), ("m", m.len()), ("v", v.len())];
    for (name, length) in lengths {
        expect_length(name, length, param.len())?;
    }
    for (name, length) in [("mScales", m_scales.len()), ("vScales", v_scales.len())] {
        expect_length(name, length, param.len().div_ceil(BLOCK))?;
    }
    let step = Step::new(lr, beta1, beta2, eps, weight_decay, step, grad_scale);
    let (m_map, v_map) = maps();
    let span = TASK * BLOCK;
    let moments = m.chunks_mut(span).zip(v.chunks_mut(span));
    let scales = m_scales.chunks_mut(TASK).zip(v_scales.chunks_mut(TASK));
    let tasks = param.chunks_mut(span).zip(grad.chunks(span)).zip(moments.zip(scales));
    pool::each(tasks, |((param, grad), ((m, v), (m_scales, v_scales)))| {
        let mut mean = [0.0f32; BLOCK];
        let mut square = [0.0f32; BLOCK];
        let blocks = param.chunks_mut(BLOCK).zip(grad.chunks(BLOCK));
        let moments = m.chunks_mut(BLOCK).zip(v.chunks_mut(BLOCK));
        let scales = m_scales.iter_mut().zip(v_scales.iter_mut());
        for (((param, grad), (m, v)), (m_scale, v_scale)) in blocks.zip(moments).zip(scales) {
            let (mean, square) = (&mut mean[..param.len()], &mut square[..param.len()]);
            decode(m_map, m, *m_scale, mean);
            decode(v_map, v, *v_scale, square);
            update(param, grad, mean, square, step);
            *m_scale = encode(m_map, mean, m);
            *v_scale = encode(v_map, square, v);
        }
    });
    Ok(())
}
