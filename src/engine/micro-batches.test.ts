import { describe, expect, test } from 'vitest';
import { apart, cutMicroBatches, layOut, type RepliesRow, type Row } from './micro-batches.ts';

const ids = (...values: number[]) => Int32Array.of(...values);

const pair: RepliesRow = {
  row: 7,
  prompt: ids(1, 2, 3),
  replies: [
    { ids: ids(4, 5), labels: ids(4, 5) },
    { ids: ids(6, 8, 9), labels: ids(-100, 8, 9) },
  ],
};
const row: Row = {
  row: 2,
  ids: ids(10, 11, 12),
  labels: ids(10, 11, 12),
  documents: ids(2, 1),
};

describe('replies that share a prompt', () => {
  const batch = layOut([row, pair]);

  test('lie end to end, their positions going on from the prompt’s', () => {
    expect([...batch.ids]).toEqual([10, 11, 12, 1, 2, 3, 4, 5, 6, 8, 9]);
    expect([...batch.positions]).toEqual([0, 1, 0, 0, 1, 2, 3, 4, 3, 4, 5]);
    expect([...batch.documents]).toEqual([0, 2, 3, 6, 8, 11]);
    expect([...batch.rowPositions]).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...batch.rowIds]).toEqual([2, 2, 2, 7, 7, 7, 7, 7, 7, 7, 7]);
  });

  test('read the prompt, then themselves', () => {
    expect(batch.keys).toEqual({
      ranges: ids(0, 2, 2, 1, 3, 3, 3, 3, 6, 2, 3, 3, 8, 3),
      starts: ids(0, 1, 2, 3, 5, 7),
    });
    expect(layOut([row]).keys).toBeUndefined();
  });

  test('are predicted by the prompt’s last position first', () => {
    expect([...batch.asked]).toEqual([0, 5, 6, 8, 9]);
    expect([...batch.targets]).toEqual([11, 4, 5, 8, 9]);
    expect([...batch.targetBounds]).toEqual([0, 1, 5]);
    expect([...batch.replyBounds]).toEqual([0, 1, 3, 5]);
  });

  test('count by their tokens', () => {
    expect(cutMicroBatches([row, pair, row], 11).map((cut) => cut.length)).toEqual([2, 1]);
    expect(cutMicroBatches([row, pair, row], 10).map((cut) => cut.length)).toEqual([1, 1, 1]);
  });

  test('ask for the same targets as apart', () => {
    const alone = layOut(apart(pair));
    const shared = layOut([pair]);
    expect(alone.targets).toEqual(shared.targets);
    expect(alone.replyBounds).toEqual(shared.replyBounds);
    const place = (of: typeof alone) =>
      Array.from(of.asked, (at) => [of.ids[at], of.positions[at]]);
    expect(place(alone)).toEqual(place(shared));
  });

  test('are documents like any where the prompt is empty', () => {
    const { keys, asked, documents } = layOut([{ ...pair, prompt: ids() }]);
    expect(keys?.ranges).toEqual(ids(0, 2, 2, 3));
    expect([...documents]).toEqual([0, 2, 5]);
    expect([...asked]).toEqual([0, 2, 3]);
  });
});
