/**
 * @file How many tokens a second one thread makes of English prose, and how soon a tokenizer is ready.
 *
 * `node bench/tokenizer.ts [FILE.jsonl …]`; without files the project's own c4 sample. "First" is a fresh tokenizer's
 * first pass, code not yet compiled and caches empty; "again" is the same text once more; the library is Hugging Face's
 * Rust one, in one thread, whose own cache is warm in its second pass.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { z } from 'zod';
import { tokenizerFromJson } from '../src/tokenizer/from-json.ts';
import { readTokenizerFixture } from '../tests/golden/tokenizer-fixture.ts';

const given = process.argv.slice(2);
const files =
  given.length > 0 ? given : [fileURLToPath(new URL('../data/c4_demo.jsonl', import.meta.url))];
const Row = z.object({ text: z.string() });
const texts = files.flatMap((file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Row.parse(JSON.parse(line)).text),
);
const characters = texts.reduce((sum, { length }) => sum + length, 0);
const cpu = cpus()[0]?.model ?? 'unknown';
console.log(`${texts.length} texts, ${characters} characters · node ${process.version} · ${cpu}`);

const rate = (tokens: number, ms: number): string =>
  `${(tokens / ms / 1000).toFixed(2)} M tokens/s (${(characters / ms / 1000).toFixed(1)} MB/s)`;

for (const name of ['smollm2', 'qwen3'] as const) {
  const json = JSON.stringify(readTokenizerFixture(name).json);
  const start = performance.now();
  const tokenizer = tokenizerFromJson(json);
  console.log(`${name}: ready in ${(performance.now() - start).toFixed(0)} ms`);

  const pass = (): readonly [tokens: number, ms: number] => {
    const before = performance.now();
    let tokens = 0;
    for (const text of texts) tokens += tokenizer.encode(text).length;
    return [tokens, performance.now() - before];
  };
  console.log(`  first   ${rate(...pass())}`);
  const others = [1, 2, 3, 4, 5].map(pass).sort((a, b) => a[1] - b[1]);
  console.log(`  again   ${rate(...others[2])}`);
  const before = performance.now();
  let tokens = 0;
  for (const text of texts) tokens += tokenizer.encodeWithOffsets(text).ids.length;
  console.log(`  offsets ${rate(tokens, performance.now() - before)}`);

  const rust = RustTokenizer.fromString(json);
  for (const label of ['first', 'again']) {
    const begun = performance.now();
    let count = 0;
    for (const text of texts) {
      count += (await rust.encode(text, null, { addSpecialTokens: false })).getLength();
    }
    console.log(`  library ${label}  ${rate(count, performance.now() - begun)}`);
  }
}
