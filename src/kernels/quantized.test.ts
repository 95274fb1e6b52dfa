import { describe, expect, test } from 'vitest';
import { encodeBf16 } from './bf16.ts';
import { expand } from './convert.ts';
import { Quantized } from './quantized.ts';
import { gatherRows } from './rows.ts';
import { expectSameOnAnyThreads } from './testing.ts';
import { columnsOf, quantizedTypes, randomQuantized } from './testing-quantized.ts';

const forms = quantizedTypes.flatMap((type) => {
  const nested = type === 'NF4' || type === 'FP4' ? [false, true] : [false];
  return nested.map((nested) => ({ type, nested }));
});

describe.each(forms)('$type (nested: $nested)', ({ type, nested }) => {
  const unit = columnsOf(type);
  /** Rows that end inside a block, and begin at odd places, where a type allows it. */
  const widths = unit === 1 ? [1, 7, 33, 64, 127, 128, 576] : [unit, 3 * unit];

  test('rust decodes what the twin decodes, bit for bit', () => {
    for (const columns of widths) {
      for (const rows of [1, 2, 5, 61]) {
        const x = randomQuantized(type, rows, columns, 7 * rows + columns, { nested });
        const y = new Float32Array(x.length).fill(Number.NaN);
        expand.run(x, y);
        expect(y).toEqual(x.numbers());
        const half = new Uint16Array(x.length);
        expand.run(x, half);
        expect(half).toEqual(Uint16Array.from(y, encodeBf16));
      }
    }
  });

  test('rows can be gathered, and no number of threads changes a bit', () => {
    const columns = widths[widths.length - 1];
    const x = randomQuantized(type, 300, columns, 3, { nested });
    const all = x.numbers();
    const indices = Int32Array.from({ length: 200 }, (_, i) => (i * 37) % 300);
    expectSameOnAnyThreads(() => {
      const y = new Float32Array(indices.length * columns);
      gatherRows.run(x, indices, y);
      for (const [i, row] of indices.entries()) {
        const at = row * columns;
        expect(y.subarray(i * columns, (i + 1) * columns)).toEqual(all.slice(at, at + columns));
      }
      return [y];
    });
  });

  test('rows of whole blocks are seen without a copy', () => {
    const columns = Math.max(unit, 64);
    // 256 blocks of 64 share a scale of the second level.
    const x = randomQuantized(type, 768, columns, 5, { nested });
    const [from, to] = [256 * columns, 512 * columns];
    const part = x.subarray(from, to);
    expect(part.bytes.buffer).toBe(x.bytes.buffer);
    expect(part.numbers()).toEqual(x.numbers().slice(from, to));
    const y = new Float32Array(part.length);
    expand.run(part, y);
    expect(y).toEqual(part.numbers());
    expect(x.subarray(from).numbers()).toEqual(x.numbers().slice(from));
    expect(() => x.subarray(1)).toThrow(/do not begin at 1/);
  });

  test('a matrix without rows has no numbers', () => {
    const x = randomQuantized(type, 0, unit, 1, { nested });
    expand.run(x, new Float32Array(0));
    expect(x.length).toBe(0);
  });

  test('codes that do not fit the shape are refused', () => {
    const x = randomQuantized(type, 2, 4 * unit, 1, { nested });
    const short = new Quantized({ ...x, bytes: x.bytes.subarray(1) });
    expect(() => expand.run(short, new Float32Array(x.length))).toThrow(/bytes/);
  });
});
