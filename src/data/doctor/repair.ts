/**
 * @file `--fix`: a cleaned copy of a data file. What is surely wrong is mended or left out, each with its place;
 * everything else is written as it stands.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import type { Place } from '../../core/errors.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../files/json.ts';
import { rowsText, toJsonText } from '../../files/json-text.ts';
import type { Found, Kind } from './check.ts';
import { checks } from './checks/index.ts';
import { duplicateKey, repeatedKeys } from './checks/source-text.ts';
import { badFixEnding, outExists } from './errors.ts';
import type { Examined } from './examine.ts';
import type { Path } from './locate.ts';
import type { RawRow } from './raw-row.ts';
import { contentEnding, readRaw } from './raw-rows.ts';
import { kindOfReaderFault } from './reader-fault.ts';
import { type RowView, viewOf } from './view.ts';

/** One kind of change: what was done, how often, and where the first times. */
export type Change = {
  readonly code: string;
  readonly how: 'mend' | 'drop';
  readonly what: string;
  readonly count: number;
  readonly lines: readonly number[];
};

export type Repaired = {
  readonly source: string;
  readonly out: string;
  readonly rows: { readonly read: number; readonly written: number; readonly left_out: number };
  readonly changes: readonly Change[];
};

/** So many lines of each kind are listed; the others are counted. */
const keptLines = 1000;

function ledger() {
  const changes = new Map<string, { kind: Kind; count: number; lines: number[] }>();
  return {
    note(kind: Kind, place: Place): void {
      const entry = changes.get(kind.code) ?? { kind, count: 0, lines: [] };
      changes.set(kind.code, entry);
      entry.count++;
      const at = place.line ?? place.row;
      if (at !== undefined && entry.lines.length < keptLines) entry.lines.push(at);
    },
    all: (): Change[] =>
      [...changes.values()].map(({ kind, count, lines }) => ({
        code: kind.code,
        how: kind.fix?.how ?? 'mend',
        what: `${kind.title}: ${kind.fix?.what ?? ''}`,
        count,
        lines,
      })),
  };
}

const menders = checks.filter(({ mend }) => mend);
const droppers = checks.filter(({ fix, row }) => fix?.how === 'drop' && row);
const setDroppers = checks.filter(({ fix, set }) => fix?.how === 'drop' && set);

/** Writes `out`, and beside it the list of changes. Refuses to write over anything. */
export function repair(path: string, { format, reading }: Examined, out: string): Repaired {
  const ending = endingOf(path, out);
  const listing = `${out}.report.json`;
  for (const target of [out, listing]) if (existsSync(target)) throw outExists(target);
  const changes = ledger();
  let read = 0;
  let written = 0;
  let unreadable = 0;
  const fault = (code: string, _message: string, place: Place): void => {
    const kind = kindOfReaderFault(code);
    changes.note(kind, place);
    // Where a file is cut off, nobody knows how many rows are lost.
    if (kind.fix?.how === 'drop' && (place.line ?? place.row) !== undefined) unreadable++;
  };
  const sets = setDroppers.map((check) => ({ check, set: check.set!() }));
  const isKept = (view: RowView): boolean => {
    let kept = true;
    const drop =
      (kind: Kind): Found =>
      () => {
        if (kept) changes.note(kind, view.place);
        kept = false;
      };
    for (const check of droppers) check.row?.(view, drop(check));
    for (const { check, set } of sets) if (kept) set.row(view, drop(check));
    return kept;
  };
  const texts = function* (): Generator<string> {
    for (const raw of readRaw(path, fault)) {
      read++;
      if (format === undefined || reading === undefined) {
        written++;
        yield textOf(raw, raw.value, ending);
        continue;
      }
      const view = viewOf(raw.value, raw.place, format, reading);
      const value = mended(raw, view, changes.note);
      if (!isKept(value === raw.value ? view : viewOf(value, raw.place, format, reading))) continue;
      written++;
      yield textOf(raw, value, ending);
    }
  };
  writeFileAtomic(out, ending === '.txt' ? joined(texts()) : rowsText(texts(), ending));
  const repaired: Repaired = {
    source: path,
    out,
    rows: { read: read + unreadable, written, left_out: read + unreadable - written },
    changes: changes.all(),
  };
  writeFileAtomic(listing, `${JSON.stringify(repaired, null, 2)}\n`);
  return repaired;
}

type Ending = '.json' | '.jsonl' | '.txt';

/** Texts stay texts; every other file can be written as JSON. */
function endingOf(path: string, out: string): Ending {
  const [from, to] = [contentEnding(path), extname(out).toLowerCase()];
  if (to === '.txt' && from === '.txt') return '.txt';
  if (to === '.json' || to === '.jsonl') return to;
  throw badFixEnding(out, from === '.txt');
}

function* joined(texts: Iterable<string>): Generator<string> {
  for (const text of texts) yield `${text}\n`;
}

/** A row that was not changed is written as it stands, where its text fits into the file. */
function textOf({ source, value: before }: RawRow, value: JsonObject, ending: Ending): string {
  if (ending === '.txt') return typeof value.text === 'string' ? value.text : '';
  const asItStands = value === before && source?.kind === 'json' && isSound(source.text);
  if (asItStands && (ending === '.json' || !source.text.includes('\n'))) return source.text.trim();
  return toJsonText(value);
}

/** Whether the text says what was read of it: no key twice, no number that JSON does not have. */
const isSound = (text: string): boolean =>
  repeatedKeys(text).length === 0 && !/NaN|Infinity|\r/.test(text);

function mended(raw: RawRow, view: RowView, note: (kind: Kind, place: Place) => void): JsonObject {
  let value = raw.value;
  if (raw.source?.kind === 'json') {
    for (const _ of repeatedKeys(raw.source.text)) note(duplicateKey, view.place);
  }
  for (const passage of view.passages) {
    let { text } = passage;
    for (const check of menders) {
      const after = check.mend?.(text, passage) ?? text;
      if (after !== text) note(check, view.place);
      text = after;
    }
    if (text !== passage.text) value = replaced(value, passage.path, text);
  }
  return value;
}

/** The row with another text at a path; nothing that is not on the path is copied. */
function replaced(row: JsonObject, path: Path, text: string): JsonObject {
  const put = (value: JsonValue, depth: number): JsonValue => {
    const step = path[depth];
    if (step === undefined) return text;
    if (typeof step === 'number') {
      return Array.isArray(value)
        ? value.map((item: JsonValue, i) => (i === step ? put(item, depth + 1) : item))
        : value;
    }
    if (!isJsonObject(value)) return value;
    const item = put(value[step] ?? null, depth + 1);
    // Not `…value`: the order of the keys in the file is kept beside them, unseen.
    const copy: JsonObject = Object.create(Object.prototype, {
      ...Object.getOwnPropertyDescriptors(value),
      [step]: { value: item, writable: true, enumerable: true, configurable: true },
    });
    return copy;
  };
  const changed = put(row, 0);
  return isJsonObject(changed) ? changed : row;
}
