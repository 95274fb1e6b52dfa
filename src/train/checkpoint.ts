/**
 * @file Checkpoints: `checkpoint-<step>`, there whole or not at all. The folder is filled under another name,
 * flushed to the disk and renamed; its manifest has the digest of every file, and reading checks them.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { z } from 'zod';
import { TuneryError } from '../core/errors.ts';
import { freeDisk, removeLeftovers, writeFileAtomic, writeFolderAtomic } from '../files/atomic.ts';
import { digestFile } from '../files/digest.ts';
import { diskFull } from '../files/errors.ts';
import { openSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { notACheckpoint } from './errors.ts';

export type CheckpointTensor = {
  readonly name: string;
  /** As SafeTensors names it: `F32`, `BF16`, `F64`, `I32`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array | Int8Array;
};

export type CheckpointContents = {
  /** Parameters and optimizer state. */
  readonly tensors: Iterable<CheckpointTensor>;
  /** All else that the next step depends on, as plain JSON: schedule, plan position, metrics, fingerprint. */
  readonly state: Readonly<Record<string, unknown>>;
  /** False where no run can go on from it (`save_only_model`). */
  readonly resumable?: boolean;
  /** Writes what people and other programs want in the folder: adapter files, tokenizer, … */
  readonly files?: (folder: string) => Promise<void> | void;
};

export type Checkpoint = {
  readonly folder: string;
  readonly step: number;
  readonly state: Readonly<Record<string, unknown>>;
  readonly resumable: boolean;
  /** Memory-mapped: copy what outlives the use. */
  readonly tensors: ReadonlyMap<
    string,
    { readonly dtype: string; readonly shape: readonly number[]; readonly bytes: Uint8Array }
  >;
};

/** A folder that looks like a checkpoint and is none, with the reason. */
export type Torn = { readonly folder: string; readonly why: string };

const manifestName = 'manifest.json';
const stateName = 'state.json';
const tensorsName = 'state.safetensors';
const folderPattern = /^checkpoint-(\d+)$/;

const Manifest = z.object({
  schema: z.literal(1),
  step: z.int().nonnegative(),
  resumable: z.boolean(),
  files: z.record(z.string(), z.object({ bytes: z.int().nonnegative(), sha256: z.string() })),
});
type Manifest = z.infer<typeof Manifest>;

export const checkpointFolder = (outputDir: string, step: number): string =>
  join(outputDir, `checkpoint-${step}`);

/** Writes `checkpoint-<step>` and gives its size; an earlier one of that step is replaced, and lost at no moment. */
export async function saveCheckpoint(
  outputDir: string,
  step: number,
  contents: CheckpointContents,
): Promise<{ folder: string; bytes: number }> {
  const target = checkpointFolder(outputDir, step);
  const tensors = [...contents.tensors];
  const expected = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  const free = freeDisk(outputDir);
  // Said before the disk is filled to the brim for nothing.
  if (free < expected) throw diskFull(target, expected, free);
  let bytes = 0;
  await writeFolderAtomic(
    target,
    async (folder) => {
      writeSafetensors(
        join(folder, tensorsName),
        tensors.map(({ data, ...tensor }) => ({
          ...tensor,
          bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        })),
      );
      writeFileAtomic(join(folder, stateName), JSON.stringify(contents.state));
      await contents.files?.(folder);
      const manifest = describe(folder, step, contents.resumable ?? true);
      bytes = Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, 0);
      writeFileAtomic(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    },
    { replace: true, bytes: expected },
  );
  return { folder: target, bytes };
}

function describe(folder: string, step: number, resumable: boolean): Manifest {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .sort();
  const files = names.map((name) => {
    const path = join(folder, name);
    return [name, { bytes: statSync(path).size, sha256: digestFile(path) }] as const;
  });
  return { schema: 1, step, resumable, files: Object.fromEntries(files) };
}

