import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { openSafetensors, openWeights, writeSafetensors } from './safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Written by the reference library: `tests/golden/files.py`. */
const golden = fileURLToPath(
  new URL('../../tests/golden/files/sample.safetensors', import.meta.url),
);

const listed = (path: string) =>
  [...openSafetensors(path).tensors].map(([name, { bytes, ...rest }]) => ({
    name,
    ...rest,
    bytes,
  }));

test("the reference library's file is read", () => {
  const { metadata, tensors } = openSafetensors(golden);
  expect(metadata).toEqual({ format: 'pt', note: 'é "quoted"' });
  expect(tensors.size).toBe(14);
  expect(tensors.get('é')).toMatchObject({ dtype: 'F32', shape: [] });
  expect(Buffer.from(tensors.get('é')!.bytes).readFloatLE(0)).toBe(1.5);
  expect(tensors.get('10')!.dtype).toBe('I64');
  expect(Buffer.from(tensors.get('10')!.bytes).readBigInt64LE(0)).toBe(2n ** 53n + 1n);
  expect(tensors.get('d')).toMatchObject({ shape: [0, 3], bytes: new Uint8Array(0) });
  expect([...tensors.get('g')!.bytes]).toEqual([1, 0, 1, 1, 0]);
});

test('our file is the same as the reference library’s, byte for byte', () => {
  const path = join(folder, 'same.safetensors');
  writeSafetensors(path, listed(golden).reverse(), openSafetensors(golden).metadata);
  expect(readFileSync(path).equals(readFileSync(golden))).toBe(true);
});

test('a tensor can be drawn in pieces; a wrong number of bytes leaves no file', () => {
  const path = join(folder, 'pieces.safetensors');
  const half = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const tensor = { name: 'x', dtype: 'I32', shape: [3], bytes: () => [half, half] };
  writeSafetensors(path, [tensor]);
  expect([...openSafetensors(path).tensors.get('x')!.bytes]).toEqual([...half, ...half]);
  const before = readFileSync(path);
  expect(() => writeSafetensors(path, [{ ...tensor, bytes: () => [half] }])).toThrow(
    /6 bytes given for 12/,
  );
  expect(() => writeSafetensors(path, [{ ...tensor, bytes: half }])).toThrow(
    /6 bytes given for 12/,
  );
  expect(() => writeSafetensors(path, [tensor, tensor])).toThrow(/stands twice/);
  expect(() => writeSafetensors(path, [{ ...tensor, dtype: 'F33' }])).toThrow(/no dtype/);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
});

const file = (header: string, data: number, claim = Buffer.byteLength(header)): string => {
  const path = join(folder, 'hostile.safetensors');
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(claim));
  writeFileSync(path, Buffer.concat([start, Buffer.from(header), Buffer.alloc(data)]));
  return path;
};
const refusal = (path: string): TuneryError => {
  try {
    openSafetensors(path);
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('no error');
};
const entry = (begin: number, end: number, more = '') =>
  `{"dtype":"F32","shape":[${(end - begin) / 4}],"data_offsets":[${begin},${end}]${more}}`;

test.each([
  [
    'a header beyond the file',
    '{}',
    0,
    5000,
    undefined,
    /claims 5000 bytes, but the file ends after 2/,
  ],
  ['a huge header', '{}', 0, Number.MAX_SAFE_INTEGER, undefined, /claims 9007199254740991 bytes/],
  [
    'overlapping tensors',
    `{"a":${entry(0, 8)},"b":${entry(4, 12)}}`,
    12,
    undefined,
    'b',
    /it overlaps `a`/,
  ],
  [
    'twice the same bytes',
    `{"a":${entry(0, 8)},"b":${entry(0, 8)}}`,
    8,
    undefined,
    'b',
    /it overlaps `a`/,
  ],
  [
    'a hole',
    `{"a":${entry(0, 4)},"b":${entry(8, 12)}}`,
    12,
    undefined,
    'b',
    /before it 4 bytes belong to nothing/,
  ],
  [
    'a rest',
    `{"a":${entry(0, 4)}}`,
    12,
    undefined,
    undefined,
    /its last 8 bytes belong to no tensor/,
  ],
  [
    'an end outside',
    `{"a":${entry(0, 8)}}`,
    4,
    undefined,
    'a',
    /has only 4 of them \(is it incomplete\?\)/,
  ],
  [
    'a shape that lies',
    '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}',
    8,
    undefined,
    'a',
    /F32 of shape \[3\] takes 12 bytes, but its offsets span 8/,
  ],
  [
    'a shape that overflows',
    '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}',
    0,
    undefined,
    'a',
    /takes 73786976294838206464 bytes/,
  ],
  [
    'negative sizes',
    '{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}',
    8,
    undefined,
    'a',
    /not a list of sizes/,
  ],
  [
    'offsets the wrong way round',
    '{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}',
    4,
    undefined,
    'a',
    /before it begins/,
  ],
  [
    'offsets with a fraction',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4]}}',
    4,
    undefined,
    'a',
    /not two offsets/,
  ],
  [
    'offsets of 20 digits',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551620]}}',
    4,
    undefined,
    'a',
    /not two offsets/,
  ],
  [
    'an unknown dtype',
    '{"a":{"dtype":"BF61","shape":[1],"data_offsets":[0,4]}}',
    4,
    undefined,
    'a',
    /did you mean `BF16`/,
  ],
  [
    'one name twice',
    `{"a":${entry(0, 4)},"a":${entry(4, 8)}}`,
    8,
    undefined,
    undefined,
    /the key "a" stands twice/,
  ],
  ['broken JSON', '{"a":{', 0, undefined, undefined, /its header is broken: not valid JSON/],
  ['no object', '[]', 0, undefined, undefined, /its header is no object/],
  ['deep nesting', '['.repeat(5000), 0, undefined, undefined, /nested/],
  [
    'metadata that is no text',
    '{"__metadata__":{"a":1}}',
    0,
    undefined,
    '__metadata__',
    /`a` is no text/,
  ],
])('%s is refused', (_, header, data, claim, tensor, message) => {
  const error = refusal(file(header, data, claim));
  expect(error.code).toBe('files/safetensors');
  expect(error.place?.file).toMatch(/hostile\.safetensors$/);
  expect(error.place?.key).toBe(tensor);
  expect(error.message).toMatch(message);
});

