/** @file AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2), as torch.optim.AdamW has it. */
import { adamw as adamwKernel } from '../../kernels/adamw.ts';
import { fill } from '../../kernels/elementwise.ts';
import type { Memory } from '../memory.ts';
import type { Parameter } from '../parameter.ts';
import type { Tensor } from '../tensor.ts';

export type AdamWSettings = {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Of all weights but norms and biases, which have one dimension. */
  readonly weightDecay: number;
};

export type AdamW = {
  /** One update with the gradients that the parameters hold, each times `gradScale`. */
  step(learningRate: number, step: number, gradScale: number): void;
  /** First and second moments by parameter name: `<name>.m`, `<name>.v`. */
  readonly state: ReadonlyMap<string, Tensor>;
};

export function adamW(
  parameters: ReadonlyMap<string, Parameter>,
  { beta1, beta2, eps, weightDecay }: AdamWSettings,
  memory: Memory,
): AdamW {
  const state = new Map<string, Tensor>();
  for (const [name, { tensor }] of parameters) {
    for (const moment of ['m', 'v']) {
      const values = memory.optimizer.keep(tensor.shape, tensor.dtype);
      fill.run(values.data, 0);
      state.set(`${name}.${moment}`, values);
    }
  }
  return {
    state,
    step(learningRate, step, gradScale) {
      for (const [name, parameter] of parameters) {
        const { tensor, grad } = parameter;
        // A parameter that nothing of the step reached has no gradient, and stays as it is.
        if (grad === null) continue;
        adamwKernel.run(
          tensor.data,
          grad.data,
          (state.get(`${name}.m`) as Tensor).data,
          (state.get(`${name}.v`) as Tensor).data,
          learningRate,
          beta1,
          beta2,
          eps,
          tensor.shape.length > 1 ? weightDecay : 0,
          step,
          gradScale,
        );
      }
    },
  };
}
