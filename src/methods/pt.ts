/** @file Pre-training: cross entropy of every token of plain text. */
import { sum } from '../engine/ops/sum.ts';
import { defineMethod } from './method.ts';

export const pt = defineMethod({
  stage: 'pt',
  title: 'Pre-training',
  data: 'text',

  step(policy, batch) {
    const logp = policy.logp(batch); // [n]
    return { terms: [{ sum: sum([logp], { scale: -1 }), per: 'targets' }], metrics: {}, logp };
  },
});
