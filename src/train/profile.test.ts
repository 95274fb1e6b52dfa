import { expect, test } from 'vitest';
import { Memory } from '../engine/memory.ts';
import { add } from '../engine/ops/add.ts';
import { linear } from '../engine/ops/linear.ts';
import { within } from '../engine/session.ts';
import { span } from '../engine/trace.ts';
import { Profile } from './profile.ts';

type Event = {
  readonly ph: string;
  readonly name: string;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Record<string, number>;
};

/** One profiled pass: a product and a sum, inside a span of their own. */
function profiled() {
  const memory = new Memory();
  const profile = new Profile(memory);
  profile.start();
  within({ memory, tape: null, randomness: null }, () =>
    span('pass', () =>
      memory.scope(() => {
        const x = memory.activations.tensor([100, 64], 'f32');
        const weight = memory.weights.tensor([80, 64], 'f32');
        const y = linear([x, weight, null], null);
        add([y, y], null);
      }),
    ),
  );
  profile.step(7);
  profile.stop();
  const text = [...profile.json()].join('');
  return { profile, text, events: JSON.parse(text).traceEvents as Event[] };
}

test('kernels lie inside their ops, ops inside their pass, and each slice has a time', () => {
  const { events } = profiled();
  const slices = events.filter(({ ph }) => ph === 'X');
  expect(slices.map(({ name }) => name)).toEqual([
    'gemm',
    'linear',
    'add',
    'add',
    'pass',
    'step 7',
  ]);
  const [kernel, op, , , pass] = slices.map(({ ts = 0, dur = 0 }) => [ts, ts + dur] as const);
  const inside = (a: readonly [number, number], b: readonly [number, number]): boolean =>
    a[0] >= b[0] && a[1] <= b[1] + 1e-3;
  expect(inside(kernel, op) && inside(op, pass)).toBe(true);
});

test('memory of each class is a counter', () => {
  const { events } = profiled();
  const counters = events.filter(({ ph }) => ph === 'C');
  expect(counters.length).toBeGreaterThan(0);
  expect(counters.at(0)?.args).toMatchObject({ weights: 80 * 64 * 4, gradients: 0 });
});

test('sums by op: calls, time of its own, FLOPs and bytes', () => {
  const { profile } = profiled();
  const ops = new Map(profile.ops.map((sums) => [sums.name, sums]));
  expect(ops.get('linear')).toMatchObject({
    calls: 1,
    flops: 2 * 100 * 80 * 64,
    bytes: 4 * (100 * 64 + 80 * 64 + 100 * 80),
  });
  expect(ops.get('pass')).toMatchObject({ calls: 1, flops: 0 });
});

test('nothing is recorded after the end', () => {
  const { profile } = profiled();
  const before = profile.ops.length;
  span('later', () => {});
  expect(profile.ops.length).toBe(before);
});
