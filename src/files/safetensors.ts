/**
 * @file SafeTensors files, mapped as they lie on disk (https://github.com/huggingface/safetensors,
 * format 0.8). A header is checked to the last byte before anything is made of it.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { formatBytes } from '../core/units.ts';
import { mapFile } from '../native/memory.ts';
import { type Chunk, writeFileAtomic } from './atomic.ts';
import { badSafetensors, missingTensor, notReadable, noWeights, readFault } from './errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson, readJson } from './json.ts';

/** Bits of an element. The order is Hugging Face's: tensors of later ones stand first in a file. */
const bitsOf = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof bitsOf;
const dtypes = Object.keys(bitsOf) as readonly Dtype[];
const isDtype = (text: unknown): text is Dtype => typeof text === 'string' && text in bitsOf;

/** A tensor as it lies in a file: little-endian, row by row. `bytes` may start anywhere. */
export type RawTensor = {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
};

export type SafetensorsFile = {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, RawTensor>;
};

/** As Hugging Face's own reader has it. */
const largestHeader = 100e6;
const prefix = 8;

/** Maps a file and checks its header. Pages are read when a tensor's bytes are touched. */
export function openSafetensors(path: string): SafetensorsFile {
  const file = mapped(path);
  if (file.length < prefix + 2) {
    throw badSafetensors(path, undefined, `it has ${file.length} bytes, less than any header`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const claimed = view.getBigUint64(0, true);
  if (claimed > BigInt(largestHeader)) {
    throw badSafetensors(path, undefined, `its header claims ${claimed} bytes`);
  }
  const length = Number(claimed);
  if (prefix + length > file.length) {
    throw badSafetensors(
      path,
      undefined,
      `its header claims ${length} bytes, but the file ends after ${file.length - prefix} of them`,
    );
  }
  const header = parseHeader(path, file.subarray(prefix, prefix + length));
  const data = file.subarray(prefix + length);
  const { __metadata__: metadata, ...entries } = header;
  const spans = Object.entries(entries).map(([name, entry]) => parseEntry(path, name, entry));
  checkSpans(path, spans, data.length);
  return {
    path,
    metadata: parseMetadata(path, metadata),
    tensors: new Map(
      spans.map(({ name, dtype, shape, begin, end }) => [
        name,
        { dtype, shape, bytes: data.subarray(begin, end) },
      ]),
    ),
  };
}

function mapped(path: string): Uint8Array {
  try {
    if (!statSync(path).isFile()) throw notReadable(path, 'it is not a file');
    return mapFile(path);
  } catch (error) {
    throw readFault(path, error);
  }
}

function parseHeader(path: string, bytes: Uint8Array): JsonObject {
  let header: JsonValue;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = parseJson(text, { file: path }, { strict: true });
  } catch (error) {
    const why = error instanceof TuneryError ? error.message : 'not UTF-8';
    throw badSafetensors(path, undefined, `its header is broken: ${why}`);
  }
  if (!isJsonObject(header)) throw badSafetensors(path, undefined, 'its header is no object');
  return header;
}

function parseMetadata(path: string, value: JsonValue | undefined): Record<string, string> {
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw badSafetensors(path, '__metadata__', 'it is no object');
  const result: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw badSafetensors(path, '__metadata__', `\`${key}\` is no text`);
    }
    result[key] = text;
  }
  return result;
}

