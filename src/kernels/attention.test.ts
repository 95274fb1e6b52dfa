import { describe, expect, test } from 'vitest';
import { instructionSet } from '../native/machine.ts';
import { attentionBackward, attentionForward } from './attention.ts';
import { decodeBf16 } from './bf16.ts';
import type { TensorData } from './kernel.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  numbers,
  rounded,
  type Storage,
  storages,
  store,
  unset,
} from './testing.ts';

type Range = readonly [first: number, rows: number];

type Case = {
  readonly queries: readonly number[];
  /** Key rows of each segment; its queries' own where unset. */
  readonly keys?: readonly (readonly Range[])[];
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly alibi?: boolean;
};

const cases: Record<string, Case> = {
  nothing: { queries: [], heads: 2, keyHeads: 1, width: 8 },
  'one token': { queries: [1], heads: 1, keyHeads: 1, width: 8 },
  'tails of tiles': { queries: [1, 5, 13, 0, 50, 97], heads: 2, keyHeads: 1, width: 16 },
  'grouped, SmolLM2’s width': { queries: [70, 3, 130], heads: 9, keyHeads: 3, width: 64 },
  'odd width, ALiBi': { queries: [20, 49], heads: 3, keyHeads: 3, width: 20, alibi: true },
  'a single query of many heads': {
    queries: [1, 1, 2],
    keys: [[[0, 300]], [[0, 7]], [[7, 140]]],
    heads: 40,
    keyHeads: 2,
    width: 16,
  },
  'wide heads': { queries: [60], heads: 2, keyHeads: 1, width: 128 },
  'longer than any block': { queries: [391], heads: 2, keyHeads: 2, width: 16 },
  'replies that share a prompt': {
    queries: [70, 30, 81, 9],
    keys: [
      [[0, 70]],
      [
        [0, 70],
        [70, 30],
      ],
      [
        [0, 70],
        [100, 81],
      ],
      [[181, 9]],
    ],
    heads: 4,
    keyHeads: 2,
    width: 32,
  },
  'blocks in any order': {
    queries: [3, 1, 40],
    keys: [
      [
        [160, 16],
        [32, 16],
        [64, 8],
      ],
      [
        [0, 16],
        [200, 16],
        [48, 16],
        [96, 16],
        [17, 3],
      ],
      [
        [128, 16],
        [64, 16],
        [160, 16],
        [80, 11],
      ],
    ],
    heads: 4,
    keyHeads: 2,
    width: 16,
    alibi: true,
  },
};

const startsOf = (lengths: readonly number[]): Int32Array => {
  const result = new Int32Array(lengths.length + 1);
  for (const [n, length] of lengths.entries()) result[n + 1] = result[n] + length;
  return result;
};

function bounds({ queries, keys }: Pick<Case, 'queries' | 'keys'>) {
  const starts = startsOf(queries);
  const segments = keys ?? queries.map((rows, n): readonly Range[] => [[starts[n], rows]]);
  const ranges = Int32Array.from(segments.flat(2));
  return [starts, ranges, startsOf(segments.map((each) => each.length))] as const;
}

function setUp(each: Case, storage: Storage) {
  const { heads, keyHeads, width, alibi = false } = each;
  const segments = bounds(each);
  const [starts, ranges] = segments;
  const Tq = starts.at(-1) ?? 0;
  let Tk = 0;
  for (let r = 0; r < ranges.length; r += 2) Tk = Math.max(Tk, ranges[r] + ranges[r + 1]);
  // Two rows that nobody reads: their gradients are zeros.
  Tk += 2;
  const q = rounded(Tq * heads * width, 1, storage, -2, 2);
  const k = rounded(Tk * keyHeads * width, 2, storage, -2, 2);
  const v = rounded(Tk * keyHeads * width, 3, storage);
  const slopes = alibi ? Float32Array.from({ length: heads }, (_, h) => 2 ** -(h + 1)) : null;
  const numbers = [heads, keyHeads, width, 1 / Math.sqrt(width)] as const;
  return { q, k, v, slopes, segments, numbers, Tq };
}

