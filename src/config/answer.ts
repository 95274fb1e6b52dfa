/** @file The four answers to a written key: working, accepted, not supported yet, unknown. */
import type { TuneryError } from '../core/errors.ts';
import { type Field, isTraining } from '../core/field.ts';
import { suggest } from '../core/suggest.ts';
import { unknownKey, wrongType } from './errors.ts';
import { formerNames, knownKeys } from './known-keys.ts';
import { aliases, settings } from './run-config.ts';
import { display, expected, found, plainDefault } from './schema-words.ts';
import type { Entry } from './source.ts';
import { isPlannedForTorch } from './torch-engine.ts';

export type Answer =
  | {
      readonly kind: 'value';
      readonly value: unknown;
      readonly notes: readonly string[];
      readonly warning?: string;
    }
  /** As good as not written. */
  | { readonly kind: 'unset'; readonly notes: readonly string[] }
  | {
      readonly kind: 'later';
      readonly what: string;
      readonly instead: string;
      /** The engine that is planned to serve it. */
      readonly engine?: 'torch';
    }
  | { readonly kind: 'problem'; readonly problem: TuneryError };

/** The key that a written name stands for. */
export function canonicalKey(key: string): string {
  return aliases.get(key) ?? formerNames.get(key) ?? key;
}

/** Every name that is not unknown. */
export function allNames(): string[] {
  return [...settings.keys(), ...aliases.keys(), ...knownKeys.keys(), ...formerNames.keys()];
}

/** `command` is what is going to run, and `engines` what computes it: some values serve one and not another. */
export function answer(entry: Entry, command = 'config', engines: readonly string[] = []): Answer {
  const key = canonicalKey(entry.key);
  const notes = key === entry.key ? [] : [`it is called \`${key}\` here`];
  const setting = settings.get(key);
  if (setting) {
    const said = answerSetting(entry, key, setting.field, notes, command, engines);
    const { ofEngine = {} } = setting.field.notes;
    const [otherwise] = engines.some((name) => name in ofEngine) ? [] : Object.values(ofEngine);
    if (said.kind !== 'value' || otherwise === undefined) return said;
    const usual = sameText(said.value, plainDefault(setting.field));
    return { kind: 'unset', notes: usual ? notes : [...notes, otherwise] };
  }
  const known = knownKeys.get(key);
  if (known) {
    if (isDefault(entry.value, known.default)) return { kind: 'unset', notes };
    if (known.answer === 'accepted') return { kind: 'unset', notes: [...notes, known.says] };
    if (isOff(entry.value))
      return { kind: 'unset', notes: [...notes, 'it is not supported yet, and off'] };
    return later(key, entry, entry.key, known.says);
  }
  const working = suggest(key, [...settings.keys(), ...aliases.keys()]);
  return {
    kind: 'problem',
    problem: unknownKey(entry.keyPlace, entry.key, working ?? suggest(key, allNames())),
  };
}

const later = (key: string, { value }: Entry, what: string, instead: string): Answer => ({
  kind: 'later',
  what,
  instead,
  ...(isPlannedForTorch(key, value) && { engine: 'torch' }),
});

/** A word of the user's may be `constructor`. */
const own = (table: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

const sameText = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function isDefault(value: unknown, usual: unknown): boolean {
  return (
    value === null || sameText(value, usual) || (usual !== null && String(value) === String(usual))
  );
}

/** Values that say "off" for any key. */
function isOff(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === false || value === 0 || /^(|no|none|off|false)$/i.test(String(value));
}

function answerSetting(
  entry: Entry,
  key: string,
  field: Field,
  notes: readonly string[],
  command: string,
  engines: readonly string[],
): Answer {
  const { unset = [], later: others = {}, servedBy, healthy } = field.notes;
  const accepted =
    servedBy !== undefined && engines.includes(servedBy) ? {} : (field.notes.accepted ?? {});
  const { value } = entry;
  if (value === null && !field.schema.safeParse(null).success) return { kind: 'unset', notes };
  const single = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (unset.some((item) => item === single || String(item) === String(single))) {
    return { kind: 'unset', notes };
  }
  const read = readValue(entry, field);
  if (!read) {
    const instead = own(others, String(value)) ?? others['*'];
    if (instead !== undefined) {
      return later(key, entry, `${entry.key}: ${display(value)}`, instead);
    }
    return {
      kind: 'problem',
      problem: wrongType(entry.valuePlace, entry.key, wanted(field), found(value)),
    };
  }
  const name = String(read.value);
  const here = own(field.notes.laterIn?.[isTraining(command) ? 'train' : command] ?? {}, name);
  if (here !== undefined) return { kind: 'later', what: `${entry.key}: ${name}`, instead: here };
  const usual = plainDefault(field);
  const says = own(accepted, name) ?? (sameText(read.value, usual) ? undefined : accepted['*']);
  const all = [
    ...notes,
    ...(read.note === undefined ? [] : [read.note]),
    ...(says === undefined ? [] : [says]),
  ];
  const unhealthy =
    healthy &&
    typeof read.value === 'number' &&
    (read.value < healthy[0] || read.value > healthy[1]);
  return {
    kind: 'value',
    value: read.value,
    notes: all,
    ...(unhealthy && {
      warning: `\`${key}: ${entry.text ?? read.value}\` is outside the usual ${healthy[0]} to ${healthy[1]}`,
    }),
  };
}

function wanted(field: Field): string {
  const { later = {} } = field.notes;
  const names = Object.keys(later).filter((name) => name !== '*');
  const words = expected(field);
  return names.length === 0
    ? words
    : `${words} (later also ${names.map((name) => `\`${name}\``).join(', ')})`;
}

type Read = { readonly value: unknown; readonly note?: string };

/** The value itself, or the one other reading that it can have: `"8"` as 8, `yes` as true, 2024 as text. */
function readValue(entry: Entry, field: Field): Read | undefined {
  const direct = field.schema.safeParse(entry.value);
  if (direct.success) return { value: direct.data };
  for (const { value, note } of otherReadings(entry)) {
    const parsed = field.schema.safeParse(value);
    if (parsed.success)
      return note === undefined ? { value: parsed.data } : { value: parsed.data, note };
  }
  return undefined;
}

function* otherReadings({ value, text }: Entry): Generator<Read> {
  if (typeof value === 'number' || typeof value === 'boolean') {
    // A run called 007 keeps its zeros. YAML 1.1 read `no` as false, so `false` may stand for it.
    yield { value: text ?? String(value) };
    if (value === false) yield { value: 'no' };
    return;
  }
  if (Array.isArray(value)) {
    if (value.every((item) => ['string', 'number', 'boolean'].includes(typeof item))) {
      yield { value: value.map(String) };
    }
    return;
  }
  if (typeof value !== 'string') return;
  const word = value.trim();
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word)) {
    yield {
      value: Number(word),
      note: `the text "${value}" is read as the number ${Number(word)}`,
    };
  }
  if (/^(true|yes|on)$/i.test(word))
    yield { value: true, note: `the text "${value}" is read as true` };
  if (/^(false|no|off)$/i.test(word))
    yield { value: false, note: `the text "${value}" is read as false` };
  if (/^[[{]/.test(word)) {
    try {
      yield { value: JSON.parse(word) as unknown };
    } catch {
      // Not JSON either: the text stays what it is, and the type error says so.
    }
  }
}
