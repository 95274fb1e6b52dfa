import { expect, test } from 'vitest';
import { adamw } from './adamw.ts';
import { expectClose, expectSameOnAnyThreads, numbers, rounded } from './testing.ts';

const hyper = [0.9, 0.999, 1e-8, 0.1] as const;

test('the first step moves each weight by the rate against its gradient’s sign, after the decay', () => {
  const param = Float64Array.of(1, -2, 0.5);
  const state = [new Float64Array(3), new Float64Array(3)];
  adamw.run(param, Float64Array.of(3, -4, 0), state[0], state[1], 0.01, ...hyper, 1, 1);
  expectClose(param, [0.999 - 0.01, -1.998 + 0.01, 0.4995], { absolute: 1e-9 });
});

test('twenty steps equal the twin, in several tasks', () => {
  const length = 40_003;
  const param = rounded(length, 1, 'f32');
  const [m, v] = [new Float32Array(length), new Float32Array(length)];
  const exact = { m: new Float64Array(length), v: new Float64Array(length) };
  for (let step = 1; step <= 20; step++) {
    const grad = rounded(length, 100 + step, 'f32', -1e-3, 1e-3);
    adamw.run(param.data, grad.data, m, v, 1e-3, ...hyper, step, 0.25);
    adamw.reference(param.exact, grad.exact, exact.m, exact.v, 1e-3, ...hyper, step, 0.25);
  }
  expectClose(param.data, param.exact, { absolute: 1e-7, relative: 1e-6, name: 'param' });
  expectClose(m, exact.m, { absolute: 1e-10, relative: 1e-6, name: 'm' });
  expectClose(v, exact.v, { relative: 2e-6, name: 'v' });
});

test('a gradient of zero leaves a weight without decay as it is', () => {
  const param = numbers(64, 1);
  const before = param.slice();
  const state = [new Float64Array(64), new Float64Array(64)];
  adamw.run(param, new Float64Array(64), state[0], state[1], 0.1, 0.9, 0.999, 1e-8, 0, 1, 1);
  expect(param).toEqual(before);
});

test('any number of threads gives the same bits', () => {
  const grad = rounded(70_000, 2, 'f32').data;
  expectSameOnAnyThreads(() => {
    const param = rounded(70_000, 1, 'f32').data;
    const [m, v] = [new Float32Array(70_000), new Float32Array(70_000)];
    for (const step of [1, 2]) adamw.run(param, grad, m, v, 1e-2, ...hyper, step, 1);
    return [param, m, v];
  });
});
