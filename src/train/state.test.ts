import { expect, test } from 'vitest';
import { Memory } from '../engine/memory.ts';
import { adamW } from '../engine/optim/adamw.ts';
import { Parameter } from '../engine/parameter.ts';
import { numbers } from '../kernels/testing.ts';
import { newState, readState, restoreTensors } from './state.ts';

const settings = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1 };

function setUp(bits: 8 | 32) {
  const memory = new Memory();
  const parameter = new Parameter([70, 61]);
  const values = memory.trainable.keep(parameter.shape, 'f32');
  values.data.set(numbers(values.data.length, 1));
  parameter.set(values, true);
  const parameters = new Map([['w', parameter]]);
  const optimizer = adamW(parameters, { ...settings, bits }, memory);
  const step = (number: number): void => {
    const grad = memory.gradients.keep(parameter.shape, 'f32');
    grad.data.set(numbers(grad.data.length, 10 + number));
    parameter.accumulate(grad);
    optimizer.step(1e-2, number, 1);
    parameter.clearGrad();
  };
  return { parameter, parameters, optimizer, step };
}

test.each([8, 32] as const)('moments in %d bits go on from a checkpoint to the bit', (bits) => {
  const whole = setUp(bits);
  whole.step(1);
  whole.step(2);
  const stored = [
    ['w', whole.parameter.tensor] as const,
    ...Array.from(whole.optimizer.state, ([name, t]) => [`optimizer.${name}`, t] as const),
  ].map(([name, { shape, data }]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    return [name, { dtype: bits === 8 ? 'U8' : 'F32', shape, bytes }] as const;
  });
  const resumed = setUp(bits);
  const state = { ...newState(null), step: 2 };
  const tensors = new Map(stored);
  const checkpoint = { folder: 'x', step: 2, resumable: true, state, tensors };
  restoreTensors(checkpoint, resumed.parameters, resumed.optimizer.state);
  expect(readState(checkpoint)).toEqual(state);
  whole.step(3);
  resumed.step(3);
  expect(resumed.parameter.tensor.data).toEqual(whole.parameter.tensor.data);
  for (const [name, { data }] of whole.optimizer.state) {
    expect(resumed.optimizer.state.get(name)?.data, name).toEqual(data);
  }
});
