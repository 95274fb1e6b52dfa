/** @file From what the user wrote to resolved settings: every value with its origin, notes, and all problems at once. */
import type { Place, TuneryError } from '../core/errors.ts';
import { formatPlace } from '../core/errors.ts';
import { type Given, isTraining } from '../core/field.ts';
import { type Choice, chooseEngine, isOn } from '../engine/choose-engine.ts';
import { answer, canonicalKey } from './answer.ts';
import {
  ConfigProblems,
  conflict,
  engineLater,
  missing,
  notSupportedYet,
  sameSetting,
} from './errors.ts';
import { type RunConfig, sectionList, settings } from './run-config.ts';
import { plainDefault } from './schema-words.ts';
import { type Entry, parseOverrides, readSettingsFile } from './source.ts';

export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'derived'; readonly from: readonly string[] }
  | { readonly kind: 'file'; readonly place: Place }
  | { readonly kind: 'argument'; readonly text: string };

/** One line for people: what happens with these keys. */
export type ConfigNote = { readonly keys: readonly string[]; readonly message: string };
export type ConfigWarning = {
  readonly keys: readonly string[];
  readonly message: string;
  readonly help?: string;
};

export type Loaded = {
  readonly job: RunConfig;
  /** The same values, flat. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Origin>;
  readonly notes: readonly ConfigNote[];
  readonly warnings: readonly ConfigWarning[];
};

/** Keys that nothing serves yet, with what to do instead. */
type Later = {
  readonly what: readonly string[];
  readonly place: Place;
  readonly instead: string;
  readonly engine: 'torch' | undefined;
};

export type LoadRequest = {
  readonly file?: string | undefined;
  /** `key=value`, later ones winning over earlier ones and over the file. */
  readonly overrides?: readonly string[] | undefined;
  /** What is going to run: it decides what must be set. `config` takes it from the settings themselves. */
  readonly command: string;
};

/** What a file is for, where nothing runs yet. */
function purpose(written: ReadonlyMap<string, Entry>): string {
  if (written.has('dataset') || written.get('do_train')?.value === true) return 'train';
  return written.has('export_dir') ? 'export' : 'config';
}

/** Reads, checks and resolves all settings. Throws a TuneryError that tells every problem. */
export function loadConfig(request: LoadRequest): Loaded {
  return resolveConfig(readEntries(request), request.command, request.file);
}

/** What the user wrote, the file first. */
export const readEntries = ({ file, overrides = [] }: LoadRequest): Entry[] => [
  ...(file === undefined ? [] : readSettingsFile(file)),
  ...parseOverrides(overrides),
];

export function resolveConfig(entries: readonly Entry[], caller: string, file?: string): Loaded {
  const problems: TuneryError[] = [];
  const written = latest(entries, problems);
  const command = caller === 'config' ? purpose(written) : caller;
  const values: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  for (const [key, { field }] of settings) {
    values[key] = plainDefault(field);
    origins.set(key, { kind: 'default' });
  }

  const notes = new Map<string, string[]>();
  const warnings: ConfigWarning[] = [];
  const later = new Map<string, Later>();
  const set = new Map<string, Place>();
  const choice: Choice = isTraining(command)
    ? chooseEngine((key) => written.get(key)?.value)
    : { engine: written.get('engine')?.value === 'torch' ? 'torch' : 'native' };
  // A training is computed by the engine alone; what it has learned may be served by another.
  const serves = !isTraining(command) || isOn(written.get('do_predict')?.value);
  const computing = serves
    ? [choice.engine, String(written.get('infer_backend')?.value ?? 'native')]
    : [choice.engine];
  for (const [key, entry] of written) {
    const said = answer(entry, command, computing);
    if (said.kind === 'problem') problems.push(said.problem);
    else if (said.kind === 'later') {
      const { what, instead, engine } = said;
      const group = `${engine} ${instead}`;
      const before = later.get(group)?.what ?? [];
      later.set(group, {
        place: entry.keyPlace,
        instead,
        engine,
        ...later.get(group),
        what: [...before, what],
      });
    } else {
      for (const note of said.notes) notes.set(note, [...(notes.get(note) ?? []), entry.key]);
      if (said.kind === 'unset') continue;
      if (said.warning !== undefined) warnings.push({ keys: [key], message: said.warning });
      values[key] = said.value;
      set.set(key, entry.valuePlace);
      origins.set(
        key,
        entry.from === 'file'
          ? { kind: 'file', place: entry.keyPlace }
          : { kind: 'argument', text: entry.keyPlace.key ?? entry.key },
      );
    }
  }
  for (const { what, place, instead, engine } of later.values())
    problems.push(
      engine ? engineLater(place, what, engine, instead) : notSupportedYet(place, what, instead),
    );

  if (choice.from !== undefined) {
    values['engine'] = choice.engine;
    origins.set('engine', { kind: 'derived', from: [choice.from] });
  }

  const given: Given = { command, training: isTraining(command), has: (key) => set.has(key) };
  // Rules and derived values need values of the right type.
  if (problems.length === 0) {
    derive(values, origins, given);
    for (const { fields, rules = [] } of sectionList) {
      for (const [key, { notes }] of Object.entries(fields)) {
        if (values[key] !== undefined && values[key] !== null) continue;
        if (notes.requiredBy?.some((name) => command === name || command.startsWith(`${name} `))) {
          problems.push(missing(key, notes.help, command, file));
        }
      }
      for (const rule of rules) {
        const fault = rule(values, given);
        if (!fault) continue;
        const { keys, message, help } = fault;
        if (fault.severity === 'warning') warnings.push({ keys, message, help });
        else {
          const place = keys.map((key) => set.get(key)).find((at) => at !== undefined);
          problems.push(
            conflict(place ?? (file === undefined ? undefined : { file }), keys, message, help),
          );
        }
      }
    }
  }
  // Top to bottom, as an editor is read.
  problems.sort((a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0));
  if (problems.length === 1 && problems[0]) throw problems[0];
  if (problems.length > 1) throw new ConfigProblems(problems);

  return {
    job: grouped(values),
    values,
    origins,
    notes: [...notes].map(([message, keys]) => ({ keys, message })),
    warnings,
  };
}

/** The entry that counts for each key; free keys (`x-…`) are dropped. */
function latest(entries: readonly Entry[], problems: TuneryError[]): Map<string, Entry> {
  const written = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.key.startsWith('x-')) continue;
    const key = canonicalKey(entry.key);
    const before = written.get(key);
    if (before && before.key !== entry.key && before.from === entry.from) {
      const [alias, place] =
        entry.key === key ? [before.key, before.keyPlace] : [entry.key, entry.keyPlace];
      problems.push(sameSetting(place, alias, key));
    }
    written.set(key, entry);
  }
  return written;
}

