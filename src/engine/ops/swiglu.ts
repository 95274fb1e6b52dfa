/** @file SwiGLU: silu(gate) · up (Shazeer 2020, arXiv:2002.05202). */
import { swigluBackward, swigluForward } from '../../kernels/swiglu.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** gate, up: [T, F] → [T, F] */
export const swiglu = defineOp('swiglu', {
  cheap: true,

  forward([gate, up]: readonly [gate: Tensor, up: Tensor], _options: null, memory) {
    const y = memory.activations.like(gate);
    swigluForward.run(gate.data, up.data, y.data);
    return { y, saved: { gate, up } };
  },

  backward(dy, { gate, up }, _needs, memory) {
    const dGate = memory.gradients.like(gate);
    const dUp = memory.gradients.like(up);
    swigluBackward.run(dy.data, gate.data, up.data, dGate.data, dUp.data);
    return [dGate, dUp];
  },
});
