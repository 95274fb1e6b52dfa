import { describe, expect, test } from 'vitest';
import { attentionBackward, attentionForward } from './attention.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  numbers,
  rounded,
  type Storage,
  storages,
  unset,
} from './testing.ts';

type Case = {
  readonly queries: readonly number[];
  /** Keys of each document; as many as queries where unset. */
  readonly keys?: readonly number[];
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly alibi?: boolean;
};

const cases: Record<string, Case> = {
  'one token': { queries: [1], heads: 1, keyHeads: 1, width: 8 },
  'tails of tiles': { queries: [1, 5, 13, 50, 97], heads: 2, keyHeads: 1, width: 16 },
  'grouped, SmolLM2’s width': { queries: [70, 3, 130], heads: 9, keyHeads: 3, width: 64 },
  'odd width, ALiBi': { queries: [20, 49], heads: 3, keyHeads: 3, width: 20, alibi: true },
  'wide heads': { queries: [60], heads: 2, keyHeads: 1, width: 128 },
};

const starts = (lengths: readonly number[]): Int32Array => {
  const result = new Int32Array(lengths.length + 1);
  for (const [n, length] of lengths.entries()) result[n + 1] = result[n] + length;
  return result;
};

function setUp(
  { queries, keys = queries, heads, keyHeads, width, alibi = false }: Case,
  storage: Storage,
) {
  const [qs, ks] = [starts(queries), starts(keys)];
  const [Tq, Tk] = [qs.at(-1) ?? 0, ks.at(-1) ?? 0];
  const q = rounded(Tq * heads * width, 1, storage, -2, 2);
  const k = rounded(Tk * keyHeads * width, 2, storage, -2, 2);
  const v = rounded(Tk * keyHeads * width, 3, storage);
  const slopes = alibi ? Float32Array.from({ length: heads }, (_, h) => 2 ** -(h + 1)) : null;
  const bounds = [qs, ks.slice(0, -1), Int32Array.from(keys)] as const;
  const numbers = [heads, keyHeads, width, 1 / Math.sqrt(width)] as const;
  return { q, k, v, slopes, bounds, numbers, Tq, Tk };
}

// Measured: 4e-7 forward, 3e-6 backward, relative to numbers of size one to ten.
describe.each(storages)('%s', (storage) => {
  test.each(Object.entries(cases))('native equals the twin: %s', (_, each) => {
    const { q, k, v, slopes, bounds, numbers, Tq } = setUp(each, storage);
    const exactSlopes = slopes && Float64Array.from(slopes);
    const y = unset(q.data.length, storage);
    const lse = unset(Tq * each.heads, 'f32');
    attentionForward.run(q.data, k.data, v.data, ...bounds, ...numbers, slopes, y, lse);
    const [exactY, exactLse] = [new Float64Array(y.length), new Float64Array(lse.length)];
    attentionForward.reference(
      q.exact,
      k.exact,
      v.exact,
      ...bounds,
      ...numbers,
      exactSlopes,
      exactY,
      exactLse,
    );
    expectClose(y, exactY, { absolute: 2e-6, name: 'y' });
    expectClose(lse, exactLse, { absolute: 2e-6, relative: 2e-7, name: 'lse' });

    const dy = rounded(y.length, 5, storage);
    const gradients = [q, k, v].map(({ data }) => unset(data.length, storage));
    attentionBackward.run(
      dy.data,
      q.data,
      k.data,
      v.data,
      y,
      lse,
      bounds[0],
      ...numbers,
      slopes,
      gradients[0],
      gradients[1],
      gradients[2],
    );
    const exact = [q, k, v].map(({ data }) => new Float64Array(data.length));
    // The twin reads what the forward pass stored, its rounding included.
    const stored =
      storage === 'bf16'
        ? Float64Array.from(y, (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0])
        : exactY;
    attentionBackward.reference(
      dy.exact,
      q.exact,
      k.exact,
      v.exact,
      stored,
      exactLse,
      bounds[0],
      ...numbers,
      exactSlopes,
      exact[0],
      exact[1],
      exact[2],
    );
    for (const [i, name] of ['dq', 'dk', 'dv'].entries()) {
      expectClose(gradients[i], exact[i], { absolute: 2e-5, name });
    }
  });
});

test('new queries on a cache equal the whole document', () => {
  const each = { queries: [3, 1], keys: [40, 77], heads: 4, keyHeads: 2, width: 16 };
  const { q, k, v, bounds, numbers, Tq } = setUp(each, 'f32');
  const y = unset(q.data.length, 'f32');
  const lse = unset(Tq * 4, 'f32');
  attentionForward.run(q.data, k.data, v.data, ...bounds, ...numbers, null, y, lse);
  const [exactY, exactLse] = [new Float64Array(y.length), new Float64Array(lse.length)];
  attentionForward.reference(
    q.exact,
    k.exact,
    v.exact,
    ...bounds,
    ...numbers,
    null,
    exactY,
    exactLse,
  );
  expectClose(y, exactY, { absolute: 2e-6, name: 'y' });
});

test.each([null, Float64Array.of(0.5, 0.25)])('the twin’s gradients, slopes %o', (slopes) => {
  const queryStarts = Int32Array.of(0, 3, 5);
  const numbersOf = [2, 1, 4, 0.5] as const;
  const forward = ([q, k, v]: readonly Float64Array[]) => {
    const [y, lse] = [new Float64Array(q.length), new Float64Array(10)];
    attentionForward.reference(
      q,
      k,
      v,
      queryStarts,
      Int32Array.of(0, 3),
      Int32Array.of(3, 2),
      ...numbersOf,
      slopes,
      y,
      lse,
    );
    return { y, lse };
  };
  expectGradients(
    [numbers(40, 1), numbers(20, 2), numbers(20, 3)],
    (inputs) => forward(inputs).y,
    (dy, inputs) => {
      const { y, lse } = forward(inputs);
      const [dq, dk, dv] = inputs.map((input) => new Float64Array(input.length));
      attentionBackward.reference(
        dy,
        inputs[0],
        inputs[1],
        inputs[2],
        y,
        lse,
        queryStarts,
        ...numbersOf,
        slopes,
        dq,
        dk,
        dv,
      );
      return [dq, dk, dv];
    },
  );
});

test('any number of threads gives the same bits', () => {
  const each: Case = { queries: [130, 7, 60], heads: 6, keyHeads: 2, width: 32 };
  const { q, k, v, bounds, numbers, Tq } = setUp(each, 'f32');
  expectSameOnAnyThreads(() => {
    const y = unset(q.data.length, 'f32');
    const lse = unset(Tq * 6, 'f32');
    attentionForward.run(q.data, k.data, v.data, ...bounds, ...numbers, null, y, lse);
    const gradients = [q, k, v].map(({ data }) => unset(data.length, 'f32'));
    attentionBackward.run(
      y,
      q.data,
      k.data,
      v.data,
      y,
      lse,
      bounds[0],
      ...numbers,
      null,
      gradients[0],
      gradients[1],
      gradients[2],
    );
    return [y, lse, ...gradients];
  });
  expect(Tq).toBe(197);
});
