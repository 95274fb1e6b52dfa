/** @file Writes a model, its adapters folded in, as a folder that other programs load: whole, or not at all. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { TuneryError } from '../core/errors.ts';
import type { OpenTemplate } from '../data/open-template.ts';
import { freeDisk, writeFolderAtomic } from '../files/atomic.ts';
import { diskFull } from '../files/errors.ts';
import { layOutSafetensors } from '../files/safetensors.ts';
import { buildModel } from '../models/load.ts';
import type { ModelSettings } from '../models/settings.ts';
import type { ModelSource } from '../models/source.ts';
import { placeAdapter, readAdapter } from '../tuning/peft-adapter.ts';
import { exportFolderInUse, exportNoSpace } from './errors.ts';
import { type MergedWeights, mergedWeights } from './merged-weights.ts';
import { configFilesOf, tokenizerFilesOf } from './model-files.ts';
import { indexName, type Shard, shardTensors } from './shards.ts';

export type ExportInput = {
  readonly source: ModelSource;
  /** Folders, or ids in the hub's cache; merged one after the other. */
  readonly adapters: readonly string[];
  /** Undefined where the model has no template and none is named. */
  readonly opened: OpenTemplate | undefined;
  readonly dtype: ModelSettings['infer_dtype'];
  readonly folder: string;
  /** Bytes of the largest file. */
  readonly shardBytes: number;
  /** Version of Tunery. */
  readonly version: string;
  /** Called between two pieces; rejects where the export must stop. */
  readonly turn?: (written: number, all: number) => Promise<void>;
};

export type Exported = {
  readonly folder: string;
  readonly tensors: number;
  /** Weights that the adapters changed. */
  readonly changed: number;
  readonly files: number;
  readonly bytes: number;
  readonly dtype: string;
  /** The most that rounding to the stored format moved any number. */
  readonly largestError: number;
};

/** What was written, so that a later export may take its place. */
export const manifestName = 'tunery_export.json';

const Manifest = z.object({ schema: z.literal(1), files: z.array(z.string()) });

const types = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

/**
 * Throws `export/folder-in-use`, `export/disk-full`, `tuning/adapter-mismatch`, and what reading the model throws.
 * Memory stays within a few pieces of 4 million numbers, whatever the model.
 */
export async function exportModel(input: ExportInput): Promise<Exported> {
  const { source, adapters, opened, dtype, folder, shardBytes, turn } = input;
  refuseFolder(folder, [source.path, ...adapters]);
  const { model } = await buildModel(source);
  const placed = adapters.map((name) => placeAdapter(model, readAdapter(name), source.name));
  const wanted = dtype === 'auto' ? undefined : types[dtype];
  const merged = mergedWeights(model, source.weights, placed, wanted);
  const { shards, bytes, index } = shardTensors(merged.tensors, shardBytes);
  const stored = dtypeOf(merged);
  const texts: Record<string, string> = {
    ...configFilesOf(source, opened, {
      dtype: stored,
      ...(merged.unties ? { tied: false } : {}),
    }),
    ...tokenizerFilesOf(source, opened),
    ...(index === undefined ? {} : { [indexName]: index }),
  };
  const files = [...shards.map(({ file }) => file), ...Object.keys(texts), manifestName].sort();
  texts[manifestName] = manifest(input, files);

  const free = freeDisk(folder);
  if (free < bytes) throw exportNoSpace(folder, bytes, free);
  const write = async (temporary: string): Promise<void> => {
    let written = 0;
    const wrote = async (count: number): Promise<void> => {
      written += count;
      await turn?.(written, bytes);
    };
    for (const shard of shards) await writeShard(join(temporary, shard.file), shard, wrote);
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(temporary, name), text);
  };
  try {
    await writeFolderAtomic(folder, write, { replace: true, bytes });
  } catch (error) {
    const full = error instanceof TuneryError && error.code === diskFull.code;
    throw full ? exportNoSpace(folder, bytes, freeDisk(folder)) : error;
  }
  return {
    folder,
    tensors: merged.tensors.length,
    changed: merged.changed,
    files: files.length,
    bytes,
    dtype: stored,
    largestError: merged.largestError(),
  };
}

/** `torch_dtype`: the format of all matrices, or f32 where they differ. */
function dtypeOf({ tensors }: MergedWeights): string {
  const used = new Set(tensors.filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype));
  const found = Object.entries(types).find(([, type]) => used.size === 1 && used.has(type));
  return found?.[0] ?? 'float32';
}

async function writeShard(
  path: string,
  { tensors }: Shard,
  wrote: (bytes: number) => Promise<void>,
): Promise<void> {
  const fd = openSync(path, 'wx');
  try {
    for (const chunk of layOutSafetensors(path, tensors).chunks()) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      await wrote(bytes.length);
    }
  } finally {
    closeSync(fd);
  }
}

function manifest({ source, adapters, version }: ExportInput, files: readonly string[]): string {
  // A folder of this machine is nobody else's business.
  const shown = (name: string): string => (isAbsolute(name) ? basename(name) : name);
  const made = {
    schema: 1,
    tunery: version,
    model: shown(source.name),
    adapters: adapters.map(shown),
  };
  return `${JSON.stringify({ ...made, files }, null, 2)}\n`;
}

/** Only a folder that holds an earlier export, and nothing else, is replaced. */
function refuseFolder(folder: string, inputs: readonly string[]): void {
  const input = inputs.find((path) => resolve(path) === resolve(folder));
  if (input !== undefined) throw exportFolderInUse(folder, 'what is to be exported');
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) throw exportFolderInUse(folder, 'a file of that name');
  const entries = readdirSync(folder);
  if (entries.length === 0) return;
  const own = readManifest(join(folder, manifestName));
  if (own === undefined) throw exportFolderInUse(folder, 'other files');
  const foreign = entries.filter((name) => !own.includes(name));
  if (foreign.length > 0) {
    const names = foreign.slice(0, 3).map((name) => `\`${name}\``);
    const more = foreign.length > 3 ? ', …' : '';
    throw exportFolderInUse(folder, `files beside an earlier export: ${names.join(', ')}${more}`);
  }
}

function readManifest(path: string): readonly string[] | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return Manifest.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data?.files;
  } catch {
    return undefined;
  }
}
