/**
 * @file Rows of a parquet file, put together from its columns as Dremel does (Melnik et al. 2010): each column tells
 * of each value how much of the path to it is there (definition), and which list goes on (repetition).
 */
import type { Place } from '../core/errors.ts';
import type { Fail } from './byte-reader.ts';
import { openFile } from './chunks.ts';
import { badParquet, unsupportedParquet } from './errors.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { type Cursor, openColumn, type ReadAt } from './parquet-pages.ts';
import { type Node, readSchema } from './parquet-schema.ts';
import type { Rows } from './row.ts';

const magic = 'PAR1';
const tailBytes = 8;
const largestFooter = 256e6;

export function* parquetRows(path: string): Rows {
  const file = openFile(path);
  try {
    let row: number | undefined;
    const faults = (key?: string): { fail: Fail; refuse: Fail } => {
      const place = (): Place => ({
        file: path,
        ...(row === undefined ? {} : { row }),
        ...(key === undefined ? {} : { key }),
      });
      return {
        fail: (what) => {
          throw badParquet(place(), what);
        },
        refuse: (what) => {
          throw unsupportedParquet(place(), what);
        },
      };
    };
    const { fail, refuse } = faults();
    const readAt: ReadAt = (position, length) => {
      if (position < 0 || position + length > file.size) fail('it ends too early');
      const bytes = Buffer.allocUnsafeSlow(length);
      if (file.read(bytes, position) < length) fail('it ends too early');
      return bytes;
    };

    if (file.size === 0) return fail('it is empty');
    if (Buffer.from(readAt(0, 4)).toString('latin1') !== magic) {
      fail(`it does not begin with \`${magic}\``);
    }
    const tail = Buffer.from(readAt(file.size - tailBytes, tailBytes));
    if (tail.toString('latin1', 4) === 'PARE') refuse('it is encrypted');
    if (tail.toString('latin1', 4) !== magic) fail(`it is cut off: \`${magic}\` is not at its end`);
    const size = tail.readUInt32LE(0);
    if (size > largestFooter) fail('its list of contents is larger than any of sound files');
    const footer = readAt(file.size - tailBytes - size, size);
    const { root, groups } = readSchema(footer, fail, refuse);

    row = 0;
    const leaves = leavesOf(root);
    if (leaves.length === 0) fail('it has no columns');
    for (const { rows, columns } of groups) {
      const cursors = new Map(
        leaves.map((node): [Node, Cursor] => {
          const own = faults(node.path);
          return [node, openColumn(columns[node.column]!, node, readAt, own.fail, own.refuse)];
        }),
      );
      const read = rowReader(root, cursors);
      for (let i = 0; i < rows; i++) {
        const place: Place = { file: path, row };
        yield { value: read(), place };
        row++;
      }
      for (const [node, cursor] of cursors) {
        if (cursor.definition() >= 0) faults(node.path).fail('it has more values than rows');
      }
    }
  } finally {
    file.close();
  }
}

const leavesOf = (node: Node): readonly Node[] =>
  node.physical === undefined ? node.children.flatMap(leavesOf) : [node];

/** Reads one row after the other. */
function rowReader(root: Node, cursors: Cursors): () => JsonObject {
  const fields = root.children.map((node) => ({
    name: node.name,
    read: fieldReader(node, cursors),
  }));
  return () => objectOf(fields);
}

type Field = { readonly name: string; readonly read: () => JsonValue };

function objectOf(fields: readonly Field[]): JsonObject {
  const result: Record<string, JsonValue> = {};
  for (const { name, read } of fields) {
    // Not an assignment where that would set the prototype.
    if (name === '__proto__')
      Object.defineProperty(result, name, { value: read(), enumerable: true });
    else result[name] = read();
  }
  return result;
}

type Read = () => JsonValue;
type Cursors = ReadonlyMap<Node, Cursor>;

/** Whether a node is there whose parent is; where it is not, its columns go on to the next value. */
function presence(node: Node, cursors: Cursors): () => boolean {
  const leaves = leavesOf(node).map((leaf) => cursors.get(leaf)!);
  const [first] = leaves;
  return () => {
    if (!first || first.definition() >= node.definition) return true;
    for (const leaf of leaves) leaf.skip();
    return false;
  };
}

/** Reads a node whose parent is there. */
function fieldReader(node: Node, cursors: Cursors): Read {
  const content = contentReader(node, cursors);
  if (node.repetition === 'required') return content;
  if (node.repetition === 'repeated') return listReader(node, cursors, content);
  const isThere = presence(node, cursors);
  return () => (isThere() ? content() : null);
}

/** Reads all that a repeated node has in one list, each by `content`. */
function listReader(node: Node, cursors: Cursors, content: Read): () => readonly JsonValue[] {
  const isThere = presence(node, cursors);
  const [leaf] = leavesOf(node);
  const first = leaf && cursors.get(leaf);
  return () => {
    const items: JsonValue[] = [];
    if (!first || !isThere()) return items;
    do items.push(content());
    while (first.repetition() >= node.repeats);
    return items;
  };
}

/** Reads a node that is there. */
function contentReader(node: Node, cursors: Cursors): Read {
  if (node.physical) return cursors.get(node)!.take;
  const [child] = node.children;
  if (child?.repetition === 'repeated' && node.children.length === 1) {
    if (node.meaning.kind === 'list') {
      const element = elementOf(node, child);
      const content = element ? fieldReader(element, cursors) : contentReader(child, cursors);
      return listReader(child, cursors, content);
    }
    if (node.meaning.kind === 'map' && child.children.length === 2)
      return mapReader(child, cursors);
  }
  const fields = node.children.map((each) => ({
    name: each.name,
    read: fieldReader(each, cursors),
  }));
  return () => objectOf(fields);
}

function mapReader(entry: Node, cursors: Cursors): Read {
  const [key, value] = entry.children.map((each) => fieldReader(each, cursors));
  const entries = listReader(entry, cursors, () => [key!(), value!()]);
  return () =>
    Object.fromEntries((entries() as [JsonValue, JsonValue][]).map(([k, v]) => [String(k), v]));
}

/**
 * What a list repeats: as files are written now, the one field of its repeated group. Old writers repeat the element
 * itself (undefined): the format's LogicalTypes.md has the rules under "Backward-compatibility rules".
 */
function elementOf(list: Node, repeated: Node): Node | undefined {
  const isItself =
    repeated.children.length !== 1 ||
    repeated.name === 'array' ||
    repeated.name === `${list.name}_tuple`;
  return isItself ? undefined : repeated.children[0];
}
