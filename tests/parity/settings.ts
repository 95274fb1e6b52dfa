/** @file Settings for tests that call below the configuration: the defaults of a section, with changes. */
import type { Fields, Resolved, Section } from '../../src/core/field.ts';
import { type DataSettings, dataSection } from '../../src/data/settings.ts';
import { type TrainSettings, trainSection } from '../../src/train/settings.ts';
import { type TuningSettings, tuningSection } from '../../src/tuning/settings.ts';

function defaults<F extends Fields>({ fields }: Section<F>): Resolved<F> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
  ) as Resolved<F>;
}

export const trainSettings = (changes: Partial<TrainSettings> = {}): TrainSettings => ({
  ...defaults(trainSection),
  ...changes,
});

export const tuningSettings = (changes: Partial<TuningSettings> = {}): TuningSettings => ({
  ...defaults(tuningSection),
  ...changes,
});

export const dataSettings = (changes: Partial<DataSettings> = {}): DataSettings => ({
  ...defaults(dataSection),
  ...changes,
});
