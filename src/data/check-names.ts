/** @file What can be said of a job's data before any of it is opened or fetched. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { type DatasetEntry, readDatasetInfo } from './dataset-info.ts';
import { mediaSet, unknownTemplate } from './errors.ts';
import { readingOf } from './formats/format.ts';
import { formats } from './formats/index.ts';
import { knownDataset } from './known-datasets/index.ts';
import type { DataSettings } from './settings.ts';
import { checkStage } from './sources.ts';
import type { Stage } from './stage.ts';
import { templates } from './templates/index.ts';

type Asked = Pick<DataSettings, 'dataset' | 'eval_dataset' | 'dataset_dir' | 'template'>;

export type NamesChecked = {
  readonly problems: readonly TuneryError[];
  /** Data sets that are no files, and no names that anything knows. A hub may have them, or a folder elsewhere. */
  readonly unknown: readonly string[];
};

/** Faults of the names that the settings hold: no such template, media, rows of another stage. */
export function checkNames(asked: Asked, stage: Stage): NamesChecked {
  const { dataset, eval_dataset, dataset_dir: folder, template } = asked;
  const problems: TuneryError[] = [];
  const unknown: string[] = [];
  const collect = (check: () => void): void => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      problems.push(error);
    }
  };
  const known = Object.keys(templates);
  if (template !== null && !known.includes(template)) {
    problems.push(unknownTemplate(template, didYouMean(template, known)));
  }
  collect(() => {
    const info = isLocal(folder) ? readDatasetInfo(folder, () => {}) : undefined;
    for (const name of new Set([...dataset, ...eval_dataset])) {
      collect(() => {
        const own = info?.entry(name);
        const isPath = existsSync(name) || existsSync(join(folder, name));
        const entry = own ?? (isPath ? undefined : knownDataset(name));
        if (entry) checkEntry(entry, stage, own === undefined);
        else if (!isPath) unknown.push(name);
      });
    }
  });
  return { problems, unknown };
}

const isLocal = (folder: string): boolean => folder !== 'ONLINE' && !folder.startsWith('REMOTE:');

/** Rows of a user's own set may or may not hold the media that a column is there for. */
function checkEntry(entry: DatasetEntry, stage: Stage, isBuiltIn: boolean): void {
  const { name, formatting, description, place } = entry;
  const reading = readingOf(formats[formatting]!, description);
  const media = (['images', 'videos', 'audios'] as const).find(
    (it) => reading.columns[it] !== null,
  );
  if (isBuiltIn && media) throw mediaSet({ file: 'dataset' }, name, media);
  checkStage({ name, format: formatting, reading }, stage, place);
}
