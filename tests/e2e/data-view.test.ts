/** @file `tunery data tokens` and `tunery data stats`, as they are typed: what they print, write and refuse. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlace, type Place } from './cli.ts';

const random = 'random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1';

/** No settings file: a data file is looked at as a model would see it. */
const given = [`model_name_or_path=${random}`, 'dataset=rows.json', 'template=chatml'];

let place: Place;
beforeAll(() => {
  place = makePlace();
  const rows = ['red', 'green', 'blue', 'red again'].map((word) => ({
    instruction: `Say ${word}`,
    output: `${word} 你`,
  }));
  writeFileSync(place.at('rows.json'), JSON.stringify(rows, null, 1));
});
afterAll(() => place.remove());

const headings = (out: string): string[] =>
  out.split('\n').filter((line) => line.startsWith('row '));
const lines = (out: string): unknown[] =>
  out
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

describe('data tokens', () => {
  test('a data file needs no settings file', async () => {
    const { code, out } = await place.run('data', 'tokens', ...given);
    expect(code).toBe(0);
    expect(headings(out)).toEqual(['row 0 of 4: 35 tokens are fed, 9 learned']);
    expect(out).toContain('rows.json:2 (row 0)');
    expect(out).toContain('trained            reply   "r"');
    expect(out).toContain('"\\xe4"  1 of 3 of "你"');
    expect(out).toContain('trained special    reply   "<|im_end|>"');
  });

  test('several rows, and rows by their text', async () => {
    const range = await place.run('data', 'tokens', ...given, '--rows', '1..2', '--json');
    expect(lines(range.out)).toMatchObject([
      { row: 1, rows: 4, trained: 11, documents: [{ place: { file: 'rows.json', row: 1 } }] },
      { row: 2, rows: 4 },
    ]);
    const first = await place.run('data', 'tokens', ...given, '--find', 'again');
    expect(headings(first.out)).toEqual([expect.stringMatching(/^row 3 of 4/)]);
    const all = await place.run('data', 'tokens', ...given, '--find', 'Say red', '--rows', '0..');
    expect(headings(all.out).map((line) => line.slice(0, 5))).toEqual(['row 0', 'row 3']);
  });

  test('a page holds the rows that were asked for', async () => {
    const { code, out } = await place.run(
      ...['data', 'tokens', ...given, '--rows', '1..', '--html', 'page.html'],
    );
    expect([code, out]).toEqual([0, '3 of 4 rows in page.html\n']);
    const html = readFileSync(place.at('page.html'), 'utf8');
    expect(html.match(/<section/g)?.length).toBe(3);
    expect(html).not.toContain('id="row-0"');
  });

  test('a pair, from what dataset_info.json says of it', async () => {
    writeFileSync(
      place.at('dataset_info.json'),
      JSON.stringify({
        pairs: {
          file_name: 'pairs.json',
          ranking: true,
          columns: { prompt: 'ask', chosen: 'good', rejected: 'bad' },
        },
      }),
    );
    writeFileSync(place.at('pairs.json'), '[{"ask": "Hi", "good": "Hello", "bad": "What?"}]');
    const settings = ['stage=dpo', 'dataset=pairs', 'dataset_dir=.'];
    const { out, err } = await place.run('data', 'tokens', ...given, ...settings);
    expect(err).not.toContain('error');
    const names = out.split('\n').filter((line) => line.includes(' · '));
    expect(names).toEqual([
      'prompt · pairs.json:1 (row 0) · 21 tokens, 0 learned',
      'chosen · pairs.json:1 (row 0) · 7 tokens, 7 learned',
      'rejected · pairs.json:1 (row 0) · 7 tokens, 7 learned',
    ]);
  });

  test('one of several evaluation sets, by its name', async () => {
    writeFileSync(place.at('other.json'), '[{"instruction": "Why?", "output": "Because."}]');
    const settings = ['eval_dataset=rows.json,other.json', 'eval_on_each_dataset=true'];
    const { out } = await place.run('data', 'tokens', ...given, ...settings, '--set', 'other.json');
    expect(out).toContain('other.json:1 (row 0)');
    const stats = await place.run('data', 'stats', ...given, ...settings, '--eval', '--json');
    expect(lines(stats.out)).toMatchObject([{ rows: 4, sources: [{ file: 'rows.json' }] }]);
    const wrong = await place.run('data', 'tokens', ...given, ...settings, '--set', 'othr.json');
    expect(wrong.err).toContain(
      'there is no evaluation set `othr.json` (did you mean `other.json`?)',
    );
  });

  test.each<[string, string[], string]>([
    ['both a row and rows', ['--row', '1', '--rows', '0..2'], 'either `--row` or `--rows`'],
    ['rows that are no range', ['--rows', '5-9'], '`--rows` wants rows from one to another'],
    ['rows the wrong way round', ['--rows', '5..2'], '`--rows` wants rows from one to another'],
    ['a row that is not there', ['--row', '9'], 'there is no row 9: the set has 4, from 0 to 3'],
    ['a text that is nowhere', ['--find', 'purple'], 'none of the rows that were looked at holds'],
    ['a set that is not there', ['--eval'], '`eval_dataset` names no data'],
  ])('%s is refused', async (_, options, message) => {
    const { code, out, err } = await place.run('data', 'tokens', ...given, ...options);
    expect(code).toBeGreaterThan(0);
    expect(err).toContain(message);
    expect(out).toBe('');
  });

  test('where no row is found no page is written', async () => {
    const options = ['--find', 'purple', '--html', 'none.html'];
    const { code } = await place.run('data', 'tokens', ...given, ...options);
    expect([code, existsSync(place.at('none.html'))]).toEqual([1, false]);
  });
});

describe('data stats', () => {
  test('the figures of a set, in words', async () => {
    const { code, out } = await place.run('data', 'stats', ...given, 'cutoff_len=36');
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toBe('rows      4');
    expect(out).toMatch(/^cut {7}3 rows lose \d+ tokens: \d+ in the /m);
    expect(out).toContain('← cutoff_len 36');
    expect(out).toContain('steps     3 in all, 1 an epoch, of 4 rows each');
    expect(out).toContain('`cutoff_len: 64` would leave every row whole; now it is 25 %.');
    expect(out).not.toContain('\u001b');
  });

  test('and for programs', async () => {
    const { out } = await place.run('data', 'stats', ...given, '--json');
    const [stats] = lines(out);
    expect(stats).toMatchObject({
      rows: 4,
      documents: 4,
      duplicates: 0,
      cutoff_len: 2048,
      cut: { all: { documents: 0, tokens: 0 } },
      sources: [{ file: 'rows.json', documents: 4 }],
      scripts: [{ script: 'latin', documents: 4 }],
      work: { steps_per_epoch: 1, steps: 3, pack_fill: null },
      choices: [],
    });
  });
});
