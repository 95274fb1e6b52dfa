import { expect, test } from 'vitest';
import { vectorsOf } from '../../tests/llamafactory-vectors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../files/json.ts';
import { countTargets, ignored, inferLengths, labelTurns, type Turn } from './labels.ts';
import { knapsack, packRows } from './pack.ts';

const list = (value: JsonValue | undefined): readonly JsonValue[] =>
  Array.isArray(value) ? value : [];
const numbers = (value: JsonValue | undefined): number[] => list(value).map(Number);
const rowsOf = (kind: string): JsonObject[] =>
  vectorsOf(kind)
    .flatMap((v) => list(v.rows))
    .filter(isJsonObject);

test('prompt and reply share the length as LLaMA-Factory has it', () => {
  const rows = vectorsOf('infer_seqlen')
    .flatMap((v) => list(v.rows))
    .map(numbers);
  expect(rows.length).toBeGreaterThan(100);
  for (const [source = 0, target = 0, cutoff = 0, ...kept] of rows) {
    const got = inferLengths(source, target, cutoff);
    expect([source, target, cutoff, got.source, got.target]).toEqual([
      source,
      target,
      cutoff,
      ...kept,
    ]);
  }
});

const eos = 1_000_000;

/** Token 1000·k + i is the i-th of chunk k: chunk 1 is the source of turn 0, chunk 2 its target, and so on. */
const turnsOf = (lengths: readonly number[][]): Turn[] =>
  lengths.map(([source = 0, target = 0], i) => ({
    source: Int32Array.from({ length: source }, (_, j) => 1000 * (2 * i + 1) + j),
    target: Int32Array.from({ length: target }, (_, j) => 1000 * (2 * i + 2) + j),
    learned: target,
  }));

test('turns are cut, ordered and labeled as LLaMA-Factory has it', () => {
  const rows = rowsOf('truncate_multiturn');
  expect(rows.length).toBeGreaterThan(50);
  for (const row of rows) {
    const turns = turnsOf(list(row.turns).map(numbers));
    const { ids, labels, kept, truncated } = labelTurns(turns, {
      cutoff: Number(row.cutoff_len),
      maskHistory: row.mask_history === true,
      trainOnPrompt: row.train_on_prompt === true,
      efficientEos: row.efficient_eos === true ? eos : undefined,
    });
    expect(kept.map(({ source, target }) => [source, target])).toEqual(row.kept);
    expect(ids.length).toBe(row.total);
    const order = [...ids].filter((id) => id !== eos).map((id) => Math.floor(id / 1000));
    expect([...new Set(order)]).toEqual(row.order);
    const runs: [string, number][] = [];
    for (const [i, label] of labels.entries()) {
      const kind = label === ignored ? 'ignore' : label === ids[i] ? 'self' : 'eos';
      if (kind === 'eos') expect(label).toBe(eos);
      if (runs.at(-1)?.[0] === kind) runs.at(-1)![1]++;
      else runs.push([kind, 1]);
    }
    expect(runs).toEqual(row.labels);
    const whole = turns.reduce((sum, turn) => sum + turn.source.length + turn.target.length, 0);
    expect(truncated).toBe(whole + (row.efficient_eos === true ? 1 : 0) - ids.length);
  }
});

test('what follows a stop token is not learned', () => {
  const turn = { source: Int32Array.of(1, 2), target: Int32Array.of(3, 4, 5), learned: 2 };
  const options = { cutoff: 99, maskHistory: false, trainOnPrompt: false, efficientEos: undefined };
  const { labels } = labelTurns([turn], options);
  expect([...labels]).toEqual([ignored, ignored, 3, 4, ignored]);
  expect(countTargets(labels)).toBe(2);
  expect([...labelTurns([turn], { ...options, trainOnPrompt: true }).labels]).toEqual([
    1, 2, 3, 4, 5,
  ]);
  // The first label of a document has no position before it that could predict it.
  expect(countTargets(Int32Array.of(1, 2, 3))).toBe(2);
});

test('packs are LLaMA-Factory’s', () => {
  const rows = rowsOf('knapsack');
  expect(rows.length).toBeGreaterThan(2);
  for (const row of rows) {
    const lengths = numbers(row.lengths);
    expect(knapsack(lengths, Number(row.capacity))).toEqual(row.bins);
    const packs = packRows(lengths, Number(row.capacity));
    expect(packs.map((pack) => pack.map((i) => lengths[i]))).toEqual(row.bins);
    expect(packs.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
  }
});

test('of rows of one length the last is packed first', () => {
  expect(packRows([3, 3, 3], 6)).toEqual([[2, 1], [0]]);
});