/**
 * Measured: 4e-7 forward, 3e-6 backward, relative to numbers of size one to ten. AMX multiplies bf16 in pairs, with probabilities
 * and the scores’ gradients rounded to bf16: 1e-3 and 3.5e-3.
 */
const noiseOf = (storage: Storage) =>
  storage === 'bf16' && instructionSet() === 'amx'
    ? { y: 3e-3, gradients: 1e-2 }
    : { y: 2e-6, gradients: 2e-5 };

describe.each(storages)('%s', (storage) => {
  const noise = noiseOf(storage);
  test.each(Object.entries(cases))('native equals the twin: %s', (_, each) => {
    const { q, k, v, slopes, segments, numbers, Tq } = setUp(each, storage);
    const exactSlopes = slopes && Float64Array.from(slopes);
    const y = unset(q.data.length, storage);
    const lse = unset(Tq * each.heads, 'f32');
    attentionForward.run(q.data, k.data, v.data, ...segments, ...numbers, slopes, y, lse);
    const [exactY, exactLse] = [new Float64Array(y.length), new Float64Array(lse.length)];
    attentionForward.reference(
      q.exact,
      k.exact,
      v.exact,
      ...segments,
      ...numbers,
      exactSlopes,
      exactY,
      exactLse,
    );
    expectClose(y, exactY, { absolute: noise.y, name: 'y' });
    expectClose(lse, exactLse, { absolute: 2e-6, relative: 2e-7, name: 'lse' });

    const dy = rounded(y.length, 5, storage);
    const gradients = [q, k, v].map(({ data }) => unset(data.length, storage));
    const [dq, dk, dv] = gradients;
    attentionBackward.run(
      dy.data,
      q.data,
      k.data,
      v.data,
      y,
      lse,
      ...segments,
      ...numbers,
      slopes,
      dq,
      dk,
      dv,
    );
    const exact = [q, k, v].map(({ data }) => new Float64Array(data.length));
    // The twin reads what the forward pass stored, its rounding included.
    const stored = y instanceof Uint16Array ? Float64Array.from(y, decodeBf16) : exactY;
    attentionBackward.reference(
      dy.exact,
      q.exact,
      k.exact,
      v.exact,
      stored,
      exactLse,
      ...segments,
      ...numbers,
      exactSlopes,
      exact[0],
      exact[1],
      exact[2],
    );
    for (const [i, name] of ['dq', 'dk', 'dv'].entries()) {
      expectClose(gradients[i], exact[i], { absolute: noise.gradients, name });
    }
  });
});

const shape = { heads: 4, keyHeads: 2, width: 32 };

/** The forward pass over seeded keys and values, which lie in the rows that `rows` names. */
function rowsOf(
  queries: TensorData,
  lengths: readonly number[],
  keys: readonly (readonly Range[])[],
  place: (row: number) => number = (row) => row,
  total = 300,
): TensorData {
  const storage = queries instanceof Uint16Array ? 'bf16' : 'f32';
  const seeded = (seed: number): TensorData => {
    const { data: from } = rounded(total * 64, seed, storage, -2, 2);
    const to = store(new Float64Array(2 * total * 64), storage);
    for (let row = 0; row < total; row++)
      to.set(from.subarray(row * 64, (row + 1) * 64), place(row) * 64);
    return to;
  };
  const y = unset(queries.length, storage);
  attentionForward.run(
    queries,
    seeded(2),
    seeded(3),
    ...bounds({ queries: lengths, keys }),
    shape.heads,
    shape.keyHeads,
    shape.width,
    0.2,
    null,
    y,
    unset(queries.length / shape.width, 'f32'),
  );
  return y;
}

