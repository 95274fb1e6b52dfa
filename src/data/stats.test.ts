import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { below, histogram } from './histogram.ts';
import { openTemplate } from './open-template.ts';
import { prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';
import type { Stage } from './stage.ts';
import { measure } from './stats.ts';
import { type Advised, advise, cutoffChoices } from './stats-advice.ts';
import { workOf } from './stats-work.ts';
import { createTokenScript } from './token-script.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-stats-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;
const tokenizer = byteTokenizer();
const order = {
  batch: 2,
  accumulation: 2,
  epochs: 3,
  maxSteps: 0,
  seed: 1,
  shuffle: false,
} as const;

/** Tokens of a row of one question: its text and the words of the template around it. */
const around = tokenizer.encode(
  '<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n',
).length;

type Files = Readonly<Record<string, readonly (readonly [question: string, answer: string])[]>>;

async function setOf(files: Files, more: Partial<DataSettings> = {}, stage: Stage = 'sft') {
  const dataset = Object.entries(files).map(([name, rows]) => {
    const path = join(folder, `${name}.json`);
    const list = rows.map(([instruction, output]) => ({ instruction, output }));
    writeFileSync(path, JSON.stringify(list, null, 1));
    return path;
  });
  const data = { ...defaults, dataset, ...more };
  const opened = openTemplate({ name: 'chatml', jinja: undefined, tokenizer });
  const sets = await prepare({ stage, data, ...opened, cache: join(folder, 'cache') });
  return sets.train!;
}

test('rows, tokens, lengths, sources, scripts and duplicates of a set', async () => {
  const set = await setOf({
    a: [
      ['Hi', 'Hello'],
      ['Hi', 'Hello'],
      ['Hi', '你好'],
    ],
    b: [['Кто ты?', 'Бот'], ...Array<[string, string]>(7).fill(['1', '2'])],
  });
  const { stats, lengths } = measure(set, tokenizer);
  const first = around + 2 + 5;
  expect(stats).toMatchObject({ rows: 11, documents: 11, left_out: 0, tokens: set.tokens });
  expect(stats.lengths).toMatchObject({ min: around + 2, p50: around + 2, max: around + 12 + 6 });
  expect(stats.lengths.mean).toBeCloseTo(set.tokens / 11);
  expect([...lengths]).toEqual([...lengths].sort((x, y) => x - y));
  expect(lengths).toContain(first);
  expect(stats.sources.map(({ file, documents }) => [file, documents])).toEqual([
    [join(folder, 'a.json'), 3],
    [join(folder, 'b.json'), 8],
  ]);
  expect(stats.sources.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(set.tokens);
  expect(stats.sources.reduce((sum, { learned }) => sum + learned, 0)).toBe(set.targets);
  expect(Object.fromEntries(stats.scripts.map((each) => [each.script, each.documents]))).toEqual({
    other: 7,
    latin: 2,
    han: 1,
    cyrillic: 1,
  });
  expect(stats.duplicates).toBe(1 + 6);
  expect(stats.cut.all).toEqual({ documents: 0, tokens: 0 });
});

test('what was cut is told by prompt and reply, and what would keep it', async () => {
  const rows: [string, string][] = Array.from({ length: 10 }, (_, i) => [
    i < 5 ? 'x'.repeat(150) : 'Hi',
    i > 2 ? 'y'.repeat(150) : 'Yo',
  ]);
  const set = await setOf({ rows }, { cutoff_len: 128 });
  const { stats, lengths } = measure(set, tokenizer);
  const { all, prompt, reply } = stats.cut;
  expect(all.documents).toBe(10);
  expect(prompt.documents).toBe(5);
  expect(reply.documents).toBe(7);
  expect(prompt.tokens + reply.tokens).toBe(all.tokens);
  expect(set.tokens + all.tokens).toBe(lengths.reduce((sum, n) => sum + n, 0));
  const given = { lengths, cutoff: 128, free: 0 };
  const longest = around + 300;
  expect(cutoffChoices(given).at(-1)).toEqual({
    cutoff_len: Math.ceil(longest / 64) * 64,
    whole: 10,
  });
  for (const { cutoff_len, whole } of cutoffChoices(given)) {
    const raised = await setOf({ rows }, { cutoff_len });
    const { stats: then } = measure(raised, tokenizer);
    expect(10 - then.cut.all.documents, `${cutoff_len}`).toBe(whole);
  }
});

test('of a pair, cutoff_len bounds the prompt with its longer reply', async () => {
  writeFileSync(
    join(folder, 'rows.json'),
    JSON.stringify([{ instruction: 'Hi', chosen: 'x'.repeat(90), rejected: 'y'.repeat(60) }]),
  );
  const columns = { prompt: 'instruction', chosen: 'chosen', rejected: 'rejected' };
  const info = { rows: { file_name: 'rows.json', ranking: true, columns } };
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(info));
  for (const cutoff_len of [64, 2048]) {
    const given = { dataset: ['rows'], dataset_dir: folder, cutoff_len };
    const set = await setOf({}, given, 'dpo');
    const { stats } = measure(set, tokenizer);
    expect(stats.lengths.max).toBe(around + 2 + 90);
    expect(stats.cut.all.documents).toBe(cutoff_len === 64 ? 1 : 0);
  }
});

describe('what training comes to', () => {
  const rows: [string, string][] = [1, 20, 3, 40, 5].map((n) => ['', 'y'.repeat(n)]);
  const lengths = [1, 20, 3, 40, 5].map((n) => around + n);
  const eights = (n: number): number => Math.ceil(n / 8) * 8;

  test('steps as the plan has them, and what padded batches would compute', async () => {
    const set = await setOf({ rows });
    expect(workOf(set, order, undefined)).toEqual({
      steps_per_epoch: 2,
      steps: 6,
      rows_per_step: 4,
      epoch_tokens: lengths.reduce((sum, n) => sum + n, 0),
      padded_tokens: 2 * eights(around + 20) + 2 * eights(around + 40) + eights(around + 5),
      pack_fill: null,
    });
    expect(workOf(set, { ...order, maxSteps: 5 }, undefined).steps).toBe(5);
  });

  test('packs are as full as their rows make them', async () => {
    const set = await setOf({ rows }, { packing: true, cutoff_len: 160 });
    const { pack_fill: fill, padded_tokens: padded } = workOf(set, order, 159);
    expect(fill).toBeCloseTo(set.tokens / (set.count * 159));
    expect(padded).toBe(set.count * 160);
  });
});

describe('a histogram', () => {
  const counts = (lengths: readonly number[]) => histogram(Int32Array.from(lengths).sort());

  test('holds every length once, in bins of even width that end at round numbers', () => {
    const lengths = Array.from({ length: 500 }, (_, i) => 1 + ((i * 37) % 700));
    const bins = counts(lengths);
    expect(bins.length).toBeLessThanOrEqual(16);
    expect(new Set(bins.map(({ from, to }) => to - from)).size).toBe(1);
    expect(bins.every(({ to }) => to % 64 === 0)).toBe(true);
    for (const { from, to, count } of bins) {
      expect(count).toBe(lengths.filter((length) => length >= from && length <= to).length);
    }
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(500);
  });

  test('doubles its bins where a few rows are far longer than the rest', () => {
    const bins = counts([...Array<number>(99).fill(1), 10, 100_000]);
    expect(bins[0]).toEqual({ from: 1, to: 1, count: 99 });
    expect(bins.at(-1)).toEqual({ from: 65537, to: 131072, count: 1 });
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(101);
    expect(counts([...Array<number>(9).fill(100), 5000])[0]).toMatchObject({ from: 65, to: 128 });
  });

  test('of one length has one bin', () => {
    expect(counts([2048, 2048])).toEqual([{ from: 2048, to: 2048, count: 2 }]);
    expect(below(Int32Array.of(1, 2, 2, 3), 2)).toBe(1);
  });
});

describe('scripts', () => {
  const name = (text: string): string | undefined =>
    createTokenScript(tokenizer)(tokenizer.encode(text));

  test('are told from bytes as well as from whole characters', () => {
    // The tokenizer has a token for each byte, so that none of these characters is ever whole.
    expect(name('Straße')).toBe('latin');
    expect(name('你好，世界 ok')).toBe('han');
    expect(name('これは日本語の文章です')).toBe('kana');
    expect(name('안녕하세요')).toBe('hangul');
    expect(name('Привет')).toBe('cyrillic');
    expect(name('مرحبا')).toBe('arabic');
    expect(name('1 + 2 = 3 <|im_end|>')).toBeUndefined();
  });
});

describe('advice', () => {
  const spread = { min: 10, mean: 50, p50: 50, p90: 90, p99: 100, max: 100 };
  const none = { documents: 0, tokens: 0 };
  const given: Advised = {
    stats: {
      rows: 1000,
      documents: 1000,
      tokens: 50_000,
      learned: 20_000,
      left_out: 0,
      lengths: spread,
      cut: { all: none, prompt: none, reply: none },
      sources: [],
      scripts: [],
      duplicates: 0,
    },
    work: {
      steps_per_epoch: 125,
      steps: 375,
      rows_per_step: 8,
      epoch_tokens: 50_000,
      padded_tokens: 60_000,
      pack_fill: null,
    },
    lengths: Int32Array.from({ length: 1000 }, (_, i) => 10 + Math.floor(i / 11)),
    cutoff: 128,
    free: 0,
    bounds: true,
  };
  const withStats = (more: Partial<Advised['stats']>): Advised => ({
    ...given,
    stats: { ...given.stats, ...more },
  });

  test('says nothing where nothing stands out', () => {
    expect(advise(given)).toEqual([]);
  });

  test.each<[string, Advised, string]>([
    ['a cutoff_len that is far too long', { ...given, cutoff: 2048 }, '128 would do the same'],
    [
      'a cutoff_len that cuts',
      {
        ...withStats({ cut: { all: { documents: 500, tokens: 9 }, prompt: none, reply: none } }),
        cutoff: 60,
      },
      '`cutoff_len: 128` would leave every row whole; now it is 50 %',
    ],
    [
      'replies that are cut',
      withStats({
        cut: {
          all: { documents: 3, tokens: 9 },
          prompt: none,
          reply: { documents: 3, tokens: 9 },
        },
      }),
      '3 replies lose their ends',
    ],
    ['duplicates', withStats({ duplicates: 12 }), '12 of 1,000 rows are the same'],
    ['little that is learned', withStats({ learned: 500 }), 'Only 1.0 % of the tokens are learned'],
    ['few steps', { ...given, work: { ...given.work, steps: 3 } }, 'The whole training is 3 steps'],
    [
      'packs that are half empty',
      { ...given, work: { ...given.work, pack_fill: 0.6 } },
      '60 % full',
    ],
  ])('%s', (_, figures, words) => {
    expect(advise(figures).join('\n')).toContain(words);
  });
});
