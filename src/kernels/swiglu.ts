/** @file SwiGLU: y = silu(gate) · up, silu(x) = x · sigmoid(x). Shazeer 2020, arXiv:2002.05202. */
import { type FloatArray, kernel } from './kernel.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const swigluForward = kernel(
  'swigluForward',
  (gate: FloatArray, up: FloatArray, y: FloatArray): void => {
    for (let i = 0; i < y.length; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
  },
);

export const swigluBackward = kernel(
  'swigluBackward',
  (dy: FloatArray, gate: FloatArray, up: FloatArray, dGate: FloatArray, dUp: FloatArray): void => {
    for (let i = 0; i < dy.length; i++) {
      const s = sigmoid(gate[i]);
      dUp[i] = dy[i] * gate[i] * s;
      dGate[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    }
  },
);
