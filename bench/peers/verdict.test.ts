import { expect, test } from 'vitest';
import type { Step } from '../steps.ts';
import { faultsOf } from './verdict.ts';

const step = (changes: Partial<Step> = {}): Step => ({
  loss: 2,
  gradNorm: 1,
  ended: 0,
  read: 100,
  supervised: 80,
  ...changes,
});
const reference = [step(), step({ loss: 1.9 })];

test('the same work counts', () => {
  expect(faultsOf([step({ loss: 2.0004 }), step({ loss: 1.8996 })], reference, 1e-3)).toEqual([]);
  expect(faultsOf([step({ loss: 9 }), step()], reference, undefined)).toEqual([]);
});

test.each<[string, Step[], RegExp]>([
  ['other losses', [step(), step({ loss: 1.9011 })], /losses differ by up to 0\.00110/],
  ['a loss that is no number', [step({ loss: Number.NaN }), step({ loss: 1.9 })], /NaN/],
  ['other tokens', [step({ read: 99 }), step({ loss: 1.9 })], /step 1 had 99 tokens/],
  ['other targets', [step(), step({ loss: 1.9, supervised: 81 })], /step 2 had .* 81 supervised/],
  ['nothing learned', [step({ gradNorm: 0 }), step({ loss: 1.9 })], /step 1 learned nothing/],
  ['other steps', [step()], /1 steps, and the reference has 2/],
])('%s: refused', (_, steps, fault) => {
  expect(faultsOf(steps, reference, 1e-3).join()).toMatch(fault);
});
