import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type MixStrategy, mixRows } from './mix.ts';
import { splitRows } from './order-rows.ts';
import type { RawRow } from './raw-row.ts';
import { streamRows } from './stream-rows.ts';

const cases = <Case extends z.ZodType>(shape: Case) => z.object({ cases: z.array(shape) });

const golden = z
  .object({
    interleave: cases(
      z.object({
        lengths: z.array(z.int()),
        strategy: z.enum(['interleave_under', 'interleave_over', 'interleave_once']),
        probs: z.array(z.number()).nullable(),
        seed: z.int(),
        rows: z.array(z.tuple([z.int(), z.int()])),
      }),
    ),
    split: cases(
      z.object({
        rows: z.int(),
        size: z.number(),
        seed: z.int(),
        train: z.array(z.int()),
        eval: z.array(z.int()),
      }),
    ),
    stream: cases(
      z.object({
        rows: z.int(),
        buffer: z.int(),
        seed: z.int(),
        epochs: z.array(z.array(z.int())),
      }),
    ),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../../tests/golden/mixtures.json', import.meta.url), 'utf8')),
  );

function mixed(
  lengths: readonly number[],
  strategy: MixStrategy,
  probs: readonly number[] | null,
  seed: number,
): [number, number][] {
  const rows: [number, number][] = [];
  mixRows(lengths, strategy, probs, seed, (source, row) => rows.push([source, row]));
  return rows;
}

test.each(golden.interleave.cases)('$strategy of $lengths, shares $probs, seed $seed', (given) => {
  const { lengths, strategy, probs, seed, rows } = given;
  expect(mixed(lengths, strategy, probs, seed)).toEqual(rows);
});

test('concat is one after the other', () => {
  expect(mixed([2, 1], 'concat', null, 42)).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
  ]);
});

test.each(golden.split.cases)('val_size $size of $rows rows, seed $seed', (given) => {
  const order = Uint32Array.from({ length: given.rows }, (_, i) => i);
  const { train, eval: held } = splitRows(order, given.eval.length, given.seed);
  expect([...train]).toEqual(given.train);
  expect([...held]).toEqual(given.eval);
});

describe('streams', () => {
  const source =
    (count: number, index = 0) =>
    (): Iterator<RawRow> =>
      Array.from({ length: count }, (_, row) => ({
        source: index,
        value: {},
        place: { file: '', row },
      })).values();
  const first = (rows: Iterable<RawRow>, count: number): [number, number][] =>
    Iterator.from(rows)
      .take(count)
      .map(({ source: from, place }): [number, number] => [from, place.row ?? -1])
      .toArray();
  const settings = {
    data_seed: 42,
    buffer_size: 1,
    mix_strategy: 'concat',
    interleave_probs: null,
  } as const;

  test.each(golden.stream.cases)('buffer of $buffer among $rows rows, epoch by epoch', (given) => {
    const stream = streamRows([source(given.rows)], {
      ...settings,
      data_seed: given.seed,
      buffer_size: given.buffer,
    });
    const rows = first(stream, 3 * given.rows).map(([, row]) => row);
    expect(rows).toEqual(given.epochs.flat());
  });

  test('no more is read than is asked for', () => {
    let read = 0;
    const endless = function* (): Generator<RawRow> {
      for (;;) yield { source: 0, value: {}, place: { file: '', row: read++ } };
    };
    first(streamRows([endless], { ...settings, buffer_size: 100 }), 50);
    expect(read).toBe(150);
  });

  test('interleaved in turn, until the first is at its end; and then anew', () => {
    const reads = [source(2, 0), source(3, 1)];
    const under = { ...settings, mix_strategy: 'interleave_under' } as const;
    expect(first(streamRows(reads, under), 6)).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
      [1, 0],
      [0, 1],
    ]);
    const once = { ...settings, mix_strategy: 'interleave_once' } as const;
    expect(first(streamRows(reads, once), 5)).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
      [1, 2],
    ]);
  });

  test('rows that are none end it', () => {
    expect(first(streamRows([source(0)], settings), 3)).toEqual([]);
  });
});
