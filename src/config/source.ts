/** @file What the user wrote: settings files (YAML 1.2 with merge keys, or JSON) and `key=value` arguments, with positions. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import type { Place } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import { badArgument, duplicateKey, fileMissing, syntax, unreadable } from './errors.ts';

/** One key as it was written. */
export type Entry = {
  readonly key: string;
  readonly value: unknown;
  /** The source text of a scalar: `1e-4`, `007`. */
  readonly text?: string | undefined;
  readonly from: 'file' | 'argument';
  readonly keyPlace: Place;
  readonly valuePlace: Place;
};

const options = { version: '1.2', merge: true, prettyErrors: false, logLevel: 'silent' } as const;

function readText(path: string): string {
  try {
    if (statSync(path).isDirectory()) throw unreadable(path, 'it is a folder');
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      let names: string[] = [];
      try {
        names = readdirSync(dirname(path)).filter((name) => /\.(ya?ml|json)$/i.test(name));
      } catch {
        // No such folder either: nothing to suggest.
      }
      const near = suggest(basename(path), names);
      throw fileMissing(path, near === undefined ? undefined : join(dirname(path), near));
    }
    if (typeof error.code === 'string' && error.code.startsWith('config/')) throw error;
    throw unreadable(path, error.message);
  }
}

/** The entries of a settings file. JSON is read as YAML, which holds it whole. */
export function readSettingsFile(path: string): Entry[] {
  return parseSettings(readText(path), path);
}

export function parseSettings(text: string, file: string): Entry[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    ...options,
    uniqueKeys: false,
    lineCounter: lines,
  });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  if (!Array.isArray(documents)) return [];
  for (const document of documents) {
    const fault = document.errors[0];
    if (fault) throw syntax(place(fault.pos[0]), fault.message.replace(/\s+/g, ' '));
  }
  if (documents.length > 1) {
    const second = documents[1]?.range[0] ?? 0;
    throw syntax(place(second), 'the file holds a second YAML document (`---`)');
  }
  const document = documents[0];
  if (!document?.contents) return [];
  // A file that is one alias or scalar has nothing to look keys up in.
  if (!isMap(document.contents)) {
    throw syntax(place(startOf(document.contents)), 'the file must be a map of settings');
  }
  return mapEntries(document.contents, document, place, true);
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

/** Own keys win over merged ones, and an earlier merged map over a later, as YAML's merge key has it. */
function mapEntries(
  map: YAMLMap,
  document: Document,
  place: (offset: number) => Place,
  own: boolean,
): Entry[] {
  const found = new Map<string, Entry>();
  const merged: Entry[] = [];
  for (const pair of map.items as Pair[]) {
    const keyNode = pair.key;
    const keyPlace = place(startOf(keyNode));
    if (!isScalar(keyNode)) throw syntax(keyPlace, 'a key must be a plain word');
    const key = String(keyNode.source ?? keyNode.value);
    if (key === '<<') {
      merged.push(...mergedEntries(pair.value, document, place));
      continue;
    }
    const before = found.get(key);
    if (before && own) {
      throw duplicateKey(
        keyPlace,
        key,
        `in line ${before.keyPlace.line}, column ${before.keyPlace.column}`,
      );
    }
    // An alias is told where it is used: that is the line to change.
    const valuePlace = pair.value ? place(startOf(pair.value)) : keyPlace;
    const node = resolve(pair.value, document, valuePlace);
    let value: unknown = null;
    try {
      if (node !== null) value = (node as Node).toJS(document);
    } catch (error) {
      // An alias inside without its anchor, or so many of them that they would fill the memory.
      throw syntax(valuePlace, error instanceof Error ? error.message : String(error));
    }
    found.set(key, {
      key,
      value,
      text: isScalar(node) ? node.source : undefined,
      from: 'file',
      keyPlace,
      valuePlace,
    });
  }
  for (const entry of merged) if (!found.has(entry.key)) found.set(entry.key, entry);
  return [...found.values()];
}

function resolve(node: unknown, document: Document, place: Place): unknown {
  if (!isAlias(node)) return node ?? null;
  const target = node.resolve(document);
  if (!target) throw syntax(place, `\`*${node.source}\` has no \`&${node.source}\` before it`);
  return target;
}

function mergedEntries(
  value: unknown,
  document: Document,
  place: (offset: number) => Place,
): Entry[] {
  const node = resolve(value, document, place(startOf(value)));
  if (isMap(node)) return mapEntries(node, document, place, false);
  if (isSeq(node)) return node.items.flatMap((item) => mergedEntries(item, document, place));
  throw syntax(place(startOf(value)), '`<<` merges a map, or a list of maps');
}

/** The value of an argument: a YAML scalar or flow collection; anything else is text as it stands. */
function parseValue(text: string): { value: unknown; text?: string } {
  const document = parseDocument(text, { ...options, uniqueKeys: false });
  const { contents } = document;
  if (document.errors.length > 0 || document.warnings.length > 0) return { value: text, text };
  if (contents === null) return { value: null };
  if (isScalar(contents)) {
    const plain = contents.type === 'PLAIN' || contents.type?.startsWith('QUOTE');
    return plain
      ? { value: contents.toJS(document), text: contents.source ?? text }
      : { value: text, text };
  }
  if ((isMap(contents) || isSeq(contents)) && contents.flow)
    return { value: contents.toJS(document) };
  return { value: text, text };
}

/** `key=value` arguments, in order; the last of a key counts. */
export function parseOverrides(overrides: readonly string[]): Entry[] {
  return overrides.map((override) => {
    const at = override.indexOf('=');
    if (at < 1) throw badArgument(override, 'settings are written `key=value` or `--key value`');
    const key = override.slice(0, at).trim();
    const place: Place = { file: 'command line', key: override };
    return {
      key,
      ...parseValue(override.slice(at + 1)),
      from: 'argument',
      keyPlace: place,
      valuePlace: place,
    };
  });
}
