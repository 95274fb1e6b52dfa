import { expect, test } from 'vitest';
import { countTargets, ignored, labelTurns } from './labels.ts';
import { packRows } from './pack.ts';

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

test('of rows of one length the last is packed first', () => {
  expect(packRows([3, 3, 3], 6)).toEqual([[2, 1], [0]]);
});
