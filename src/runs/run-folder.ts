/** @file A run as a folder: whether it starts, goes on or is refused, decided under the folder's lock. Nothing is ever deleted. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../files/atomic.ts';
import {
  type Checkpoint,
  checkpointFolder,
  checkpointSteps,
  latestCheckpoint,
  readCheckpoint,
  tidyCheckpoints,
} from '../train/checkpoint.ts';
import { notACheckpoint } from '../train/errors.ts';
import type { TrainSettings } from '../train/settings.ts';
import { cannotMoveAside, folderInUse, otherRun } from './errors.ts';
import { type Difference, difference, Fingerprint, fingerprintName } from './fingerprint.ts';
import { type Lock, takeLock } from './lock.ts';

export const runName = 'run.json';

export type Outcome = 'finished' | 'stopped' | 'failed';

export const RunRecord = z.object({
  schema: z.literal(1),
  run_id: z.string(),
  /** 1 at the start, one more at each resume. */
  attempt: z.int().positive(),
  engine: z.enum(['native', 'torch']),
  created: z.iso.datetime(),
  /** `running` also stands in the folder of a run that was killed: whether it lives is its lock's to say. */
  outcome: z.enum(['running', 'finished', 'stopped', 'failed']),
  fingerprint: Fingerprint,
});
export type RunRecord = z.infer<typeof RunRecord>;

/** What a person should know of how the run was opened. */
export type Note = { readonly code: string; readonly message: string; readonly help: string };

export type RunFolder = {
  readonly folder: string;
  readonly record: RunRecord;
  readonly lock: Lock;
  /** Where it goes on from; undefined at the start. */
  readonly resume: Checkpoint | undefined;
  readonly notes: readonly Note[];
  /** Writes how it ended and gives the folder free. */
  close(outcome: Outcome): void;
};

export type Wanted = Pick<
  TrainSettings,
  'output_dir' | 'overwrite_output_dir' | 'resume_from_checkpoint'
>;

/** What lies in a folder: a run of ours, files of another program, or nothing. */
export type Earlier =
  | { readonly kind: 'run'; readonly record: RunRecord }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'nothing' };

export function readRun(folder: string): Earlier {
  // Hidden files are locks, drafts and the like.
  const entries = existsSync(folder)
    ? readdirSync(folder).filter((entry) => !/^(\.|run\.lock)/.test(entry))
    : [];
  if (entries.length === 0) return { kind: 'nothing' };
  const record = parseFile(join(folder, runName), RunRecord);
  return record ? { kind: 'run', record } : { kind: 'foreign' };
}

function parseFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): z.output<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Takes the folder for a run of `fingerprint`, or says why not. */
export function openRunFolder(
  wanted: Wanted,
  fingerprint: Fingerprint,
  engine: RunRecord['engine'],
): RunFolder {
  const folder = wanted.output_dir;
  let lock = takeLock(folder);
  try {
    tidyCheckpoints(folder);
    const decision = decide(wanted, fingerprint, readRun(folder));
    if (decision.aside) lock = moveAside(folder, lock, decision.notes);
    else setLaterAside(folder, decision.checkpoint?.step ?? 0, decision.notes);
    return open(folder, fingerprint, engine, lock, decision);
  } catch (error) {
    lock.release();
    throw error;
  }
}

type Decision = {
  /** Whether what lies in the folder is moved away first. */
  readonly aside: boolean;
  /** The run that goes on in its own folder. */
  readonly record: RunRecord | undefined;
  readonly checkpoint: Checkpoint | undefined;
  readonly notes: Note[];
};

function decide(wanted: Wanted, fingerprint: Fingerprint, earlier: Earlier): Decision {
  const { output_dir: folder, resume_from_checkpoint: from } = wanted;
  if (typeof from === 'string') return decideNamed(wanted, from, fingerprint, earlier);

  const notes: Note[] = [];
  const { checkpoint, torn } = latestCheckpoint(folder);
  for (const { folder: passedOver, why } of torn) notes.push(tornCheckpoint(passedOver, why));

  const record = earlier.kind === 'run' ? earlier.record : undefined;
  const differences = record ? difference(record.fingerprint, fingerprint) : [];
  if (from && checkpoint) {
    const before = fingerprintOfCheckpoint(checkpoint, earlier);
    notes.push(...goesOn(folder, difference(before, fingerprint)), resumed(checkpoint));
    return { aside: false, record, checkpoint, notes };
  }
  if (from) notes.push(nothingToResume(folder));
  if (earlier.kind === 'nothing') return { aside: false, record, checkpoint: undefined, notes };

  const serious = differences.filter(({ kind }) => kind !== 'bits');
  const same = record !== undefined && serious.length === 0;
  const unfinished = same && record.outcome !== 'finished';
  // A restart script's first attempt may have died before its first checkpoint.
  if (unfinished && (from || !wanted.overwrite_output_dir)) {
    notes.push(...goesOn(folder, differences));
    if (checkpoint) notes.push(resumed(checkpoint));
    else if (!from) notes.push(nothingToResume(folder));
    return { aside: false, record, checkpoint, notes };
  }
  if (wanted.overwrite_output_dir) {
    return { aside: true, record: undefined, checkpoint: undefined, notes };
  }
  if (earlier.kind === 'foreign') throw folderInUse(folder, 'files of another program');
  if (same) throw folderInUse(folder, 'this very run, finished');
  throw otherRun(folder, words(serious), false);
}

