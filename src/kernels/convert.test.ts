import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeBf16, encodeBf16 } from './bf16.ts';
import { type BlockType, blockSizes } from './blocks.ts';
import { dequantize, toBf16, toF16, toF32 } from './convert.ts';
import { expectSameOnAnyThreads, numbers } from './testing.ts';

/** All 65,536 halves. */
const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The bits of f32 numbers, all NaNs alike. */
const bits = (x: Float32Array): Uint32Array => {
  const words = new Uint32Array(x.buffer, x.byteOffset, x.length).slice();
  for (let i = 0; i < x.length; i++) if (Number.isNaN(x[i])) words[i] = 0x7fc00000;
  return words;
};

test('every IEEE half and every bf16 decodes exactly', () => {
  const y = new Float32Array(65536);
  toF32.run(halves, 'F16', y);
  const data = new DataView(halves.buffer);
  expect(bits(y)).toEqual(bits(Float32Array.from(halves, (_, i) => data.getFloat16(2 * i, true))));
  toF32.run(halves, 'BF16', y);
  expect(bits(y)).toEqual(bits(Float32Array.from(halves, decodeBf16)));
});

test('bytes may begin at any place', () => {
  const x = Float32Array.from(numbers(1001, 1));
  const shifted = new Uint8Array(x.byteLength + 1);
  shifted.set(new Uint8Array(x.buffer), 1);
  const y = new Float32Array(x.length);
  toF32.run(shifted.subarray(1), 'F32', y);
  expect(y).toEqual(x);
});

describe('rounding to', () => {
  /** Around every half-way point, both zeros, the limits, and what is beyond them. */
  const cases = [
    ...[0, -0, 1e-8, 2 ** -25, 2 ** -24, 3 * 2 ** -25, 5.9e-8, 6.1e-5, 6.0976e-5, 65504, 65519.99],
    ...[65520, 65536, 3.39e38, 3.4028235e38, Number.POSITIVE_INFINITY, 1e-40, 1e-45],
    ...Array.from({ length: 4097 }, (_, i) => 1 + i / 4096),
    ...Array.from({ length: 2049 }, (_, i) => (i / 2048) * 2 ** -14),
    ...numbers(20_000, 3, -70_000, 70_000),
  ];
  const x = Float32Array.from([...cases, ...cases.map((v) => -v)]);

  test('bf16 is to nearest even', () => {
    const y = new Uint16Array(x.length);
    toBf16.run(x, y);
    const exact = new Uint16Array(x.length);
    toBf16.reference(x, exact);
    expect(y).toEqual(exact);
    expect(encodeBf16(1 + 2 ** -8)).toBe(encodeBf16(1));
    expect(encodeBf16(1 + 3 * 2 ** -8)).toBe(encodeBf16(1 + 2 ** -6));
    expect(decodeBf16(encodeBf16(Number.NaN))).toBeNaN();
  });

  test('half precision is to nearest even', () => {
    const y = new Uint16Array(x.length);
    toF16.run(x, y);
    const exact = new Uint16Array(x.length);
    toF16.reference(x, exact);
    expect(y).toEqual(exact);
  });

  test('NaN stays NaN, and what a half holds comes back', () => {
    const numbers = new Float32Array(65536);
    const y = new Uint16Array(65536);
    toF32.run(halves, 'F16', numbers);
    toF16.run(numbers, y);
    const nan = (half: number) => (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0;
    expect(halves.every((half, i) => (nan(half) ? nan(y[i]) : y[i] === half))).toBe(true);
  });
});

describe('GGUF blocks decode bit for bit as the gguf package decodes them', () => {
  // Written by tests/golden/gguf_blocks.py.
  const golden = JSON.parse(
    readFileSync(new URL('../../tests/golden/gguf-blocks.json', import.meta.url), 'utf8'),
  );
  const decoded = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

  const types = Object.keys(blockSizes).filter((type): type is BlockType => type !== 'F32');

  test.each(types)('%s', (type) => {
    const bytes = decoded(golden.types[type].bytes);
    const expected = new Float32Array(decoded(golden.types[type].numbers).buffer);
    for (const dequantized of [dequantize.run, dequantize.reference]) {
      const y = new Float32Array(
        (bytes.length / blockSizes[type].bytes) * blockSizes[type].elements,
      );
      dequantized(bytes, type, y);
      expect(bits(y)).toEqual(bits(expected));
    }
  });
});

test('any number of threads gives the same bits', () => {
  const bytes = Uint8Array.from(numbers(34 * 3000, 1, 0, 120));
  expectSameOnAnyThreads(() => {
    const y = new Float32Array(32 * 3000);
    dequantize.run(bytes, 'Q8_0', y);
    const half = new Uint16Array(y.length);
    toBf16.run(y, half);
    return [y, half];
  });
});

test('unknown types and lengths that do not fit are refused', () => {
  const y = new Float32Array(32);
  expect(() => dequantize.run(new Uint8Array(33), 'Q8_0', y)).toThrow(/33 elements where 34/);
  expect(() => dequantize.run(new Uint8Array(34), 'Q8_0', y.subarray(1))).toThrow(
    /no whole blocks/,
  );
  // A type that the signature does not admit, as a file might name it.
  expect(() => Reflect.apply(dequantize.run, null, [new Uint8Array(34), 'Q9_K', y])).toThrow(
    /Q9_K/,
  );
});
