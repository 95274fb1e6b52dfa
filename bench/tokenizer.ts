/**
 * @file How many tokens a second one thread makes, of English and of Chinese, and how soon a tokenizer is ready.
 *
 * `node bench/tokenizer.ts [TOKENIZER.json …]`; without files SmolLM2's, Qwen 3's and a small SentencePiece model.
 * Seconds are those of the processor, so that what else runs on the machine counts little. "First" is a fresh tokenizer's
 * first pass, code not yet compiled and caches empty; "again" is the same text once more; the library is Hugging Face's
 * Rust one, in one thread, whose own cache is warm in its second pass.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { tokenizerFromJson } from '../src/tokenizer/from-json.ts';
import { tokenizerFromSentencePiece } from '../src/tokenizer/from-sentencepiece.ts';
import { toTokenizerJson } from '../src/tokenizer/to-json.ts';
import { createTokenizer } from '../src/tokenizer/tokenizer.ts';
import { readTokenizerFixture } from '../tests/golden/tokenizer-fixture.ts';
import { median, report } from './report.ts';

const bytesOf = (name: string): Buffer => readFileSync(new URL(`../${name}`, import.meta.url));

/** Every text of a JSON value, whatever its keys. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}
const linesOf = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

const sets: Readonly<Record<string, readonly string[]>> = {
  'English prose': textsOf(linesOf(bytesOf('data/c4_demo.jsonl').toString())),
  'English instructions': textsOf(JSON.parse(bytesOf('data/alpaca_en_demo.json').toString())),
  'Chinese instructions': textsOf(
    JSON.parse(
      brotliDecompressSync(bytesOf('tests/fixtures/demo/alpaca_zh_demo.json.br')).toString(),
    ),
  ),
};

function sentencePiece(): string {
  const packed = bytesOf('tests/golden/tokenizer/sentencepiece.json.gz');
  const { models } = JSON.parse(gunzipSync(packed).toString());
  const model = tokenizerFromSentencePiece(Buffer.from(models['bpe-bytes'], 'base64'));
  return toTokenizerJson(model.definition);
}

const given = process.argv.slice(2);
const tokenizers: readonly (readonly [name: string, json: string])[] =
  given.length > 0
    ? given.map((file) => [basename(dirname(file)), readFileSync(file, 'utf8')])
    : [
        ['smollm2', JSON.stringify(readTokenizerFixture('smollm2').json)],
        ['qwen3', JSON.stringify(readTokenizerFixture('qwen3').json)],
        ['sentencepiece', sentencePiece()],
      ];

/** Milliseconds of the processor. */
function spent<T>(work: () => T): readonly [result: T, ms: number] {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1000];
}

const goals: Readonly<Record<string, number>> = {
  'English prose': 3,
  'English instructions': 3,
  'Chinese instructions': 1.5,
};

for (const [name, json] of tokenizers) {
  const [tokenizer, reading] = spent(() => tokenizerFromJson(json));
  report({ name: `${name}: read`, value: reading, unit: 'ms' });
  const [, cloning] = spent(() => createTokenizer(structuredClone(tokenizer.definition)));
  report({
    name: `${name}: sent to another thread and made there`,
    value: cloning,
    unit: 'ms',
    goal: { atMost: 150 },
  });
  const rust = RustTokenizer.fromString(json);
  for (const [set, texts] of Object.entries(sets)) {
    const count = (): number => texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0);
    const offsets = (): number =>
      texts.reduce((sum, text) => sum + tokenizer.encodeWithOffsets(text).ids.length, 0);
    const rate = ([tokens, ms]: readonly [number, number]): number => tokens / ms / 1000;
    const show = (what: string, value: number, atLeast?: number): void =>
      report({
        name: `${name}: ${set}, ${what}`,
        value,
        unit: 'M tokens/s',
        ...(atLeast !== undefined && { goal: { atLeast } }),
      });
    show('first', rate(spent(count)));
    show('again', median([1, 2, 3, 4, 5].map(() => rate(spent(count)))), goals[set]);
    show('with offsets', median([1, 2, 3, 4, 5].map(() => rate(spent(offsets)))));
    for (const what of ['library, first', 'library, again']) {
      const before = process.cpuUsage();
      let tokens = 0;
      for (const text of texts) {
        tokens += (await rust.encode(text, null, { addSpecialTokens: false })).getLength();
      }
      const { user, system } = process.cpuUsage(before);
      show(what, rate([tokens, (user + system) / 1000]));
    }
  }
}
