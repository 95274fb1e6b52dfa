/**
 * @file What stands at the end of a parquet file: the tree of its columns, and where each group of rows has them.
 * Format: https://github.com/apache/parquet-format, version 2.12 (parquet.thrift gives the numbers of fields).
 */
import { ByteReader, type Fail } from './byte-reader.ts';
import {
  listOf,
  numberOf,
  readStruct,
  structOf,
  type ThriftStruct,
  type ThriftValue,
  textOf,
} from './thrift.ts';

export type Repetition = 'required' | 'optional' | 'repeated';

export type Node = {
  readonly name: string;
  readonly path: string;
  readonly repetition: Repetition;
  /** How many of the nodes down to this one are not required, and how many are repeated. */
  readonly definition: number;
  readonly repeats: number;
  readonly meaning: Meaning;
  readonly children: readonly Node[];
  /** Of a leaf, which has no children: how its values lie in the file. */
  readonly physical: Physical | undefined;
  /** Of a leaf: its place among the columns of a group. */
  readonly column: number;
};

const physicals = [
  'boolean',
  'int32',
  'int64',
  'int96',
  'float',
  'double',
  'bytes',
  'fixed',
] as const;
export type Physical = (typeof physicals)[number];

/** What a node stands for: of either of the two ways in which files say it. */
export type Meaning = {
  readonly kind:
    | 'plain'
    | 'list'
    | 'map'
    | 'text'
    | 'unsigned'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'decimal'
    | 'uuid'
    | 'float16';
  readonly scale: number;
  /** Of a time: how many units a second has. */
  readonly unit: bigint;
  readonly isUtc: boolean;
  /** Of `fixed`: how many bytes a value has. */
  readonly width: number;
};

export type Column = {
  readonly codec: number;
  readonly values: number;
  /** Bytes of the file, its dictionary page included. */
  readonly start: number;
  readonly size: number;
};

export type RowGroup = { readonly rows: number; readonly columns: readonly Column[] };

export type ParquetSchema = { readonly root: Node; readonly groups: readonly RowGroup[] };

export function readSchema(footer: Uint8Array, fail: Fail, refuse: Fail): ParquetSchema {
  const file = readStruct(new ByteReader(footer, fail));
  const elements = listOf(file.get(2)).map(
    (value) => structOf(value) ?? fail('its schema is broken'),
  );
  const root = readTree(elements, fail);
  const leaves = countLeaves(root);
  const groups = listOf(file.get(4)).map((value): RowGroup => {
    const group = structOf(value) ?? fail('its list of row groups is broken');
    const columns = listOf(group.get(1)).map((column) => readColumn(column, fail, refuse));
    if (columns.length !== leaves) fail('a row group has not all columns');
    return { rows: count(group.get(3), fail), columns };
  });
  return { root, groups };
}

function count(value: ThriftValue | undefined, fail: Fail): number {
  const number = numberOf(value);
  return number !== undefined && number >= 0 && Number.isSafeInteger(number)
    ? number
    : fail('a size or a count in it is missing or impossible');
}

function readColumn(value: ThriftValue, fail: Fail, refuse: Fail): Column {
  const column = structOf(value);
  const meta = structOf(column?.get(3));
  if (column?.has(8) || column?.has(9)) refuse('it is encrypted');
  if (column?.has(1)) refuse('its columns lie in other files');
  if (!meta) return fail('a column of a row group is not described');
  const dictionary = numberOf(meta.get(11)) ?? 0;
  const data = count(meta.get(9), fail);
  return {
    codec: count(meta.get(4), fail),
    values: count(meta.get(5), fail),
    // Some writers say 0 for none.
    start: dictionary > 0 ? Math.min(dictionary, data) : data,
    size: count(meta.get(7), fail),
  };
}

const countLeaves = (node: Node): number =>
  node.physical === undefined ? node.children.reduce((sum, each) => sum + countLeaves(each), 0) : 1;

const deepest = 100;

function readTree(elements: readonly ThriftStruct[], fail: Fail): Node {
  let next = 0;
  let columns = 0;
  const read = (parent: Node | undefined, depth: number): Node => {
    const element = elements[next++] ?? fail('its schema ends too early');
    if (depth > deepest) fail('its columns are nested too deep');
    const name = textOf(element.get(4)) ?? '';
    const kind = numberOf(element.get(3)) ?? 0;
    const repetition = parent ? (['required', 'optional', 'repeated'] as const)[kind] : 'required';
    if (repetition === undefined) return fail('its schema is broken');
    const size = numberOf(element.get(5)) ?? 0;
    const physical = size > 0 ? undefined : physicals[numberOf(element.get(1)) ?? -1];
    if (size === 0 && parent && !physical) fail(`the column \`${name}\` is of no known type`);
    const children: Node[] = [];
    const node: Node = {
      name,
      path: parent?.path ? `${parent.path}.${name}` : parent ? name : '',
      repetition,
      definition: (parent?.definition ?? 0) + (repetition === 'required' ? 0 : 1),
      repeats: (parent?.repeats ?? 0) + (repetition === 'repeated' ? 1 : 0),
      meaning: meaningOf(element),
      children,
      physical,
      column: physical ? columns++ : -1,
    };
    if (size > elements.length) fail('its schema ends too early');
    for (let i = 0; i < size; i++) children.push(read(node, depth + 1));
    return node;
  };
  return read(undefined, 0);
}

/** ConvertedType of old files, by its number. */
const converted: Readonly<Record<number, Partial<Meaning>>> = {
  0: { kind: 'text' },
  1: { kind: 'map' },
  2: { kind: 'map' },
  3: { kind: 'list' },
  4: { kind: 'text' },
  5: { kind: 'decimal' },
  6: { kind: 'date' },
  7: { kind: 'time', unit: 1_000n },
  8: { kind: 'time', unit: 1_000_000n },
  9: { kind: 'timestamp', unit: 1_000n, isUtc: true },
  10: { kind: 'timestamp', unit: 1_000_000n, isUtc: true },
  11: { kind: 'unsigned' },
  12: { kind: 'unsigned' },
  13: { kind: 'unsigned' },
  14: { kind: 'unsigned' },
  19: { kind: 'text' },
};

/** LogicalType, which goes before: the number of its one field. */
const logical: Readonly<Record<number, Meaning['kind']>> = {
  1: 'text',
  2: 'map',
  3: 'list',
  4: 'text',
  5: 'decimal',
  6: 'date',
  7: 'time',
  8: 'timestamp',
  12: 'text',
  14: 'uuid',
  15: 'float16',
};

function meaningOf(element: ThriftStruct): Meaning {
  const plain: Meaning = {
    kind: 'plain',
    scale: numberOf(element.get(7)) ?? 0,
    unit: 1n,
    isUtc: false,
    width: numberOf(element.get(2)) ?? 0,
  };
  const [found] = structOf(element.get(10)) ?? [];
  if (!found) return { ...plain, ...converted[numberOf(element.get(6)) ?? -1] };
  const [id, value] = found;
  const details = structOf(value);
  // INTEGER: { 1: bits, 2: is signed }.
  if (id === 10) return { ...plain, kind: details?.get(2) === false ? 'unsigned' : 'plain' };
  const kind = logical[id] ?? 'plain';
  if (kind !== 'time' && kind !== 'timestamp') return { ...plain, kind };
  const [unit] = structOf(details?.get(2))?.keys() ?? [];
  return {
    ...plain,
    kind,
    isUtc: details?.get(1) === true,
    unit: ([1_000n, 1_000_000n, 1_000_000_000n] as const)[(unit ?? 1) - 1] ?? 1_000n,
  };
}
