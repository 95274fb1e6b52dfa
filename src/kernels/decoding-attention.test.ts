import { describe, expect, test } from 'vitest';
import { decodingAttention } from './decoding-attention.ts';
import { expectClose, expectSameOnAnyThreads, rounded, storages, store, unset } from './testing.ts';

/** Lengths around a chunk of 64 keys, laid out in ranges that are scattered in the cache. */
function caches(lengths: readonly number[], block: number) {
  const ranges: number[] = [];
  const starts = [0];
  let row = 1;
  for (const length of lengths) {
    for (let at = 0; at < length; at += block) {
      const count = Math.min(block, length - at);
      ranges.push(row, count);
      // Rows between blocks are nobody's.
      row += count + 1;
    }
    starts.push(ranges.length / 2);
  }
  return { ranges: Int32Array.from(ranges), starts: Int32Array.from(starts), rows: row };
}

const shapes = [
  { H: 9, K: 3, E: 64 },
  { H: 2, K: 2, E: 7 },
  { H: 4, K: 1, E: 20 },
  { H: 3, K: 1, E: 136 },
];

describe.each(storages)('a cache in %s', (storage) => {
  test.each(shapes)('equal to the twin: %o', ({ H, K, E }) => {
    for (const slopes of [null, Float32Array.from({ length: H }, (_, h) => 2 ** -(h + 1))]) {
      for (const block of [5, 1000]) {
        const { ranges, starts, rows } = caches([1, 2, 63, 64, 65, 5, 200], block);
        // The sixth segment has no query in this pass.
        const queryStarts = Int32Array.of(0, 1, 2, 3, 4, 5, 5, 6);
        const q = rounded(6 * H * E, 1, storage, -2, 2);
        const [k, v] = [rounded(rows * K * E, 2, storage), rounded(rows * K * E, 3, storage)];
        const y = unset(6 * H * E, storage);
        const scale = 1 / Math.sqrt(E);
        const shape = [H, K, E, scale] as const;
        decodingAttention.run(
          q.data,
          k.data,
          v.data,
          queryStarts,
          ranges,
          starts,
          ...shape,
          slopes,
          y,
        );
        const exact = new Float64Array(6 * H * E);
        const at = [queryStarts, ranges, starts] as const;
        decodingAttention.reference(q.exact, k.exact, v.exact, ...at, ...shape, slopes, exact);
        expectClose(y, exact, { absolute: 1e-6, name: `block ${block}` });
      }
    }
  });

  test('neither blocks, neighbors nor threads change a bit', () => {
    const { H, K, E } = shapes[0];
    const shape = [H, K, E, 0.125] as const;
    const alone = caches([150], 1000);
    const size = K * E;
    const k = rounded(alone.rows * size, 2, storage).data;
    const v = rounded(alone.rows * size, 3, storage).data;
    const q = rounded(H * E, 1, storage).data;
    const want = unset(H * E, storage);
    const one = Int32Array.of(0, 1);
    decodingAttention.run(q, k, v, one, alone.ranges, alone.starts, ...shape, null, want);

    const paged = caches([70, 150, 9], 32);
    const first = 2 * paged.starts[1];
    const copy = (from: typeof k) => {
      const to = store(new Float64Array(paged.rows * size), storage);
      let row = 1;
      for (let r = first; r < 2 * paged.starts[2]; r += 2) {
        const count = paged.ranges[r + 1];
        to.set(from.subarray(row * size, (row + count) * size), paged.ranges[r] * size);
        row += count;
      }
      return to;
    };
    const [pagedK, pagedV] = [copy(k), copy(v)];
    const three = store(new Float64Array(3 * H * E), storage);
    three.set(q, H * E);
    expectSameOnAnyThreads(() => {
      const y = unset(3 * H * E, storage);
      const queries = Int32Array.of(0, 1, 2, 3);
      const { ranges, starts } = paged;
      decodingAttention.run(three, pagedK, pagedV, queries, ranges, starts, ...shape, null, y);
      expect(y.slice(H * E, 2 * H * E)).toEqual(want);
      return [y];
    });
  });
});

test('scores far apart, and one that is no number', () => {
  const [q, y] = [Float32Array.of(1), new Float32Array(1)];
  const run = (k: Float32Array) =>
    decodingAttention.run(
      ...([q, k, Float32Array.of(1, 2), Int32Array.of(0, 1), Int32Array.of(0, 2)] as const),
      ...([Int32Array.of(0, 1), 1, 1, 1, 1, null, y] as const),
    );
  run(Float32Array.of(500, -500));
  expect(y[0]).toBe(1);
  run(Float32Array.of(-500, 500));
  expect(y[0]).toBe(2);
  run(Float32Array.of(Number.NaN, 0));
  expect(y[0]).toBeNaN();
});

test('ranges outside the cache, ranges that are not there and two queries of a segment are refused', () => {
  const rows = new Float32Array(4);
  const run = (queries: number, first: number, ranges = 1) =>
    decodingAttention.run(
      ...([new Float32Array(queries), rows, rows, Int32Array.of(0, queries)] as const),
      ...([Int32Array.of(first, 2), Int32Array.of(0, ranges), 1, 1, 1, 1, null] as const),
      new Float32Array(queries),
    );
  expect(() => run(1, 3)).toThrow('a range names rows beyond the 4 of the keys');
  expect(() => run(1, -1)).toThrow('a range names rows beyond the 4 of the keys');
  expect(() => run(1, 0, 2)).toThrow('segments name queries or ranges that are not there');
  expect(() => run(2, 0)).toThrow('one query at most');
  run(1, 2);
});
