//! The next token from logits. Spec: `src/kernels/sample.ts`.

use std::cmp::Ordering;

use napi::Result;
use napi_derive::napi;

use crate::floats::{Floats, Ints, invalid};

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

/// The first of the largest logits. A NaN is never chosen.
fn arg_max(logits: &[f32]) -> Option<usize> {
    let mut best = None;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > best.map_or(f32::NEG_INFINITY, |best: usize| logits[best]) {
            best = Some(id);
        }
    }
    best
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
    let best = arg_max(logits).filter(|&best| logits[best].is_finite());
    let Some(best) = best else {
        return Err(invalid("no logit is a finite number"));
    };
    if temperature == 0.0 {
        return Ok(best as u32);
    }
    let top = logits[best] as f64;
    let mut candidates: Vec<Candidate> = logits
        .iter()
        .enumerate()
        .filter(|(_, logit)| !logit.is_nan())
        .map(|(id, logit)| Candidate { weight: *logit as f64, id: id as u32 })
        .collect();
    let k = top_k as usize;
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