describe.each(storages)('a row has the same bits: %s', (storage) => {
  const queries = rounded(200 * 128, 1, storage, -2, 2).data;
  const whole = rowsOf(queries, [200], [[[0, 300]]]);

  test('however its keys are cut into ranges', () => {
    const pieces: readonly Range[] = [
      [0, 1],
      [1, 62],
      [63, 130],
      [193, 107],
    ];
    expect(rowsOf(queries, [200], [pieces])).toEqual(whole);
  });

  test('wherever the keys lie', () => {
    const moved = (row: number): number => 2 * (299 - row);
    const pieces = Array.from({ length: 300 }, (_, row): Range => [moved(row), 1]);
    expect(rowsOf(queries, [200], [pieces], moved)).toEqual(whole);
  });

  test('however the queries are cut into passes, and whatever else is in one', () => {
    const row = (index: number) => queries.subarray(index * 128, (index + 1) * 128);
    const cut = (from: number, to: number) => {
      const both = unset((to - from + 1) * 128, storage);
      both.set(row(7));
      both.set(queries.subarray(from * 128, to * 128), 128);
      const keys: readonly (readonly Range[])[] = [[[5, 33]], [[0, 100 + to]]];
      return rowsOf(both, [1, to - from], keys).subarray(128);
    };
    for (const [from, to] of [
      [0, 90],
      [90, 91],
      [91, 94],
      [94, 200],
    ]) {
      expect(cut(from, to)).toEqual(whole.subarray(from * 128, to * 128));
    }
  });
});

test.each([null, Float64Array.of(0.5, 0.25)])('the twin’s gradients, slopes %o', (slopes) => {
  const keys: readonly (readonly Range[])[] = [
    [[0, 3]],
    [
      [0, 3],
      [3, 2],
    ],
  ];
  const segments = bounds({ queries: [3, 2], keys });
  const numbersOf = [2, 1, 4, 0.5] as const;
  const forward = ([q, k, v]: readonly Float64Array[]) => {
    const [y, lse] = [new Float64Array(q.length), new Float64Array(10)];
    attentionForward.reference(q, k, v, ...segments, ...numbersOf, slopes, y, lse);
    return { y, lse };
  };
  expectGradients(
    [numbers(40, 1), numbers(20, 2), numbers(20, 3)],
    (inputs) => forward(inputs).y,
    (dy, inputs) => {
      const { y, lse } = forward(inputs);
      const [q, k, v] = inputs;
      const [dq, dk, dv] = inputs.map((input) => new Float64Array(input.length));
      attentionBackward.reference(
        dy,
        q,
        k,
        v,
        y,
        lse,
        ...segments,
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

test.each(
  [
    { queries: [130, 7, 60], heads: 6, keyHeads: 2, width: 32 },
    { queries: [500], heads: 3, keyHeads: 1, width: 64 },
    cases['replies that share a prompt'],
  ].flatMap((each: Case) => storages.map((storage) => ({ ...each, storage }))),
)('any number of threads gives the same bits: $queries, $storage', ({ storage, ...each }) => {
  const { q, k, v, segments, numbers, Tq } = setUp(each, storage);
  expectSameOnAnyThreads(() => {
    const y = unset(q.data.length, storage);
    const lse = unset(Tq * each.heads, 'f32');
    attentionForward.run(q.data, k.data, v.data, ...segments, ...numbers, null, y, lse);
    const gradients = [q, k, v].map(({ data }) => unset(data.length, storage));
    const [dq, dk, dv] = gradients;
    attentionBackward.run(
      y,
      q.data,
      k.data,
      v.data,
      y,
      lse,
      ...segments,
      ...numbers,
      null,
      dq,
      dk,
      dv,
    );
    return [y, lse, ...gradients];
  });
});

test.runIf(process.env['TUNERY_ISA'] !== 'reference')(
  'rows that are not there are refused before anything is read',
  () => {
    const floats = (rows: number) => new Float32Array(rows * 8);
    const run = (queries: number[], ranges: number[], starts: number[]): void =>
      attentionForward.run(
        floats(2),
        floats(3),
        floats(3),
        Int32Array.from(queries),
        Int32Array.from(ranges),
        Int32Array.from(starts),
        1,
        1,
        8,
        1,
        null,
        floats(2),
        new Float32Array(2),
      );
    run([0, 2], [1, 2], [0, 1]);
    expect(() => run([0, 2], [2, 2], [0, 1])).toThrow(/beyond the 3 of the keys/);
    expect(() => run([0, 2], [-1, 3], [0, 1])).toThrow(/beyond the 3 of the keys/);
    expect(() => run([0, 3], [0, 3], [0, 1])).toThrow(/not there/);
    expect(() => run([0, 2], [0, 3], [0, 2])).toThrow(/not there/);
  },
);
