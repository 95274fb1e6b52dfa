/** @file Rows on their way to the disk: documents laid end to end, column by column, in plain arrays that cross a thread without a copy. */
import type { Place } from '../core/errors.ts';
import { Growing } from './growing.ts';
import type { Shape } from './stage.ts';

export type Document = {
  /** By name, as the stage's shape lists them. */
  readonly columns: Readonly<Record<string, Int32Array>>;
  /** Labels that count. */
  readonly targets: number;
  /** Tokens that `cutoff_len` was held against: of a pair, the prompt and its longer reply. */
  readonly whole: number;
  /** Tokens that were cut off, and how many of them were of replies. */
  readonly truncated: number;
  readonly truncatedReply: number;
  readonly place: Place;
};

/** Tokens of a document, as attention sees it. */
export const lengthOf = ({ columns }: Document, { fed }: Shape): number =>
  fed.reduce((sum, name) => sum + columns[name].length, 0);

/** Numbers of each row and each document, in order. */
export const numberColumns = [
  'row_documents',
  'row_targets',
  'length',
  'targets',
  'whole',
  'truncated',
  'truncated_reply',
  'file',
  'line',
  'row',
] as const;
type NumberColumn = (typeof numberColumns)[number];

export type RowBatch = {
  readonly rows: number;
  /** Each column's rows end to end. */
  readonly columns: Readonly<Record<string, Int32Array>>;
  /** Of each group of columns, the length of every row. */
  readonly bounds: Readonly<Record<string, Int32Array>>;
  readonly numbers: Readonly<Record<NumberColumn, Int32Array>>;
  /** What `file` counts in. */
  readonly files: readonly string[];
};

/** The arrays of a batch: each is a copy of its own. */
export const buffersOf = ({ columns, bounds, numbers }: RowBatch): ArrayBuffer[] =>
  [columns, bounds, numbers].flatMap((arrays) =>
    Object.values(arrays).map(({ buffer }) => buffer as ArrayBuffer),
  );

/** Gives the memory of a batch back at once, which the collector would do much later; nobody may look at it then. */
export function freeBatch(batch: RowBatch): void {
  for (const buffer of buffersOf(batch)) buffer.transfer(0);
}

export type BatchBuilder = {
  readonly rows: number;
  /** A row of one document, or of the documents of a pack. */
  add(documents: readonly Document[]): void;
  /** All that was added; the next batch begins empty. */
  take(): RowBatch;
};

export function createBatch(shape: Shape): BatchBuilder {
  const names = Object.entries(shape.columns);
  /** One column of each group, which has the bounds of all of them. */
  const leaders = [...new Map(names.map(([name, group]) => [group, name] as const))];
  const columns = new Map(names.map(([name]) => [name, new Growing(1 << 16)]));
  const bounds = new Map(leaders.map(([group]) => [group, new Growing(1024)]));
  const numbers = new Map(numberColumns.map((name) => [name, new Growing(1024)]));
  const put = (name: NumberColumn, value: number): void => numbers.get(name)?.push(value);
  const files = new Map<string, number>();
  let rows = 0;

  const takeAll = <Name extends string>(from: ReadonlyMap<Name, Growing>) =>
    Object.fromEntries([...from].map(([name, values]) => [name, values.take()]));

  return {
    get rows() {
      return rows;
    },
    add(documents) {
      let targets = 0;
      for (const document of documents) {
        const { place } = document;
        for (const [name, values] of columns) values.append(document.columns[name]);
        const file = files.get(place.file) ?? files.size;
        files.set(place.file, file);
        put('length', lengthOf(document, shape));
        put('targets', document.targets);
        put('whole', document.whole);
        put('truncated', document.truncated);
        put('truncated_reply', document.truncatedReply);
        put('file', file);
        put('line', place.line ?? 0);
        put('row', place.row ?? -1);
        targets += document.targets;
      }
      for (const [group, name] of leaders) {
        bounds
          .get(group)
          ?.push(documents.reduce((sum, each) => sum + each.columns[name].length, 0));
      }
      put('row_documents', documents.length);
      put('row_targets', targets);
      rows++;
    },
    take() {
      const batch: RowBatch = {
        rows,
        columns: takeAll(columns),
        bounds: takeAll(bounds),
        numbers: takeAll(numbers) as RowBatch['numbers'],
        files: [...files.keys()],
      };
      files.clear();
      rows = 0;
      return batch;
    },
  };
}
