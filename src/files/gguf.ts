/**
 * @file GGUF files, versions 2 and 3, mapped as they lie on disk
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). All counts, lengths and offsets are
 * checked against the file before anything is made of them.
 */
import { statSync } from 'node:fs';
import { mapFile } from '../native/memory.ts';
import { badGguf, notReadable, readFault, unsupportedGguf } from './errors.ts';

/** Block types that can be decoded: elements and bytes of one block. */
const blocks = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q8_0: { elements: 32, bytes: 34 },
  Q2_K: { elements: 256, bytes: 84 },
  Q3_K: { elements: 256, bytes: 110 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
  IQ4_NL: { elements: 32, bytes: 18 },
  IQ4_XS: { elements: 256, bytes: 136 },
} as const;

export type GgufType = keyof typeof blocks;

/** ggml's numbers for its types. */
const typeNames: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

export type GgufScalar = number | bigint | boolean | string;

/** An array of the metadata, decoded when asked for: a vocabulary has a hundred thousand texts. */
export type GgufArray = Iterable<GgufValue> & {
  readonly length: number;
  values(): readonly GgufValue[];
};
export type GgufValue = GgufScalar | GgufArray;

export type GgufTensor = {
  readonly name: string;
  readonly type: GgufType;
  /** Rows first, as numpy has it; the file itself has them the other way round. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
};

export type GgufFile = {
  readonly path: string;
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
};

export const isGgufArray = (value: GgufValue | undefined): value is GgufArray =>
  typeof value === 'object';

/** Elements and bytes of a block of a type. */
export const ggufBlock = (type: GgufType): { readonly elements: number; readonly bytes: number } =>
  blocks[type];

const isSupported = (name: string | undefined): name is GgufType =>
  name !== undefined && name in blocks;

/** Maps a file, reads its metadata and the list of its tensors. */
export function openGguf(path: string): GgufFile {
  const reader = readerOf(path, mapped(path));
  if (reader.magic() !== 'GGUF') throw badGguf(path, undefined, 'it does not begin with `GGUF`');
  const version = reader.u32();
  if (version !== 2 && version !== 3) {
    const swapped = version > 0 && version % 0x1000000 === 0;
    throw badGguf(
      path,
      undefined,
      swapped ? 'it is big-endian' : `its version is ${version}; 2 and 3 can be read`,
    );
  }
  // A tensor takes 24 bytes of header at least, an entry of the metadata 13.
  const tensorCount = reader.count(24, 'tensors');
  const entryCount = reader.count(13, 'metadata entries');

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.text(`entry ${i} of the metadata`);
    if (metadata.has(key)) throw badGguf(path, key, 'the key stands twice');
    metadata.set(key, reader.value(reader.u32(), key, 0));
  }
  const split = metadata.get('split.count');
  if (typeof split === 'number' && split > 1) {
    throw badGguf(
      path,
      'split.count',
      `it is one of ${split} parts; join them with \`gguf-split --merge\``,
    );
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment <= 0 || alignment % 8 !== 0) {
    throw badGguf(path, 'general.alignment', `${String(alignment)} is no multiple of 8`);
  }

  const infos = new Map<string, Info>();
  for (let i = 0; i < tensorCount; i++) {
    const info = readInfo(path, reader, i);
    if (infos.has(info.name)) throw badGguf(path, info.name, 'the name stands twice');
    infos.set(info.name, info);
  }
  const data = reader.rest(alignment, tensorCount === 0);
  return { path, version, metadata, tensors: locate(path, infos, data, alignment) };
}

function mapped(path: string): Uint8Array {
  try {
    if (!statSync(path).isFile()) throw notReadable(path, 'it is not a file');
    return mapFile(path);
  } catch (error) {
    throw readFault(path, error);
  }
}

type Info = {
  readonly name: string;
  readonly type: GgufType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
};

function readInfo(path: string, reader: Reader, i: number): Info {
  const name = reader.text(`tensor ${i}`);
  const fail = (what: string): never => {
    throw badGguf(path, name, what);
  };
  const dimensions = reader.u32();
  if (dimensions > 4) return fail(`it claims ${dimensions} dimensions; 4 is the most`);
  const sizes = Array.from({ length: dimensions }, () => reader.u64());
  const number = reader.u32();
  const type = typeNames[number];
  const offset = reader.u64();
  if (!isSupported(type)) throw unsupportedGguf(path, name, type ?? `type ${number}`);
  const { elements, bytes } = blocks[type];
  const width = sizes[0] ?? 1n;
  if (width % BigInt(elements) !== 0n) {
    return fail(`its rows of ${width} are no whole blocks of ${elements} (${type})`);
  }
  const size = (sizes.reduce((a, b) => a * b, 1n) / BigInt(elements)) * BigInt(bytes);
  if (size > BigInt(reader.length)) {
    return fail(`it claims ${size} bytes, more than the file has`);
  }
  if (offset > BigInt(reader.length)) return fail(`its offset ${offset} lies outside the file`);
  return {
    name,
    type,
    shape: sizes.map(Number).reverse(),
    offset: Number(offset),
    size: Number(size),
  };
}

