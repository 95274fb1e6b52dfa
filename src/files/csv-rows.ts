/**
 * @file Rows of .csv and .tsv files (RFC 4180), with the values that pandas, which Hugging Face's reader is made of,
 * finds in them: a column of numbers is numbers, and what pandas takes for missing is null.
 */
import type { Place } from '../core/errors.ts';
import { floatCell, integerCell } from './cells.ts';
import type { Chunks } from './chunks.ts';
import { badTable, rowTooLarge } from './errors.ts';
import type { JsonValue } from './json.ts';
import { type Line, lines } from './line-rows.ts';
import { largestRow, type OnBadRow, type Rows } from './row.ts';

/** The types of columns are decided by as many rows, as in Hugging Face's reader. */
const rowsToType = 10_000;

/** What `pandas.read_csv` takes for a missing value. */
const missing: ReadonlySet<string> = new Set(
  `|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null`.split(
    '|',
  ),
);

/** One row of the file as it is written. */
type Cells = { readonly cells: readonly string[]; readonly line: number };

export const tableRows = (separator: string) =>
  function* (path: string, chunks: Chunks, onBadRow?: OnBadRow): Rows {
    const records = readRecords(path, chunks, separator);
    const first = records.next();
    if (first.done) return;
    const names = columnNames(first.value, path);

    let row = 0;
    let types: readonly Type[] | undefined;
    const typed = ({ cells, line }: Cells) => {
      const place: Place = { file: path, line, row: row++ };
      return { value: asObject(names, cells, types!, place), place };
    };
    const held: Cells[] = [];
    let size = 0;
    const flush = function* (): Rows {
      types ??= names.map((_, column) => typeOf(held, column));
      for (const each of held.splice(0)) yield typed(each);
    };
    try {
      for (const record of records) {
        const { cells, line } = record;
        if (cells.length > names.length) {
          const found = `this row has ${cells.length} cells, but the header names ${names.length} columns`;
          const error = badTable({ file: path, line, row: row + held.length }, found);
          if (!onBadRow) throw error;
          onBadRow(error);
          continue;
        }
        if (types) {
          yield typed(record);
          continue;
        }
        held.push(record);
        for (const cell of cells) size += cell.length;
        if (held.length >= rowsToType || size >= largestRow) yield* flush();
      }
    } catch (error) {
      // The rows before the fault are sound.
      yield* flush();
      throw error;
    }
    yield* flush();
  };

function columnNames({ cells, line }: Cells, path: string): readonly string[] {
  const names = cells.map((cell, i) => (cell === '' ? `Unnamed: ${i}` : cell));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw badTable({ file: path, line }, `the column \`${twice}\` stands twice`);
  return names;
}

function asObject(
  names: readonly string[],
  cells: readonly string[],
  types: readonly Type[],
  place: Place,
) {
  const entries = names.map((name, i): [string, JsonValue] => {
    const text = cells[i] ?? '';
    if (missing.has(text)) return [name, null];
    const type = types[i]!;
    if (type.fits(text)) return [name, type.read(text)];
    throw badTable(
      { ...place, key: name },
      `\`${text.slice(0, 40)}\` stands in a column that holds ${type.name} before`,
    );
  });
  return Object.fromEntries(entries);
}

type Type = {
  /** In the plural. */
  readonly name: string;
  readonly fits: (text: string) => boolean;
  readonly read: (text: string) => JsonValue;
};

const isInteger = (text: string): boolean => /^\s*[+-]?\d{1,20}\s*$/.test(text);
const isFloat = (text: string): boolean =>
  /^\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?)\s*$/i.test(text);

const texts: Type = { name: 'texts', fits: () => true, read: (text) => text };
const booleans: Type = {
  name: 'true and false',
  fits: (text) => /^(?:true|True|TRUE|false|False|FALSE)$/.test(text),
  read: (text) => text.toLowerCase() === 'true',
};
const integers: Type = {
  name: 'whole numbers',
  fits: isInteger,
  read: (text) => integerCell(BigInt(text.trim().replace('+', ''))),
};
const floats: Type = {
  name: 'numbers',
  fits: isFloat,
  read: (text) => floatCell(Number(text.toLowerCase().replace(/inf(inity)?/, 'Infinity'))),
};

/** The type of a column, by the rows that are there. Whole numbers with a gap are floats, as in pandas. */
function typeOf(records: readonly Cells[], column: number): Type {
  const all = records.map(({ cells }) => cells[column] ?? '');
  const found = all.filter((text) => !missing.has(text));
  if (found.length === 0) return texts;
  if (found.every(booleans.fits)) return booleans;
  if (found.every(isInteger)) {
    const exact = found.map((text) => BigInt(text.trim().replace('+', '')));
    const [least, most] = [-(2n ** 63n), 2n ** (exact.some((value) => value < 0n) ? 63n : 64n)];
    if (exact.every((value) => value >= least && value < most)) {
      return found.length === all.length ? integers : floats;
    }
    return texts;
  }
  return found.every(isFloat) ? floats : texts;
}

/** The records, the header among them. A record is a line, or several where a line break stands in quotes. */
function* readRecords(path: string, chunks: Chunks, separator: string): Generator<Cells> {
  const source = lines(path, chunks);
  for (const { text, line } of source) {
    if (text.includes('"')) {
      yield { cells: readQuoted({ text, line }, source, separator, path), line };
      continue;
    }
    // `\r` ends a row too, alone or before `\n`.
    for (const part of withoutReturn(text).split('\r')) {
      const isBlank = part.trim() === '' && !part.includes(separator);
      if (!isBlank) yield { cells: part.split(separator), line };
    }
  }
}

const withoutReturn = (text: string): string => (text.endsWith('\r') ? text.slice(0, -1) : text);

/** A line whose quotes have not closed yet goes on in the next ones: `next` gives them. */
function readQuoted(start: Line, next: Generator<Line>, separator: string, path: string): string[] {
  const cells: string[] = [];
  let { text } = start;
  let { line } = start;
  let size = text.length;
  for (let at = 0; ; ) {
    let cell = '';
    if (text[at] === '"') {
      const opened = { file: path, line, column: at + 1 };
      for (at++; ; ) {
        const quote = text.indexOf('"', at);
        if (quote < 0) {
          cell += `${text.slice(at)}\n`;
          const more = next.next();
          if (more.done) throw badTable(opened, 'a quote is never closed');
          ({ text, line } = more.value);
          size += text.length + 1;
          if (size > largestRow) throw rowTooLarge(opened, largestRow);
          at = 0;
          continue;
        }
        cell += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        cell += '"';
        at++;
      }
    }
    // What follows a closing quote belongs to the cell, as in pandas.
    const end = text.indexOf(separator, at);
    if (end < 0) return [...cells, cell + withoutReturn(text.slice(at))];
    cells.push(cell + text.slice(at, end));
    at = end + separator.length;
  }
}
