/** @file LLaMA-Factory's vectors, for tests. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { isJsonObject, type JsonObject, parseJson } from '../src/files/json.ts';

const file = new URL('./fixtures/data/llamafactory-templates.jsonl.gz', import.meta.url);

/** The vectors of one kind, as they stand in the file. */
export function vectorsOf(kind: string): JsonObject[] {
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n');
  return lines
    .map((line) => parseJson(line, { file: file.pathname }))
    .filter(isJsonObject)
    .filter((vector) => vector.kind === kind);
}
