import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { type GgufValue, isGgufArray, openGguf } from './gguf.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Written by llama.cpp's Python package: `tests/golden/files.py`. */
const golden = fileURLToPath(new URL('../../tests/golden/files/sample.gguf', import.meta.url));

const plain = (value: GgufValue): unknown =>
  isGgufArray(value) ? value.values().map(plain) : value;

test('all kinds of metadata are read', () => {
  const { version, metadata } = openGguf(golden);
  expect(version).toBe(3);
  const values = Object.fromEntries([...metadata].map(([key, value]) => [key, plain(value)]));
  expect(values).toEqual({
    'general.architecture': 'llama',
    't.u8': 200,
    't.i8': -100,
    't.u16': 60000,
    't.i16': -30000,
    't.u32': 4_000_000_000,
    't.i32': -2_000_000_000,
    't.f32': Math.fround(1e-5),
    't.bool': true,
    't.text': 'héllo 😀',
    't.u64': 2n ** 63n + 1n,
    't.i64': -5,
    't.f64': 0.1,
    't.texts': ['one', '', 'zwölf'],
    't.numbers': [1, -2, 3],
    't.floats': [0.5, -0.25],
  });
});

test('tensors have their type, shape and bytes', () => {
  const { tensors } = openGguf(golden);
  expect([...tensors.values()].map(({ bytes, ...rest }) => [rest, bytes.length])).toEqual([
    [{ name: 'plain', type: 'F32', shape: [3, 64] }, 768],
    [{ name: 'half', type: 'F16', shape: [3, 64] }, 384],
    [{ name: 'brain', type: 'BF16', shape: [3, 64] }, 384],
    [{ name: 'four', type: 'Q4_1', shape: [3, 64] }, 120],
    [{ name: 'eight', type: 'Q8_0', shape: [3, 64] }, 204],
  ]);
});

/** A hand-made file: each part can be made wrong. */
function write(parts: {
  magic?: string;
  version?: number;
  tensors?: bigint;
  entries?: readonly Buffer[];
  count?: bigint;
  infos?: readonly Buffer[];
  data?: number;
}): string {
  const { entries = [], infos = [], data = 64 } = parts;
  const head = Buffer.concat([
    Buffer.from(parts.magic ?? 'GGUF'),
    u32(parts.version ?? 3),
    u64(parts.tensors ?? BigInt(infos.length)),
    u64(parts.count ?? BigInt(entries.length)),
    ...entries,
    ...infos,
  ]);
  const path = join(folder, 'hostile.gguf');
  const padded = Buffer.alloc(Math.ceil(head.length / 32) * 32);
  head.copy(padded);
  writeFileSync(path, Buffer.concat([padded, Buffer.alloc(data)]));
  return path;
}
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const text = (value: string) => Buffer.concat([u64(BigInt(value.length)), Buffer.from(value)]);
const entry = (key: string, type: number, ...value: Buffer[]) =>
  Buffer.concat([text(key), u32(type), ...value]);
const info = (name: string, sizes: bigint[], type: number, offset: bigint) =>
  Buffer.concat([text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(offset)]);
