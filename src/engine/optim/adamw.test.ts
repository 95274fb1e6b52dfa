import { describe, expect, test } from 'vitest';
import { numbers } from '../../kernels/testing.ts';
import { Memory } from '../memory.ts';
import { Parameter } from '../parameter.ts';
import { adamW } from './adamw.ts';
import { loraPlusRate } from './lora-plus.ts';

const settings = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 };

function setUp(shapes: Readonly<Record<string, readonly number[]>>) {
  const memory = new Memory();
  const parameters = new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const parameter = new Parameter(shape);
      const values = memory.trainable.keep(shape, 'f32');
      values.data.set(numbers(values.data.length, 3));
      parameter.set(values, true);
      return [name, parameter];
    }),
  );
  const learn = (): void => {
    for (const parameter of parameters.values()) {
      const grad = memory.gradients.keep(parameter.shape, 'f32');
      grad.data.set(numbers(grad.data.length, 5));
      parameter.accumulate(grad);
    }
  };
  return { memory, parameters, learn };
}

describe('moments in 8 bits', () => {
  test('take a quarter of the memory, but for small parameters', () => {
    const { memory, parameters } = setUp({ large: [64, 64], small: [64, 63], norm: [64] });
    const { state } = adamW(parameters, { ...settings, bits: 8 }, memory);
    const bytes = (name: string): number => state.get(name)?.data.byteLength ?? 0;
    expect(bytes('large.m') + bytes('large.v')).toBe(2 * 4096);
    expect(bytes('large.m_scale') + bytes('large.v_scale')).toBe(2 * 4 * 16);
    expect(state.get('small.m')?.dtype).toBe('f32');
    expect(state.get('norm.v')?.dtype).toBe('f32');
  });

  test('move a weight about as moments in f32 do', () => {
    const moved = ([8, 32] as const).map((bits) => {
      const { memory, parameters, learn } = setUp({ large: [64, 64] });
      const optimizer = adamW(parameters, { ...settings, bits }, memory);
      learn();
      optimizer.step(1e-2, 1, 1);
      return (parameters.get('large') as Parameter).tensor.read();
    });
    // The first step takes its moments before they are rounded.
    expect(moved[0]).toEqual(moved[1]);
  });
});

test('LoRA+ moves B by the ratio, and norms and biases with it', () => {
  const names = {
    'base_model.model.q_proj.lora_A.weight': [8, 64],
    'base_model.model.q_proj.lora_B.weight': [64, 8],
    'base_model.model.norm.weight': [64],
    'base_model.model.lm_head.weight': [99, 64],
  };
  const { memory, parameters, learn } = setUp(names);
  const before = new Map(
    Array.from(parameters, ([name, { tensor }]) => [name, tensor.read().slice()]),
  );
  const optimizer = adamW(parameters, { ...settings, rate: loraPlusRate(16) }, memory);
  learn();
  optimizer.step(1e-3, 1, 1);
  const moves = Array.from(parameters, ([name, { tensor }]) => {
    const start = before.get(name) as ArrayLike<number>;
    return Math.abs(Number(tensor.read()[0]) - start[0]);
  });
  for (const [i, expected] of [1e-3, 16e-3, 16e-3, 1e-3].entries()) {
    expect(moves[i]).toBeCloseTo(expected, 6);
  }
});