/** The manifest, once every file has been found to be as it says; else the reason why not. */
function verify(folder: string): Manifest | string {
  let manifest: Manifest;
  try {
    const parsed = Manifest.safeParse(JSON.parse(readFileSync(join(folder, manifestName), 'utf8')));
    if (!parsed.success) return `${manifestName} is not one of ours`;
    manifest = parsed.data;
  } catch {
    return existsSync(join(folder, manifestName))
      ? `${manifestName} cannot be read`
      : `${manifestName} is missing`;
  }
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    const path = join(folder, name);
    // Beyond the folder, a manifest that was tampered with could name any file.
    if (relative(folder, path).startsWith('..')) return `${manifestName} names ${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile()) return `${name} is missing`;
    if (stat.size !== bytes) return `${name} has ${stat.size} bytes instead of ${bytes}`;
    if (digestFile(path) !== sha256) return `${name} does not have the digest of its manifest`;
  }
  return manifest;
}

/** Reads a checkpoint, all of its digests checked. */
export function readCheckpoint(folder: string): Checkpoint {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw notACheckpoint(folder, 'there is no such folder');
  const manifest = verify(folder);
  if (typeof manifest === 'string') throw notACheckpoint(folder, manifest);
  for (const name of [stateName, tensorsName]) {
    if (!(name in manifest.files)) throw notACheckpoint(folder, `${name} is missing`);
  }
  return {
    folder,
    step: manifest.step,
    resumable: manifest.resumable,
    state: JSON.parse(readFileSync(join(folder, stateName), 'utf8')),
    tensors: openSafetensors(join(folder, tensorsName)).tensors,
  };
}

/** Steps of the folders named `checkpoint-N`, whole or not, newest first. */
export function checkpointSteps(outputDir: string): number[] {
  if (!existsSync(outputDir)) return [];
  return readdirSync(outputDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && folderPattern.test(entry.name))
    .map((entry) => Number(folderPattern.exec(entry.name)![1]))
    .sort((a, b) => b - a);
}

/** The newest complete checkpoint that a run can go on from; what was passed over is named. */
export function latestCheckpoint(outputDir: string): {
  checkpoint: Checkpoint | undefined;
  torn: readonly Torn[];
} {
  const torn: Torn[] = [];
  for (const step of checkpointSteps(outputDir)) {
    const folder = checkpointFolder(outputDir, step);
    try {
      const checkpoint = readCheckpoint(folder);
      if (checkpoint.step !== step) torn.push({ folder, why: `it holds step ${checkpoint.step}` });
      else if (!checkpoint.resumable) torn.push({ folder, why: 'it has no optimizer state' });
      else return { checkpoint, torn };
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      torn.push({ folder, why: error.message.replace(/^.*is not a complete checkpoint: /, '') });
    }
  }
  return { checkpoint: undefined, torn };
}

/**
 * Removes the oldest checkpoints until `limit` are left, never the one just written (`current`) nor the best. What
 * lies beyond the current step is left alone: it may be torn, and must not count as the newest. A folder first
 * loses its name, so that a kill on the way leaves nothing that looks like a checkpoint.
 */
export function pruneCheckpoints(
  outputDir: string,
  limit: number,
  current: number,
  best?: number,
): string[] {
  const steps = checkpointSteps(outputDir).filter((step) => step <= current);
  const kept = new Set([current]);
  if (best !== undefined && steps.includes(best)) kept.add(best);
  for (const step of steps) if (kept.size < limit) kept.add(step);
  const removed = steps.filter((step) => !kept.has(step));
  return removed.map((step) => {
    const folder = checkpointFolder(outputDir, step);
    const gone = join(outputDir, `.checkpoint-${step}.removed`);
    rmSync(gone, { recursive: true, force: true });
    renameSync(folder, gone);
    rmSync(gone, { recursive: true, force: true });
    return folder;
  });
}

/** Clears away what dead writers left in a run's folder. Only for the holder of its lock. */
export function tidyCheckpoints(outputDir: string): void {
  for (const entry of readdirSync(outputDir)) {
    const match = /^\.(checkpoint-\d+)\.(removed$|tunery-)/.exec(entry);
    if (!match) continue;
    if (match[2] === 'removed') rmSync(join(outputDir, entry), { recursive: true, force: true });
    else removeLeftovers(join(outputDir, match[1]!));
  }
}