function locate(
  path: string,
  infos: ReadonlyMap<string, Info>,
  data: Uint8Array,
  alignment: number,
): Map<string, GgufTensor> {
  let at = 0;
  let before: string | undefined;
  for (const { name, offset, size } of [...infos.values()].toSorted(
    (a, b) => a.offset - b.offset,
  )) {
    if (offset % alignment !== 0) {
      throw badGguf(path, name, `its offset ${offset} is no multiple of ${alignment}`);
    }
    if (offset < at) throw badGguf(path, name, `it overlaps \`${before}\``);
    at = offset + size;
    before = name;
    if (at > data.length) {
      throw badGguf(
        path,
        name,
        `it lies at bytes ${offset}…${at} of the data, but the file has only ${data.length} of them (is it incomplete?)`,
      );
    }
  }
  return new Map(
    [...infos].map(([name, { type, shape, offset, size }]) => [
      name,
      { name, type, shape, bytes: data.subarray(offset, offset + size) },
    ]),
  );
}

type Reader = ReturnType<typeof readerOf>;

const largestText = 16 << 20;
const decoder = new TextDecoder('utf-8');
/** Bytes of ggml's metadata types 0 to 12; texts (8) and arrays (9) have none. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8] as const;

function readerOf(path: string, file: Uint8Array) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 0;

  const take = (bytes: number, what = 'its header'): number => {
    const from = at;
    if (bytes > file.length - at) {
      throw badGguf(path, undefined, `the file ends inside ${what} (is it incomplete?)`);
    }
    at += bytes;
    return from;
  };
  const u32 = (): number => view.getUint32(take(4), true);
  const u64 = (): bigint => view.getBigUint64(take(8), true);
  const length = (unit: number, what: string): number => {
    const claimed = u64();
    if (claimed * BigInt(unit) > BigInt(file.length - at)) {
      throw badGguf(path, undefined, `${what}: ${claimed} claimed, more than the file can hold`);
    }
    return Number(claimed);
  };
  const skipText = (what: string): [number, number] => {
    const size = length(1, what);
    if (size > largestText) throw badGguf(path, undefined, `${what}: a text of ${size} bytes`);
    const from = take(size, what);
    return [from, from + size];
  };
  const decode = ([from, to]: [number, number]): string => decoder.decode(file.subarray(from, to));

  const scalar = (type: number, offset: number): GgufScalar => {
    switch (type) {
      case 0:
        return view.getUint8(offset);
      case 1:
        return view.getInt8(offset);
      case 2:
        return view.getUint16(offset, true);
      case 3:
        return view.getInt16(offset, true);
      case 4:
        return view.getUint32(offset, true);
      case 5:
        return view.getInt32(offset, true);
      case 6:
        return view.getFloat32(offset, true);
      case 7:
        return view.getUint8(offset) !== 0;
      case 10:
        return small(view.getBigUint64(offset, true));
      case 11:
        return small(view.getBigInt64(offset, true));
      default:
        return view.getFloat64(offset, true);
    }
  };

  const value = (type: number, key: string, depth: number): GgufValue => {
    if (type === 8) return decode(skipText(key));
    if (type === 9) return array(key, depth);
    const size = scalarBytes[type];
    if (size === undefined) throw badGguf(path, key, `its type ${type} is none of GGUF`);
    return scalar(type, take(size, key));
  };

  const array = (key: string, depth: number): GgufArray => {
    if (depth > 4) throw badGguf(path, key, 'arrays nested more than 4 deep');
    const type = u32();
    const size = scalarBytes[type];
    if (size === undefined) throw badGguf(path, key, `its type ${type} is none of GGUF`);
    if (size > 0) {
      const count = length(size, key);
      const from = take(count * size, key);
      return lazy(count, () =>
        Array.from({ length: count }, (_, i) => scalar(type, from + i * size)),
      );
    }
    // A text takes 8 bytes at least, an array 12.
    const count = length(type === 8 ? 8 : 12, key);
    if (type === 9) {
      const items = Array.from({ length: count }, () => array(key, depth + 1));
      return lazy(count, () => items);
    }
    const from = at;
    for (let i = 0; i < count; i++) skipText(key);
    return lazy(count, () => {
      const texts: string[] = [];
      for (let i = 0, offset = from; i < count; i++) {
        const size = Number(view.getBigUint64(offset, true));
        texts.push(decode([offset + 8, offset + 8 + size]));
        offset += 8 + size;
      }
      return texts;
    });
  };

  return {
    length: file.length,
    magic: (): string => decode([take(4), 4]),
    u32,
    u64,
    count: (unit: number, what: string): number => length(unit, what),
    text: (what: string): string => decode(skipText(what)),
    value,
    /** What follows the header, from the next multiple of `alignment` on. */
    rest(alignment: number, mayBeEmpty: boolean): Uint8Array {
      const from = Math.ceil(at / alignment) * alignment;
      if (from > file.length && !mayBeEmpty) {
        throw badGguf(path, undefined, 'the file ends before its data (is it incomplete?)');
      }
      return file.subarray(from);
    },
  };
}

const small = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

function lazy(length: number, read: () => readonly GgufValue[]): GgufArray {
  let values: readonly GgufValue[] | undefined;
  const all = (): readonly GgufValue[] => {
    values ??= read();
    return values;
  };
  return { length, values: all, [Symbol.iterator]: () => all()[Symbol.iterator]() };
}
