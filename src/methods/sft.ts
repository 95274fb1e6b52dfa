/** @file Supervised fine-tuning: cross entropy of the replies' tokens (Ouyang et al. 2022, arXiv:2203.02155, step 1). */
import { sum } from '../engine/ops/sum.ts';
import { defineMethod } from './method.ts';

export const sft = defineMethod({
  stage: 'sft',
  title: 'Supervised fine-tuning',
  paper: 'arXiv:2203.02155',
  data: 'conversations',

  step(policy, batch) {
    const logp = policy.logp(batch); // [n]
    return { terms: [{ sum: sum([logp], { scale: -1 }), per: 'targets' }], metrics: {}, logp };
  },
});
