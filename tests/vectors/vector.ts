/** @file A file of LLaMA-Factory's vectors: one JSON object a line, plain or gzipped. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../../src/files/json.ts';

export type Vector = JsonObject & { readonly id: string; readonly kind: string };

export function readVectors(path: string | URL): readonly Vector[] {
  const bytes = readFileSync(path);
  const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString(
    'utf8',
  );
  return text
    .split('\n')
    .map((line, i) => ({ line, place: { file: String(path), line: i + 1 } }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => {
      const vector = objectOf(parseJson(line, place));
      return { ...vector, id: textOf(vector.id), kind: textOf(vector.kind) };
    });
}

type Given = JsonValue | undefined;

export const textOf = (value: Given): string => (typeof value === 'string' ? value : '');
export const listOf = (value: Given): readonly JsonValue[] => (Array.isArray(value) ? value : []);
export const objectOf = (value: Given): JsonObject =>
  isJsonObject(value ?? null) ? (value as JsonObject) : {};
export const textsOf = (value: Given): readonly string[] => listOf(value).map(textOf);
export const numbersOf = (value: Given): readonly number[] => listOf(value).map(Number);
export const rowsOf = (vector: Vector): readonly JsonObject[] => listOf(vector.rows).map(objectOf);