const refusal = (path: string): TuneryError => {
  try {
    openGguf(path);
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('no error');
};

test('a hand-made file is sound, so that the refusals below have one reason each', () => {
  const path = write({
    version: 2,
    entries: [entry('a', 4, u32(7))],
    infos: [info('x', [4n, 2n], 0, 0n), info('y', [32n], 8, 32n)],
    data: 66,
  });
  const { metadata, tensors } = openGguf(path);
  expect(metadata.get('a')).toBe(7);
  expect(tensors.get('x')!.shape).toEqual([2, 4]);
});

test.each<[string, Parameters<typeof write>[0], string | undefined, RegExp]>([
  ['another format', { magic: 'GGML' }, undefined, /does not begin with `GGUF`/],
  ['version 1', { version: 1 }, undefined, /its version is 1/],
  ['big-endian', { version: 0x03000000 }, undefined, /it is big-endian/],
  ['a billion tensors', { tensors: 1n << 60n }, undefined, /tensors: 1152921504606846976 claimed/],
  ['a billion entries', { count: 1n << 60n }, undefined, /metadata entries: .* claimed/],
  [
    'a text beyond the file',
    { entries: [Buffer.concat([u64(1n << 40n), Buffer.alloc(40)])] },
    undefined,
    /entry 0 of the metadata: 1099511627776 claimed/,
  ],
  [
    'an array beyond the file',
    { entries: [entry('a', 9, u32(4), u64(1n << 61n))] },
    undefined,
    /a: 2305843009213693952 claimed/,
  ],
  [
    'an array of arrays without end',
    { entries: [entry('a', 9, ...Array.from({ length: 9 }, () => [u32(9), u64(1n)]).flat())] },
    'a',
    /nested more than 4 deep/,
  ],
  [
    'an unknown kind of value',
    { entries: [entry('a', 13, u64(0n))] },
    'a',
    /its type 13 is none of GGUF/,
  ],
  [
    'one key twice',
    { entries: [entry('a', 4, u32(7)), entry('a', 4, u32(7))] },
    'a',
    /stands twice/,
  ],
  [
    'one tensor twice',
    { infos: [info('x', [4n], 0, 0n), info('x', [4n], 0, 32n)] },
    'x',
    /stands twice/,
  ],
  [
    'overlapping tensors',
    { infos: [info('x', [16n], 0, 0n), info('y', [4n], 0, 32n)] },
    'y',
    /it overlaps `x`/,
  ],
  ['a tensor beyond the file', { infos: [info('x', [16n], 0, 32n)] }, 'x', /has only 64 of them/],
  [
    'an offset far outside',
    { infos: [info('x', [4n], 0, 1n << 62n)] },
    'x',
    /lies outside the file/,
  ],
  [
    'sizes whose product overflows',
    { infos: [info('x', [1n << 32n, 1n << 32n], 0, 0n)] },
    'x',
    /claims 73786976294838206464 bytes/,
  ],
  ['a crooked offset', { infos: [info('x', [4n], 0, 4n)] }, 'x', /no multiple of 32/],
  ['half a block', { infos: [info('x', [40n], 8, 0n)] }, 'x', /no whole blocks of 32 \(Q8_0\)/],
  ['nine dimensions', { infos: [info('x', Array(9).fill(1n), 0, 0n)] }, 'x', /claims 9 dimensions/],
  [
    'a part of a split',
    { entries: [entry('split.count', 2, Buffer.from([3, 0]))] },
    'split.count',
    /one of 3 parts/,
  ],
  [
    'an odd alignment',
    { entries: [entry('general.alignment', 4, u32(0))] },
    'general.alignment',
    /0 is no multiple of 8/,
  ],
])('%s is refused', (_, parts, key, message) => {
  const error = refusal(write(parts));
  expect(error.code).toBe('files/gguf');
  expect(error.message).toMatch(message);
  expect(error.place?.key).toBe(key);
});

test('a type that cannot be read is named', () => {
  const error = refusal(write({ infos: [info('blk.0.x', [256n], 16, 0n)] }));
  expect(error).toMatchObject({ code: 'files/gguf-unsupported' });
  expect(error.message).toBe('tensor `blk.0.x` is stored as IQ2_XXS, which cannot be read yet');
});

test('truncated or flipped bytes give a sound file or an error of ours, never another failure', () => {
  const bytes = readFileSync(golden);
  const path = join(folder, 'damaged.gguf');
  const sound = () => {
    try {
      for (const value of openGguf(path).metadata.values()) plain(value);
    } catch (error) {
      expect(error).toBeInstanceOf(TuneryError);
      return false;
    }
    return true;
  };
  // The last 20 bytes pad the last tensor.
  for (let length = 0; length < bytes.length - 32; length += 13) {
    writeFileSync(path, bytes.subarray(0, length));
    expect(sound()).toBe(false);
  }
  fc.assert(
    fc.property(fc.nat(900), fc.nat(255), (at, value) => {
      writeFileSync(path, bytes.with(at, value));
      sound();
    }),
    { seed: 5, numRuns: 400 },
  );
});
