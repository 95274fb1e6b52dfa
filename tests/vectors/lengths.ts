/** @file Vectors of lengths alone: how prompt and reply share a row, how turns are cut, how rows are packed. */
import { ignored, inferLengths, labelTurns } from '../../src/data/labels.ts';
import { knapsack, packRows } from '../../src/data/pack.ts';
import { compare } from './compare.ts';
import { listOf, numbersOf, rowsOf, type Vector } from './vector.ts';

export function checkInferSeqlen(vector: Vector): void {
  for (const [i, row] of listOf(vector.rows).entries()) {
    const [source = 0, target = 0, cutoff = 0, ...kept] = numbersOf(row);
    const ours = inferLengths(source, target, cutoff);
    compare(`rows[${i}]`, kept, [ours.source, ours.target]);
  }
}

export function checkKnapsack(vector: Vector): void {
  for (const [i, row] of rowsOf(vector).entries()) {
    const lengths = numbersOf(row.lengths);
    const packs = packRows(lengths, Number(row.capacity));
    compare(`rows[${i}].bins`, row.bins, knapsack(lengths, Number(row.capacity)));
    compare(
      `rows[${i}], as rows`,
      row.bins,
      packs.map((pack) => pack.map((at) => lengths[at])),
    );
    const each = packs.flat().sort((a, b) => a - b);
    compare(
      `rows[${i}], each once`,
      lengths.map((_, at) => at),
      each,
    );
  }
}

/** A token says its chunk (1 is the prompt of turn 0, 2 its reply, 3 the prompt of turn 1, …) and its place there. */
const tokenOf = (chunk: number, at: number): number => chunk * 100_000 + at;
const stop = 99_999;

export function checkTruncation(vector: Vector): void {
  for (const [i, row] of rowsOf(vector).entries()) {
    const what = `rows[${i}]`;
    const efficient = row.efficient_eos === true;
    const chunk = (index: number, length: number): Int32Array =>
      Int32Array.from({ length }, (_, at) => tokenOf(index, at));
    const turns = listOf(row.turns).map((lengths, turn) => {
      const [source = 0, target = 0] = numbersOf(lengths);
      return {
        source: chunk(2 * turn + 1, source),
        target: chunk(2 * turn + 2, target),
        learned: target,
      };
    });
    const { ids, labels, kept, truncated } = labelTurns(turns, {
      cutoff: Number(row.cutoff_len),
      maskHistory: row.mask_history === true,
      trainOnPrompt: row.train_on_prompt === true,
      efficientEos: efficient ? stop : undefined,
    });
    compare(
      `${what}.kept`,
      row.kept,
      kept.map(({ source, target }) => [source, target]),
    );
    compare(`${what}.total`, row.total, ids.length);
    const whole = turns.reduce((sum, { source, target }) => sum + source.length + target.length, 0);
    compare(`${what}, what is cut off`, whole + (efficient ? 1 : 0) - ids.length, truncated);
    const written = efficient ? ids.subarray(0, -1) : ids;
    const order = [...written].map((id) => Math.floor(id / 100_000));
    compare(`${what}.order`, row.order, [...new Set(order)]);
    compare(`${what}.labels`, row.labels, runsOf(ids, labels));
  }
}

function runsOf(ids: Int32Array, labels: Int32Array): readonly (readonly [string, number])[] {
  const runs: [string, number][] = [];
  for (const [i, id] of ids.entries()) {
    const label = labels[i] ?? ignored;
    const kind = label === ignored ? 'ignore' : label === id ? 'self' : 'eos';
    const last = runs.at(-1);
    if (last?.[0] === kind) last[1]++;
    else runs.push([kind, 1]);
  }
  return runs;
}
