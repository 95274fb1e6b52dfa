/** @file The runs below a folder, as their files tell them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventsName, readEvents } from './events-file.ts';
import { lockHolder } from './lock.ts';
import { type Outcome, readRun } from './run-folder.ts';

export type ListedRun = {
  readonly folder: string;
  readonly run_id: string;
  readonly created: string;
  readonly attempt: number;
  /** `killed`: it ended without a word. */
  readonly state: 'running' | 'killed' | Outcome;
  /** Of its process, where it runs. */
  readonly pid: number | undefined;
  readonly step: number;
  readonly total_steps: number;
  readonly loss: number | undefined;
};

/** Deeper than anyone nests runs; a guard against a home folder. */
const deepest = 6;

/** Newest first. */
export function listRuns(root: string): ListedRun[] {
  return [...foldersBelow(root, 0)]
    .flatMap((folder) => describeRun(folder) ?? [])
    .sort((a, b) => (a.created < b.created ? 1 : -1));
}

function* foldersBelow(folder: string, depth: number): Generator<string> {
  yield folder;
  if (depth === deepest) return;
  let entries: ReturnType<typeof read>;
  try {
    entries = read(folder);
  } catch {
    return;
  }
  for (const entry of entries) {
    if (!entry.isDirectory() || /^(\.|checkpoint-\d+$|node_modules$)/.test(entry.name)) continue;
    yield* foldersBelow(join(folder, entry.name), depth + 1);
  }
}

const read = (folder: string) => readdirSync(folder, { withFileTypes: true });

/** Undefined where the folder is no run's. */
export function describeRun(folder: string): ListedRun | undefined {
  const found = readRun(folder);
  if (found.kind !== 'run') return undefined;
  const { run_id, created, attempt, outcome } = found.record;
  const holder = lockHolder(folder);
  let step = 0;
  let total = 0;
  let loss: number | undefined;
  for (const event of readEvents(join(folder, eventsName))) {
    if (event.type === 'run-start') [step, total] = [event.from_step, event.total_steps];
    if (event.type === 'step-end') [step, loss] = [event.step, event.loss];
  }
  const state = holder ? 'running' : outcome === 'running' ? 'killed' : outcome;
  return {
    folder,
    run_id,
    created,
    attempt,
    state,
    pid: holder?.pid,
    step,
    total_steps: total,
    loss,
  };
}