/** `resume_from_checkpoint: <folder>`: of this run, or of another one. */
function decideNamed(
  wanted: Wanted,
  named: string,
  fingerprint: Fingerprint,
  earlier: Earlier,
): Decision {
  const folder = wanted.output_dir;
  const checkpoint = readCheckpoint(named);
  if (!checkpoint.resumable) {
    throw notACheckpoint(named, 'it was written without the optimizer’s state (`save_only_model`)');
  }
  const own = resolve(dirname(named)) === resolve(folder);
  const home = own ? earlier : readRun(dirname(named));
  const before = fingerprintOfCheckpoint(checkpoint, home);
  const notes = [...goesOn(named, difference(before, fingerprint)), resumed(checkpoint)];
  if (own) {
    const record = earlier.kind === 'run' ? earlier.record : undefined;
    return { aside: false, record, checkpoint, notes };
  }
  const occupied = earlier.kind !== 'nothing';
  if (occupied && !wanted.overwrite_output_dir) {
    throw folderInUse(folder, earlier.kind === 'run' ? 'another run' : 'files of another program');
  }
  return { aside: occupied, record: undefined, checkpoint, notes };
}

/** A checkpoint carries its fingerprint; where that was lost, the run's own tells. */
function fingerprintOfCheckpoint(checkpoint: Checkpoint, home: Earlier): Fingerprint {
  const own = parseFile(join(checkpoint.folder, fingerprintName), Fingerprint);
  if (own) return own;
  if (home.kind === 'run') return home.record.fingerprint;
  throw notACheckpoint(checkpoint.folder, `${fingerprintName} is missing`);
}

const words = (differences: readonly Difference[]): string[] =>
  differences.map((each) => each.words);

/** Refuses another run; says what goes on otherwise. */
function goesOn(folder: string, differences: readonly Difference[]): Note[] {
  const other = differences.filter(({ kind }) => kind === 'identity');
  if (other.length > 0) throw otherRun(folder, words(other), true);
  return differences.map(({ kind, words: message }) => ({
    code: `runs/resume-${kind}`,
    message,
    help:
      kind === 'bits'
        ? 'the run goes on; its result may differ in the last bits from an uninterrupted one'
        : 'the run goes on with it from here; put it back for the result of an uninterrupted run',
  }));
}

const resumed = ({ folder, step }: Checkpoint): Note => ({
  code: 'runs/resumed',
  message: `going on after step ${step}, from \`${folder}\``,
  help: 'set `resume_from_checkpoint: false` and `overwrite_output_dir: true` to start anew',
});

const nothingToResume = (folder: string): Note => ({
  code: 'runs/nothing-to-resume',
  message: `\`${folder}\` has no complete checkpoint yet: the run starts at its first step`,
  help: 'checkpoints come every `save_steps` steps, and at each stop',
});

const tornCheckpoint = (folder: string, why: string): Note => ({
  code: 'runs/torn-checkpoint',
  message: `\`${folder}\` is passed over: ${why}`,
  help: 'an earlier checkpoint is taken; this folder can be removed',
});

/** The first `<folder>.bak-N` that is free. */
function freeName(folder: string): string {
  const whole = resolve(folder);
  for (let n = 1; ; n++) {
    const name = join(dirname(whole), `${basename(whole)}.bak-${n}`);
    if (!existsSync(name)) return name;
  }
}

/** Moves the folder away, lock and all, and takes the lock of the one that is made in its place. */
function moveAside(folder: string, lock: Lock, notes: Note[]): Lock {
  const to = freeName(folder);
  try {
    renameSync(folder, to);
  } catch (error) {
    throw cannotMoveAside(folder, to, error instanceof Error ? error.message : String(error));
  }
  notes.push({
    code: 'runs/moved-aside',
    message: `the earlier run was moved to \`${to}\``,
    help: 'to go on from it instead, set `resume_from_checkpoint: true` before you start',
  });
  try {
    return takeLock(folder);
  } finally {
    lock.release(to);
  }
}

/** Checkpoints beyond the step that is gone on from belong to a course that is left: the next resume must not take them. */
function setLaterAside(folder: string, step: number, notes: Note[]): void {
  const later = checkpointSteps(folder).filter((each) => each > step);
  if (later.length === 0) return;
  const to = freeName(folder);
  mkdirSync(to);
  for (const each of later) {
    const from = checkpointFolder(folder, each);
    renameSync(from, join(to, basename(from)));
  }
  notes.push({
    code: 'runs/later-moved-aside',
    message: `checkpoints after step ${step} (${later.join(', ')}) were moved to \`${to}\``,
    help: 'they are not part of the run as it goes on now; remove them when you like',
  });
}

function open(
  folder: string,
  fingerprint: Fingerprint,
  engine: RunRecord['engine'],
  lock: Lock,
  { record, checkpoint, notes }: Decision,
): RunFolder {
  const now = new Date().toISOString();
  const opened: RunRecord = {
    schema: 1,
    run_id: record?.run_id ?? newRunId(now),
    attempt: (record?.attempt ?? 0) + 1,
    engine,
    created: record?.created ?? now,
    outcome: 'running',
    fingerprint,
  };
  const write = (outcome: RunRecord['outcome']): void =>
    writeJson(join(folder, runName), { ...opened, outcome });
  write('running');
  return {
    folder,
    record: opened,
    lock,
    resume: checkpoint,
    notes,
    close(outcome) {
      try {
        write(outcome);
      } finally {
        lock.release();
      }
    },
  };
}

const writeJson = (path: string, value: unknown): void =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/** `20260131-235959-1a2b3c`: sorts by time, and two machines never draw the same. */
const newRunId = (now: string): string =>
  `${now.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`;
