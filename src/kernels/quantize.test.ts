import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { expand } from './convert.ts';
import { dynamicMap, nestScales, quantizeFourBit, quantizeRows } from './quantize.ts';
import { fourBitBlock, nestedBlock, Quantized } from './quantized.ts';
import { expectSameOnAnyThreads, numbers } from './testing.ts';
import { randomQuantized } from './testing-quantized.ts';

// Written by tests/golden/bnb_blocks.py.
const golden = JSON.parse(
  readFileSync(new URL('../../tests/golden/bnb-blocks.json', import.meta.url), 'utf8'),
);
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
const f32Of = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);
const bits = (x: Float32Array): Uint32Array => new Uint32Array(x.buffer, x.byteOffset, x.length);

const kernels = {
  rust: {
    quantizeFourBit: quantizeFourBit.run,
    nestScales: nestScales.run,
    quantizeRows: quantizeRows.run,
  },
  twin: {
    quantizeFourBit: quantizeFourBit.reference,
    nestScales: nestScales.reference,
    quantizeRows: quantizeRows.reference,
  },
};

describe.each(['rust', 'twin'] as const)('%s against bitsandbytes, bit for bit', (which) => {
  const kernel = kernels[which];

  test('codes and scales of NF4 and FP4 from f32, bf16 and f16', () => {
    for (const { type, source, length, bytes, codes, scales, numbers: expected } of golden.cases) {
      const name = `${type} of ${length} ${source}`;
      const own = new Uint8Array(Math.ceil(length / 2));
      const ownScales = new Float32Array(Math.ceil(length / fourBitBlock));
      kernel.quantizeFourBit(bytesOf(bytes), source, length, type, own, ownScales);
      expect(own, name).toEqual(bytesOf(codes));
      expect(bits(ownScales), name).toEqual(bits(f32Of(scales)));
      if (source !== 'F32') continue;
      const x = new Quantized({ type, rows: 1, columns: length, bytes: own, scales: ownScales });
      // Whether a zero has a sign depends on which of the package's decoders was taken: `===` does not look.
      const want = f32Of(expected);
      expect(
        x.numbers().every((each, i) => each === want[i]),
        name,
      ).toBe(true);
    }
  });

  test('scales in eight bits: the nearest, within one code of what its CPU library gives', () => {
    for (const { scales, offset, cpu, nearest, second } of golden.nested) {
      const plain = f32Of(scales);
      const codes = new Uint8Array(plain.length);
      const ownSecond = new Float32Array(Math.ceil(plain.length / nestedBlock));
      kernel.nestScales(plain, offset, dynamicMap, codes, ownSecond);
      expect(codes).toEqual(bytesOf(nearest));
      expect(bits(ownSecond)).toEqual(bits(f32Of(second)));
      const theirs = bytesOf(cpu);
      // Where all scales are equal the library divides by zero, and any code means the same.
      const counts = (i: number): boolean => ownSecond[Math.floor(i / nestedBlock)] > 0;
      const near = codes.every((code, i) => !counts(i) || Math.abs(code - theirs[i]) <= 1);
      expect(near).toBe(true);
    }
  });

  test('rows of signed bytes', () => {
    for (const { source, columns, bytes, codes, scales } of golden.rows) {
      const largest = f32Of(scales);
      const own = new Uint8Array(largest.length * columns);
      const ownScales = new Float32Array(largest.length);
      kernel.quantizeRows(bytesOf(bytes), source, columns, own, ownScales);
      expect(own).toEqual(bytesOf(codes));
      expect(ownScales).toEqual(largest.map((each) => each / 127));
    }
  });
});

test('the map of scales in eight bits is bitsandbytes’', () => {
  expect(bits(dynamicMap)).toEqual(bits(f32Of(golden.map)));
});

test('stored codes with scales in eight bits decode bit for bit', () => {
  for (const { length, codes, cpu, second, offset, numbers: expected } of golden.nested) {
    const nested = { codes: bytesOf(cpu), map: dynamicMap, scales: f32Of(second), offset };
    const bytes = bytesOf(codes);
    const x = new Quantized({ type: 'NF4', rows: 1, columns: length, bytes, nested });
    const y = new Float32Array(length);
    expand.run(x, y);
    const want = f32Of(expected);
    expect(bits(y.slice(-want.length))).toEqual(bits(want));
  }
});

test('rust is the twin on many tasks, from every kind of source, on any number of threads', () => {
  const length = 3 * 16384 + 777 * 64;
  const plain = Float32Array.from(numbers(length, 1, -3, 3));
  const half = new Uint16Array(length).map((_, i) => (i * 40503) & 0xbbff);
  const sources = [
    { bytes: plain, type: 'F32' },
    { bytes: half, type: 'F16' },
    { bytes: randomQuantized('Q4_1', 1, length, 2).bytes, type: 'Q4_1' },
  ] as const;
  for (const { bytes, type } of sources) {
    const codes = new Uint8Array(length / 2);
    const scales = new Float32Array(length / fourBitBlock);
    quantizeFourBit.reference(bytes, type, length, 'FP4', codes, scales);
    const rowCodes = new Uint8Array(length);
    const rowScales = new Float32Array(length / 192);
    quantizeRows.reference(bytes, type, 192, rowCodes, rowScales);
    expectSameOnAnyThreads(() => {
      const [own, ownScales] = [new Uint8Array(codes.length), new Float32Array(scales.length)];
      quantizeFourBit.run(bytes, type, length, 'FP4', own, ownScales);
      expect(Buffer.compare(own, codes)).toBe(0);
      expect(bits(ownScales)).toEqual(bits(scales));
      const [rows, ofRows] = [new Uint8Array(length), new Float32Array(rowScales.length)];
      quantizeRows.run(bytes, type, 192, rows, ofRows);
      expect(Buffer.compare(rows, rowCodes)).toBe(0);
      expect(bits(ofRows)).toEqual(bits(rowScales));
      return [own, ownScales, rows, ofRows];
    });
  }
});

test('empty matrices and buffers that do not fit', () => {
  const none = new Uint8Array(0);
  quantizeFourBit.run(none, 'F32', 0, 'NF4', none, new Float32Array(0));
  quantizeRows.run(none, 'F32', 8, none, new Float32Array(0));
  const [x, codes] = [new Float32Array(10), new Uint8Array(5)];
  expect(() => quantizeFourBit.run(x, 'F32', 10, 'NF4', codes, new Float32Array(2))).toThrow(
    /scales/,
  );
  expect(() => quantizeFourBit.run(x, 'F32', 9, 'NF4', codes, new Float32Array(1))).toThrow(
    /bytes/,
  );
});
