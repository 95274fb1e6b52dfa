/**
 * @file The next token from logits. The order is Hugging Face's: penalties, temperature, top-k, top-p
 * (Holtzman et al. 2020, arXiv:1904.09751), min-p (Nguyen et al. 2024, arXiv:2407.01082).
 */
import { type FloatArray, kernel } from './kernel.ts';

/**
 * `temperature` 0 gives the most likely token; `topK` 0, `topP` 1 and `minP` 0 cut nothing. `random`, in
 * [0, 1), picks among the tokens that are left, laid end to end by id.
 */
export const sampleToken = kernel(
  'sampleToken',
  (
    logits: FloatArray,
    temperature: number,
    topK: number,
    topP: number,
    minP: number,
    random: number,
  ): number => {
    const ranked = Array.from(logits, (logit, id) => ({ logit, id, weight: 0 }))
      .filter(({ logit }) => !Number.isNaN(logit))
      .sort((a, b) => b.logit - a.logit || a.id - b.id);
    const top = ranked[0]?.logit;
    if (top === undefined || !Number.isFinite(top)) throw new Error('no logit is a finite number');
    if (temperature === 0) return ranked[0].id;
    const kth = ranked[(topK === 0 ? ranked.length : Math.min(topK, ranked.length)) - 1].logit;
    let kept = ranked.filter(({ logit }) => logit >= kth);
    for (const token of kept) token.weight = Math.exp((token.logit - top) / temperature);
    const total = kept.reduce((sum, { weight }) => sum + weight, 0);
    let before = 0;
    kept = kept.filter(({ weight }, i) => {
      const keep = i === 0 || topP >= 1 || before < topP * total;
      before += weight;
      return keep;
    });
    kept = kept.filter(({ weight }) => weight >= minP).sort((a, b) => a.id - b.id);
    const wanted = random * kept.reduce((sum, { weight }) => sum + weight, 0);
    let sum = 0;
    for (const { id, weight } of kept) {
      sum += weight;
      if (sum > wanted) return id;
    }
    return ranked[0].id;
  },
);

/** Divides a positive logit by `penalty` and multiplies a negative one, once for each distinct id. arXiv:1909.05858. */
export const repetitionPenalty = kernel(
  'repetitionPenalty',
  (logits: FloatArray, ids: Int32Array, penalty: number): void => {
    for (const id of new Set(ids)) {
      logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
  },
);
