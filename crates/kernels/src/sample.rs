//! The next token from logits. Spec: `src/kernels/sample.ts`.

use std::cmp::Ordering;

use napi::Result;
use napi_derive::napi;

use crate::floats::{Floats, Ints, invalid};
use crate::per_isa;

/// A token that may be drawn: its logit, later its probability times a constant.
#[derive(Clone, Copy)]
struct Candidate {
    weight: f64,
    id: u32,
}

/// The likely first; of equals, the lower id.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id))
}

/// Logits that have one maximum: most of a vocabulary is then never looked at one by one.
const BLOCK: usize = 64;
const LANES: usize = 16;

per_isa! {
    /// The largest logit of each block; a NaN is none.
    fn maxima(logits: &[f32], largest: &mut [f32]) {
        for (block, largest) in logits.chunks(BLOCK).zip(largest) {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let (chunks, rest) = block.as_chunks::<LANES>();
            for chunk in chunks {
                for (lane, v) in lanes.iter_mut().zip(chunk) {
                    *lane = if *v > *lane { *v } else { *lane };
                }
            }
            for (lane, v) in lanes.iter_mut().zip(rest) {
                *lane = if *v > *lane { *v } else { *lane };
            }
            *largest = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        }
    }
}

/// The first of the largest logits. A NaN is never chosen.
fn arg_max(logits: &[f32], maxima: &[f32]) -> Option<usize> {
    let top = maxima.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let block = maxima.iter().position(|&v| v == top)?;
    let from = block * BLOCK;
    Some(from + logits[from..].iter().position(|&v| v == top)?)
}

/// A logit that at least `k` reach: as many blocks have one.
fn reached_by(k: usize, maxima: &[f32]) -> f32 {
    if k == 0 || k > maxima.len() {
        return f32::NEG_INFINITY;
    }
    let mut sorted = maxima.to_vec();
    *sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

/// Those that reach `bound`, by id. A NaN does not.
fn reaching(bound: f32, logits: &[f32], maxima: &[f32]) -> Vec<Candidate> {
    let blocks = logits.chunks(BLOCK).zip(maxima).enumerate();
    let kept = blocks.filter(|(_, (_, largest))| **largest >= bound);
    kept.flat_map(|(i, (block, _))| {
        let ids = block.iter().enumerate().filter(move |(_, logit)| **logit >= bound);
        ids.map(move |(j, logit)| Candidate { weight: *logit as f64, id: (i * BLOCK + j) as u32 })
    })
    .collect()
}

/// Sorts as many of the likeliest as hold `share` of all the weight, and cuts the rest off.
fn cut_to_share(candidates: &mut Vec<Candidate>, share: f64) {
    let wanted = share * candidates.iter().map(|c| c.weight).sum::<f64>();
    let mut sorted = 0;
    let mut sum = 0.0;
    let mut step = 64;
    while sorted < candidates.len() {
        // A peaked distribution needs a few tokens: a vocabulary is seldom sorted whole.
        let end = (sorted + step).min(candidates.len());
        let rest = &mut candidates[sorted..];
        if end - sorted < rest.len() {
            rest.select_nth_unstable_by(end - sorted - 1, likelier);
        }
        rest[..end - sorted].sort_unstable_by(likelier);
        for i in sorted..end {
            if i > 0 && sum >= wanted {
                return candidates.truncate(i);
            }
            sum += candidates[i].weight;
        }
        (sorted, step) = (end, step * 8);
    }
}

#[napi]
pub fn sample_token(
    logits: Floats,
    temperature: f64,
    top_k: u32,
    top_p: f64,
    min_p: f64,
    random: f64,
) -> Result<u32> {
    let logits = &*logits.f32()?;
    let mut largest = vec![0.0; logits.len().div_ceil(BLOCK)];
    maxima(logits, &mut largest);
    let best = arg_max(logits, &largest).filter(|&best| logits[best].is_finite());
    let Some(best) = best else {
        return Err(invalid("no logit is a finite number"));
    };
    if temperature == 0.0 {
        return Ok(best as u32);
    }
    let top = logits[best] as f64;
    let k = top_k as usize;
    let mut candidates = reaching(reached_by(k, &largest), logits, &largest);
    if k > 0 && k < candidates.len() {
        // As Hugging Face: what equals the k-th stays.
        let kth = candidates.select_nth_unstable_by(k - 1, likelier).1.weight;
        candidates.retain(|c| c.weight >= kth);
    }
    for candidate in &mut candidates {
        candidate.weight = ((candidate.weight - top) / temperature).exp();
    }
    if top_p < 1.0 {
        cut_to_share(&mut candidates, top_p);
    }
    // The likeliest weighs 1 and is never cut, so a share of it is a weight.
    candidates.retain(|c| c.weight >= min_p);
    candidates.sort_unstable_by_key(|c| c.id);
    let wanted = random * candidates.iter().map(|c| c.weight).sum::<f64>();
    let mut sum = 0.0;
    for candidate in &candidates {
        sum += candidate.weight;
        if sum > wanted {
            return Ok(candidate.id);
        }
    }
    // Rounding at the very end of the range, and only there.
    Ok(best as u32)
}

#[napi]
pub fn repetition_penalty(logits: Floats, ids: Ints, penalty: f64) -> Result<()> {
    let logits = logits.f32()?;
    let penalty = penalty as f32;
    let mut ids = ids.0.to_vec();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let Some(logit) = usize::try_from(id).ok().and_then(|id| logits.get_mut(id)) else {
            return Err(invalid(format!("there is no logit for token {id}")));
        };
        *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
    }
    Ok(())
}