function derive(values: Record<string, unknown>, origins: Map<string, Origin>, given: Given): void {
  for (const section of sectionList) {
    for (const [key, derivation] of Object.entries(section.derive ?? {})) {
      if (given.has(key)) continue;
      const value = derivation.value(values, given);
      if (value === undefined) continue;
      values[key] = value;
      origins.set(key, { kind: 'derived', from: derivation.from });
    }
  }
}

function grouped(values: Readonly<Record<string, unknown>>): RunConfig {
  const groups = sectionList.map(({ name, fields }) => [
    name,
    Object.fromEntries(Object.keys(fields).map((key) => [key, values[key]])),
  ]);
  // Each value has been parsed by its own field's schema.
  return Object.fromEntries(groups) as RunConfig;
}

/** `default`, `derived from lora_rank`, `run.yaml:3`, `command line`. */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'derived':
      return `derived from ${origin.from.join(', ')}`;
    case 'file':
      return formatPlace({ file: origin.place.file, line: origin.place.line ?? 1 });
    case 'argument':
      return 'command line';
  }
}

/** What happened to accepted keys, and what looks odd: one line each, for the terminal. */
export function configLines({ notes, warnings }: Pick<Loaded, 'notes' | 'warnings'>): string[] {
  const names = (keys: readonly string[]) => keys.map((key) => `\`${key}\``).join(', ');
  return [
    ...notes.map(({ keys, message }) => `note: ${names(keys)}: ${message}`),
    ...warnings.map(
      ({ message, help }) => `warning: ${message}${help === undefined ? '' : `\n  help: ${help}`}`,
    ),
  ];
}