type Span = {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
};

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function parseEntry(path: string, name: string, entry: JsonValue): Span {
  const fail = (what: string): never => {
    throw badSafetensors(path, name, what);
  };
  if (!isJsonObject(entry)) return fail('its entry in the header is no object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    return fail(
      `its dtype ${JSON.stringify(dtype)} is none of SafeTensors${didYouMean(String(dtype), dtypes)}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(`its shape ${JSON.stringify(shape)} is not a list of sizes`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return fail(`its data_offsets ${JSON.stringify(offsets)} are not two offsets`);
  }
  const [begin, end] = offsets;
  if (begin > end) return fail(`it ends at ${end}, before it begins at ${begin}`);
  const size = byteSize(dtype, shape);
  if (size !== BigInt(end - begin)) {
    return fail(
      `${dtype} of shape [${shape.join(', ')}] takes ${size ?? 'no whole number of'} bytes, but its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Bytes of a tensor, exact at any size; undefined where its bits fill no whole bytes. */
function byteSize(dtype: Dtype, shape: readonly number[]): bigint | undefined {
  const bits = shape.reduce((product, size) => product * BigInt(size), BigInt(bitsOf[dtype]));
  return bits % 8n === 0n ? bits / 8n : undefined;
}

/** Tensors fill the data without a hole, an overlap or a rest, as the format demands. */
function checkSpans(path: string, spans: readonly Span[], dataBytes: number): void {
  const sorted = spans.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  let before: string | undefined;
  for (const { name, begin, end } of sorted) {
    if (end > dataBytes) {
      throw badSafetensors(
        path,
        name,
        `it lies at bytes ${begin}…${end} of the data, but the file has only ${dataBytes} of them (is it incomplete?)`,
      );
    }
    if (begin < at) throw badSafetensors(path, name, `it overlaps \`${before}\``);
    if (begin > at)
      throw badSafetensors(path, name, `before it ${begin - at} bytes belong to nothing`);
    at = end;
    before = name;
  }
  if (at < dataBytes) {
    throw badSafetensors(path, undefined, `its last ${dataBytes - at} bytes belong to no tensor`);
  }
}

export type TensorToWrite = {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** All bytes, or pieces that are drawn when their turn comes, so that a large model needs little memory. */
  readonly bytes: Uint8Array | (() => Iterable<Uint8Array>);
};

/** Writes a file as Hugging Face's writer does, byte for byte: whole, or not at all. */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Readonly<Record<string, string>>,
): void {
  const { bytes, chunks } = layOutSafetensors(path, tensors, metadata);
  writeFileAtomic(path, chunks(), { bytes });
}

/** Such a file as its size and its chunks, for a writer that does other things between two of them. */
export function layOutSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): { readonly bytes: number; readonly chunks: () => Iterable<Chunk> } {
  const sorted = [...tensors].toSorted(
    (a, b) =>
      dtypes.indexOf(b.dtype as Dtype) - dtypes.indexOf(a.dtype as Dtype) ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
  const entries: [string, JsonValue][] = [['__metadata__', metadata]];
  let at = 0;
  for (const [i, { name, dtype, shape, bytes }] of sorted.entries()) {
    if (!isDtype(dtype))
      throw badSafetensors(path, name, `\`${dtype}\` is no dtype of SafeTensors`);
    if (
      name === '__metadata__' ||
      sorted[i - 1]?.name === name ||
      entries.some(([n]) => n === name)
    ) {
      throw badSafetensors(path, name, 'the name stands twice');
    }
    const size = Number(byteSize(dtype, shape) ?? Number.NaN);
    if (bytes instanceof Uint8Array && bytes.length !== size) {
      throw badSafetensors(path, name, `${bytes.length} bytes given for ${size}`);
    }
    entries.push([name, { dtype, shape, data_offsets: [at, at + size] }]);
    at += size;
  }
  const header = Buffer.from(headerText(entries), 'utf8');
  const padded = Math.ceil(header.length / 8) * 8;
  const start = Buffer.alloc(prefix + padded, 0x20);
  start.writeBigUInt64LE(BigInt(padded), 0);
  header.copy(start, prefix);

  return { bytes: start.length + at, chunks: () => pieces(path, start, sorted) };
}

/** Not one object: its keys that look like numbers would change places. */
const headerText = (entries: readonly (readonly [string, JsonValue])[]): string =>
  `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;

function* pieces(
  path: string,
  start: Uint8Array,
  tensors: readonly TensorToWrite[],
): Generator<Chunk> {
  yield start;
  for (const { name, dtype, shape, bytes } of tensors) {
    if (bytes instanceof Uint8Array) {
      yield bytes;
      continue;
    }
    let written = 0n;
    for (const piece of bytes()) {
      written += BigInt(piece.length);
      yield piece;
    }
    const size = byteSize(dtype as Dtype, shape);
    if (written !== size) {
      throw badSafetensors(path, name, `${written} bytes given for ${size}`);
    }
  }
}

/** The tensors of a checkpoint, from one file or from many. */
export type RawWeights = {
  /** The files they lie in. */
  readonly files: readonly string[];
  names(): readonly string[];
  has(name: string): boolean;
  get(name: string): RawTensor;
};

const whole = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** Weights of a folder as `transformers` writes it: `model.safetensors`, or its index and shards. */
export function openWeights(folder: string): RawWeights {
  if (existsSync(join(folder, whole)))
    return weightsOf(folder, [openSafetensors(join(folder, whole))]);
  const indexPath = join(folder, index);
  if (!existsSync(indexPath)) throw noWeights(folder, otherWeights(folder));

  const parsed = readJson(indexPath);
  const map = isJsonObject(parsed) ? parsed['weight_map'] : undefined;
  if (map === undefined || !isJsonObject(map)) {
    throw badSafetensors(indexPath, undefined, 'the index has no `weight_map`');
  }
  const shards = new Map<string, SafetensorsFile>();
  const wanted = Object.entries(map);
  for (const [name, file] of wanted) {
    if (typeof file !== 'string' || /[\\/]|^\.\.?$/.test(file)) {
      throw badSafetensors(
        indexPath,
        name,
        `${JSON.stringify(file)} is not the name of a file beside it`,
      );
    }
    const shard = shards.get(file) ?? openSafetensors(join(folder, file));
    shards.set(file, shard);
    if (!shard.tensors.has(name)) {
      throw badSafetensors(
        indexPath,
        name,
        `the index puts it in \`${file}\`, which does not have it`,
      );
    }
  }
  return weightsOf(folder, [...shards.values()], new Set(wanted.map(([name]) => name)));
}

function weightsOf(
  folder: string,
  files: readonly SafetensorsFile[],
  only?: ReadonlySet<string>,
): RawWeights {
  const tensors = new Map<string, RawTensor>();
  for (const file of files) {
    for (const [name, tensor] of file.tensors) {
      if (only && !only.has(name)) continue;
      tensors.set(name, tensor);
    }
  }
  const names = [...tensors.keys()];
  return {
    files: files.map(({ path }) => path),
    names: () => names,
    has: (name) => tensors.has(name),
    get(name) {
      const tensor = tensors.get(name);
      if (tensor) return tensor;
      throw missingTensor(folder, name, didYouMean(name, names));
    },
  };
}

/** What a folder without SafeTensors has instead, so that the error can say so. */
function otherWeights(folder: string): string {
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    throw readFault(folder, error);
  }
  const others = files.filter((name) => /\.(bin|pt|pth|gguf|safetensors|h5|msgpack)$/.test(name));
  if (others.length === 0) return '';
  const total = others.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return `, only ${others.slice(0, 4).join(', ')}${others.length > 4 ? ', …' : ''} (${formatBytes(total)})`;
}
