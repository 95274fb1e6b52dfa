/** @file What is to be checked: paths as they stand, and names of dataset_info.json with what it says of them. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Place, TuneryError } from '../../core/errors.ts';
import { readDatasetInfo } from '../dataset-info.ts';
import { findSources, type Source } from '../sources.ts';
import { type Stage, stages } from '../stage.ts';
import type { Warning } from '../warning.ts';
import type { Kind } from './check.ts';
import { datasetInfo } from './checks/training.ts';
import type { Subject } from './examine.ts';
import { guessFiles } from './reading.ts';
import type { Report } from './report.ts';

export type SubjectOptions = {
  readonly folder: string;
  /** Undefined where nobody said what the data are for. */
  readonly stage: Stage | undefined;
  readonly report: Report;
};

const unusable: Kind = {
  ...datasetInfo,
  title: 'a data set cannot be found, or is not described as it should be',
};

/** A data set that cannot be found, or is described wrongly, is a finding; the others go on. */
export async function subjectsOf(
  names: readonly string[],
  { folder, stage, report }: SubjectOptions,
): Promise<Subject[]> {
  const told = new Set<string>();
  const warn = ({ code, message, help, place }: Warning): void => {
    const key = JSON.stringify([code, message, place]);
    if (told.has(key)) return;
    told.add(key);
    add({ ...datasetInfo, code, severity: 'warning', help }, message, place);
  };
  const add = (kind: Kind, message: string, place: Place | undefined): void =>
    report.add(kind, message, () => place ?? { file: join(folder, 'dataset_info.json') });

  const subjects: Subject[] = [];
  for (const name of new Set(names)) {
    try {
      subjects.push(await subjectOf(name, folder, stage, warn));
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      const { code, message, help, place } = error;
      add({ ...unusable, code, help: help ?? datasetInfo.help }, message, place ?? { file: name });
    }
  }
  return subjects;
}

async function subjectOf(
  name: string,
  folder: string,
  stage: Stage | undefined,
  warn: (warning: Warning) => void,
): Promise<Subject> {
  const entry = readDatasetInfo(folder, warn)?.entry(name);
  // A path is read as it stands, and its format told by many rows: the first may be the broken one.
  if (!entry && existsSync(name)) return { name, files: filesAt(name) };
  const [source] = await (stage === undefined
    ? sourcesOfAnyStage(name, folder, warn)
    : findSources([name], folder, stage, warn));
  const { files, format, reading } = source;
  return { name, files, format, reading, described: entry?.place };
}

/** The sources of one data set to convert: a path by what its rows look like, a name as dataset_info.json has it. */
export async function sourcesToConvert(
  name: string,
  folder: string,
  warn: (warning: Warning) => void,
): Promise<Source[]> {
  const subject = await subjectOf(name, folder, undefined, warn);
  const { files, described } = subject;
  const { format, reading } = subject.format === undefined ? guessFiles(files) : subject;
  // Where nobody can tell the format, the error is the run's own.
  if (format === undefined || reading === undefined) return sourcesOfAnyStage(name, folder, warn);
  return [
    { name, files, format, reading, described: described !== undefined, numSamples: undefined },
  ];
}

/** The sources of a data set whatever it is for: those of the first stage that takes it. */
async function sourcesOfAnyStage(
  name: string,
  folder: string,
  warn: (warning: Warning) => void,
): ReturnType<typeof findSources> {
  let refusal: unknown;
  for (const stage of [...stages].reverse()) {
    try {
      return await findSources([name], folder, stage, warn);
    } catch (error) {
      if (!(error instanceof TuneryError) || error.code !== 'data/wrong-kind') throw error;
      refusal = error;
    }
  }
  throw refusal;
}

function filesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((file) => !file.startsWith('.') && statSync(join(path, file)).isFile())
    .sort()
    .map((file) => join(path, file));
}