test('every truncation of a sound file is refused', () => {
  const path = join(folder, 'short.safetensors');
  const bytes = readFileSync(golden);
  writeFileSync(path, bytes);
  for (let length = bytes.length - 1; length >= 0; length -= length > 20 ? 7 : 1) {
    truncateSync(path, length);
    expect(refusal(path).code).toBe('files/safetensors');
  }
});

test('no file, a folder, and a device are errors', () => {
  expect(refusal(join(folder, 'none')).code).toBe('files/missing');
  expect(refusal(folder).code).toBe('files/not-readable');
  expect(refusal('/dev/null').code).toBe('files/not-readable');
});

test('a folder of shards is one set of weights', () => {
  const sharded = mkdtempSync(join(folder, 'shards-'));
  const f32 = (name: string, ...values: number[]) => ({
    name,
    dtype: 'F32',
    shape: [values.length],
    bytes: new Uint8Array(Float32Array.from(values).buffer),
  });
  const map = (weights: Record<string, unknown>) =>
    writeFileSync(
      join(sharded, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: weights }),
    );
  writeSafetensors(join(sharded, 'one.safetensors'), [f32('a', 1), f32('stray', 9)]);
  writeSafetensors(join(sharded, 'two.safetensors'), [f32('b', 2, 3)]);
  map({ a: 'one.safetensors', b: 'two.safetensors' });
  const weights = openWeights(sharded);
  expect(weights.names()).toEqual(['a', 'b']);
  expect(new Float32Array(weights.get('b').bytes.slice().buffer)).toEqual(Float32Array.of(2, 3));
  expect(() => weights.get('bb')).toThrow(/no tensor `bb` \(did you mean `b`\?\)/);

  map({ a: 'two.safetensors' });
  expect(() => openWeights(sharded)).toThrow(/`two.safetensors`, which does not have it/);
  map({ a: 'three.safetensors' });
  expect(() => openWeights(sharded)).toThrow(/three.safetensors` does not exist/);
  map({ a: '../one.safetensors' });
  expect(() => openWeights(sharded)).toThrow(/is not the name of a file beside it/);
});

test('a folder without weights says what it has', () => {
  const empty = mkdtempSync(join(folder, 'empty-'));
  expect(() => openWeights(empty)).toThrow(/no weights in/);
  writeFileSync(join(empty, 'pytorch_model.bin'), 'x');
  expect(() => openWeights(empty)).toThrow(/only pytorch_model.bin \(1 B\)/);
  expect(() => openWeights(join(empty, 'none'))).toThrow(/does not exist/);
  expect(statSync(empty).isDirectory()).toBe(true);
});
