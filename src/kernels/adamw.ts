/** @file One step of AdamW on one parameter, as `torch.optim.AdamW` does it. Loshchilov & Hutter 2019, arXiv:1711.05101. */
import { type FloatArray, kernel } from './kernel.ts';

/** `step` counts from 1. The gradient is multiplied by `gradScale` first (clipping, the step's normalizer). */
export const adamw = kernel(
  'adamw',
  (
    param: FloatArray,
    grad: FloatArray,
    m: FloatArray,
    v: FloatArray,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    step: number,
    gradScale: number,
  ): void => {
    const size = lr / (1 - beta1 ** step);
    const correction = Math.sqrt(1 - beta2 ** step);
    for (let i = 0; i < param.length; i++) {
      const g = grad[i] * gradScale;
      m[i] += (g - m[i]) * (1 - beta1);
      v[i] = v[i] * beta2 + (1 - beta2) * g * g;
      const denominator = Math.sqrt(v[i]) / correction + eps;
      param[i] = param[i] * (1 - lr * weightDecay) - (size * m[i]) / denominator;
    }
  },
);
