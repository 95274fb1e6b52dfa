/**
 * @file AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2), as torch.optim.AdamW has it, its moments in f32 or in
 * 8 bits (Dettmers et al. 2021, arXiv:2110.02861), as bitsandbytes.optim.AdamW8bit has them.
 */
import { adamw as adamwKernel } from '../../kernels/adamw.ts';
import { adamw8, momentBlock } from '../../kernels/adamw8.ts';
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
  /** Bits of each moment. */
  readonly bits?: 8 | 32;
  /** What the learning rate is multiplied by for a parameter; 1 where unset. */
  readonly rate?: (name: string, parameter: Parameter) => number;
};

export type AdamW = {
  /** One update with the gradients that the parameters hold, each times `gradScale`. */
  step(learningRate: number, step: number, gradScale: number): void;
  /** Moments by parameter name: `<name>.m`, `<name>.v`, and in 8 bits their scales, `<name>.m_scale`, `<name>.v_scale`. */
  readonly state: ReadonlyMap<string, Tensor>;
};

/** Parameters of fewer numbers keep their moments in f32, as bitsandbytes has it. */
const leastIn8Bits = 4096;

export function adamW(
  parameters: ReadonlyMap<string, Parameter>,
  { beta1, beta2, eps, weightDecay, bits = 32, rate = () => 1 }: AdamWSettings,
  memory: Memory,
): AdamW {
  const state = new Map<string, Tensor>();
  const zeros = (name: string, shape: readonly number[], dtype: 'f32' | 'f64'): Tensor => {
    const values = memory.optimizer.keep(shape, dtype);
    fill.run(values.data, 0);
    state.set(name, values);
    return values;
  };
  const updates = Array.from(parameters, ([name, parameter]) => {
    const { tensor } = parameter;
    const decay = tensor.shape.length > 1 ? weightDecay : 0;
    const factor = rate(name, parameter);
    const size = tensor.data.length;
    if (bits === 8 && tensor.dtype === 'f32' && size >= leastIn8Bits) {
      const [m, v] = ['m', 'v'].map((moment) => {
        // Scales of zero make zeros of any code.
        const codes = memory.optimizer.keep(tensor.shape, 'u8');
        state.set(`${name}.${moment}`, codes);
        return codes;
      });
      const blocks = [Math.ceil(size / momentBlock)];
      const [mScale, vScale] = ['m', 'v'].map((moment) =>
        zeros(`${name}.${moment}_scale`, blocks, 'f32'),
      );
      return (grad: Tensor, learningRate: number, step: number, gradScale: number): void =>
        adamw8.run(
          tensor.data,
          grad.data,
          m.data,
          v.data,
          mScale.data,
          vScale.data,
          learningRate * factor,
          beta1,
          beta2,
          eps,
          decay,
          step,
          gradScale,
        );
    }
    const [m, v] = ['m', 'v'].map((moment) =>
      zeros(`${name}.${moment}`, tensor.shape, tensor.dtype === 'f64' ? 'f64' : 'f32'),
    );
    return (grad: Tensor, learningRate: number, step: number, gradScale: number): void =>
      adamwKernel.run(
        tensor.data,
        grad.data,
        m.data,
        v.data,
        learningRate * factor,
        beta1,
        beta2,
        eps,
        decay,
        step,
        gradScale,
      );
  });
  return {
    state,
    step(learningRate, step, gradScale) {
      for (const [i, parameter] of [...parameters.values()].entries()) {
        // A parameter that nothing of the step reached has no gradient, and stays as it is.
        if (parameter.grad) updates[i](parameter.grad, learningRate, step, gradScale);
      }
    },
  };
}
