import { afterEach, describe, expect, test } from 'vitest';
import { attentionForward } from './attention.ts';
import { add } from './elementwise.ts';
import { gemm } from './gemm.ts';
import { type Cost, observeKernels, recordKernels, replayKernels } from './kernel.ts';

afterEach(() => void observeKernels(null));

function costOf(work: () => void): Cost[] {
  const costs: Cost[] = [];
  observeKernels((call) => costs.push(call.cost()));
  work();
  return costs;
}

test('an observer takes the place of every call, and decides whether it runs', () => {
  const y = new Float32Array(2);
  const seen: string[] = [];
  observeKernels(({ name }) => seen.push(name));
  add.run(Float32Array.of(1, 2), Float32Array.of(3, 4), y);
  expect([...y]).toEqual([0, 0]);
  const before = observeKernels((call) => call.run());
  add.run(Float32Array.of(1, 2), Float32Array.of(3, 4), y);
  expect([...y]).toEqual([4, 6]);
  expect(seen).toEqual(['add']);
  expect(before).not.toBeNull();
});

test('recorded calls are made again on what their arrays hold then', () => {
  const [a, b, y] = [Float32Array.of(1, 2), Float32Array.of(3, 4), new Float32Array(2)];
  const seen: string[] = [];
  observeKernels((call) => {
    seen.push(call.name);
    return call.run();
  });
  const calls = recordKernels(() => {
    add.run(a, b, y);
    add.run(y, y, b);
  });
  expect([...b]).toEqual([8, 12]);
  observeKernels(null);
  a.fill(0);
  replayKernels(calls);
  expect([...b]).toEqual([16, 24]);
  expect(calls.length).toBe(2);
  // Whoever observes sees both.
  expect(seen).toEqual(['add', 'add']);
});

describe('cost', () => {
  test('of a kernel that says nothing: the bytes of its operands', () => {
    const of = (length: number) => new Float32Array(length);
    expect(costOf(() => add.run(of(8), of(8), of(8)))).toEqual([
      { flops: 0, bytes: 96, rate: 'add' },
    ]);
  });

  test('of a product: two FLOPs a multiply-add, thin ones by a rate of their own', () => {
    const product = (m: number, n: number, k: number) =>
      gemm.run(
        new Float32Array(m * k),
        new Uint16Array(n * k),
        new Float32Array(m * n),
        ...([m, n, k] as const),
        ...([false, true, 1, 0, null] as const),
      );
    const [wide, thin] = costOf(() => {
      product(80, 90, 100);
      product(80, 8, 100);
    });
    expect(wide).toEqual({
      flops: 2 * 80 * 90 * 100,
      bytes: 4 * 80 * 100 + 2 * 90 * 100 + 4 * 80 * 90,
      rate: 'gemm bf16 wide',
    });
    expect(thin.rate).toBe('gemm bf16 thin-n');
  });

  test('of attention: two products for every pair that sees each other', () => {
    const of = (rows: number) => new Float32Array(rows * 2 * 8);
    const [starts, ranges] = [Int32Array.of(0, 3, 5), Int32Array.of(0, 3, 3, 2)];
    const [cost] = costOf(() =>
      attentionForward.run(
        ...([of(5), of(5), of(5), starts, ranges, Int32Array.of(0, 1, 2)] as const),
        ...([2, 2, 8, 1, null, of(5), new Float32Array(10)] as const),
      ),
    );
    expect(cost.flops).toBe(4 * 2 * 8 * (6 + 3));
    expect(cost.rate).toBe('attention forward f32 short');
  });
});
