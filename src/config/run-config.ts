/** @file Joins the sections into one flat set of keys. */
import type { Field, Section, SectionOf } from '../core/field.ts';
import { dataSection } from '../data/settings.ts';
import { engineSection } from '../engine/settings.ts';
import { exportSection } from '../export/settings.ts';
import { inferSection } from '../generate/backends.ts';
import { generateSection } from '../generate/settings.ts';
import { methodSection } from '../methods/settings.ts';
import { modelSection } from '../models/settings.ts';
import { serveSection } from '../serve/settings.ts';
import type { Job } from '../train/job.ts';
import { trainSection } from '../train/settings.ts';
import { tuningSection } from '../tuning/settings.ts';

/** In the order of forms, docs and `explain`. */
export const sections = {
  model: modelSection,
  method: methodSection,
  tuning: tuningSection,
  data: dataSection,
  train: trainSection,
  generate: generateSection,
  infer: inferSection,
  export: exportSection,
  serve: serveSection,
  engine: engineSection,
} as const;

/** Every resolved setting, section by section. It is a `Job` for the engine, and what stays in the parent. */
export type RunConfig = Job & {
  readonly export: SectionOf<typeof exportSection>;
  readonly serve: SectionOf<typeof serveSection>;
  readonly infer: SectionOf<typeof inferSection>;
};

export const sectionList: readonly Section[] = Object.values(sections);

export type Setting = { readonly key: string; readonly field: Field; readonly section: Section };

export const settings: ReadonlyMap<string, Setting> = new Map(
  sectionList.flatMap((section) =>
    Object.entries(section.fields).map(([key, field]) => [key, { key, field, section }] as const),
  ),
);

/** Other names of working settings: former names in LLaMA-Factory, and Hugging Face's. */
export const aliases: ReadonlyMap<string, string> = new Map(
  [...settings.values()].flatMap(({ key, field }) =>
    (field.notes.aliases ?? []).map((alias) => [alias, key] as const),
  ),
);
