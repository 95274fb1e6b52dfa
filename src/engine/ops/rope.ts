/** @file Rotary position embedding, halves rotated (Su et al. 2021, arXiv:2104.09864). */
import { rope as ropeKernel } from '../../kernels/rope.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

type Inputs = readonly [x: Tensor, cos: Tensor, sin: Tensor];

/** x: [T, H, E], cos and sin: [T, E' / 2] → [T, H, E]; channels beyond E' pass through. */
export const rope = defineOp('rope', {
  forward([x, cos, sin]: Inputs, _options: null, memory) {
    const y = memory.activations.like(x);
    ropeKernel.run(x.data, cos.data, sin.data, x.shape[1], x.shape[2], 1, y.data);
    return { y, saved: { cos, sin } };
  },

  backward(dy, { cos, sin }, [needsX], memory) {
    if (!needsX) return [null, null, null];
    const dx = memory.gradients.like(dy);
    ropeKernel.run(dy.data, cos.data, sin.data, dy.shape[1], dy.shape[2], -1, dx.data);
    return [dx, null, null];
  },
});
