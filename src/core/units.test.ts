import { expect, test } from 'vitest';
import { formatCount } from './units.ts';

test('counts are written as in English', () => {
  const values = [0, 7, 999, 1000, 12_345, 1_234_567, 1e15, -1000, -1, 0.5, 1234.5678, 1e-9];
  for (const value of values) expect(formatCount(value)).toBe(value.toLocaleString('en'));
});
