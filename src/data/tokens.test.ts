import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { openTemplate } from './open-template.ts';
import { encodeOptions, prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';
import { findSources } from './sources.ts';
import type { Stage } from './stage.ts';
import { textEncoder } from './text-blocks.ts';
import { type Token, type TokenRow, tokensOfRows } from './tokens.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-tokens-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

const file = (rows: readonly unknown[]): string => {
  const path = join(folder, 'rows.json');
  writeFileSync(path, JSON.stringify(rows));
  return path;
};

type Given = Partial<DataSettings> & {
  readonly stage?: Stage;
  /** The stop token is learned in place of a prompt's first token, as with an `efficient_eos` template. */
  readonly stopIsLabel?: boolean;
  /** Of `rows.json`, in dataset_info.json. */
  readonly entry?: Readonly<Record<string, unknown>>;
};

async function input({ stage = 'sft', entry, stopIsLabel = false, ...more }: Given) {
  const info = { rows: { file_name: 'rows.json', ...entry } };
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(info));
  const data = { ...defaults, dataset_dir: folder, template: 'chatml', ...more };
  const opened = openTemplate({ name: 'chatml', jinja: undefined, tokenizer: byteTokenizer() });
  const { tokenizer } = opened;
  const template = stopIsLabel
    ? { ...opened.template, efficientEos: tokenizer.eos?.id }
    : opened.template;
  const cache = join(folder, 'cache');
  const sets = await prepare({ stage, data, template, tokenizer, cache });
  const sources = await findSources(data.dataset, data.dataset_dir, stage, () => {});
  const all = { prepared: sets.train!, tokenizer };
  return stage === 'pt'
    ? { ...all, texts: { sources, encode: textEncoder(data, tokenizer) } }
    : { ...all, conversations: { sources, options: encodeOptions({ data, template }) } };
}

async function view(
  row: number,
  given: Given,
): Promise<{ view: TokenRow; ids: number[]; labels: number[] }> {
  const all = await input(given);
  const [shown] = tokensOfRows([row], all);
  const column = (name: string): number[] =>
    all.prepared.columns.includes(name) ? [...all.prepared.column(name, row)] : [];
  return { view: shown!, ids: column('input_ids'), labels: column('labels') };
}

const textOf = (tokens: readonly Token[]): string => tokens.map(({ text }) => text).join('');
const fed = (row: TokenRow): Token[] =>
  row.documents.flatMap(({ tokens }) => tokens).filter(({ state }) => state !== 'truncated');

test('every token that is fed, with what is learned of it', async () => {
  const path = file([{ instruction: 'Hi', output: 'Yo' }]);
  const { view: row, ids, labels } = await view(0, { dataset: [path] });
  expect(fed(row).map(({ id }) => id)).toEqual(ids);
  expect(fed(row).map(({ state }) => state === 'trained')).toEqual(
    labels.map((label) => label >= 0),
  );
  const [only] = row.documents;
  expect(only?.place).toMatchObject({ file: path, row: 0 });
  const replies = only!.tokens.filter(({ part }) => part === 'reply');
  expect(textOf(replies)).toBe('Yo<|im_end|>\n');
  expect(replies.map(({ special }) => special)).toEqual([false, false, true, false]);
  expect([row.fed, row.trained, row.truncated]).toEqual([ids.length, 4, 0]);
});

test('what was cut off stands where it was cut', async () => {
  const path = file([{ instruction: 'abcdefghij', output: 'klmnop' }]);
  const { view: row, ids } = await view(0, { dataset: [path], cutoff_len: 20 });
  expect(ids.length).toBe(20);
  expect(fed(row).map(({ id }) => id)).toEqual(ids);
  const cut = row.documents[0]!.tokens.filter(({ state }) => state === 'truncated');
  expect(cut.length).toBe(row.truncated);
  expect(row.truncated).toBeGreaterThan(0);
  const whole = '<|im_start|>user\nabcdefghij<|im_end|>\n<|im_start|>assistant\nklmnop<|im_end|>\n';
  expect(textOf(row.documents[0]!.tokens)).toBe(whole);
});

test('a pack shows each of its documents', async () => {
  const path = file(['a', 'b'].map((text) => ({ instruction: text, output: text })));
  const { view: row, ids } = await view(0, { dataset: [path], packing: true });
  expect(row.documents.map(({ place }) => place.row).sort()).toEqual([0, 1]);
  expect(fed(row).map(({ id }) => id)).toEqual(ids);
});

test('with train_on_prompt the first token is not learned: nothing predicts it', async () => {
  const path = file([{ instruction: 'Hi', output: 'Yo' }]);
  const { view: row, ids } = await view(0, { dataset: [path], train_on_prompt: true });
  expect(row.trained).toBe(ids.length - 1);
  expect(row.documents[0]!.tokens[0]?.state).toBe('masked');
});

test('bytes that are no character by themselves can be told apart', async () => {
  const path = file([{ instruction: 'é', output: 'x' }]);
  const { view: row } = await view(0, { dataset: [path] });
  expect(textOf(row.documents[0]!.tokens)).toContain('\\xc3\\xa9');
});

test('a label that is another token is shown beside it, with what it writes', async () => {
  const path = file([{ instruction: 'b', output: 'B', history: [['a', 'A']] }]);
  const { view: row, ids, labels } = await view(0, { dataset: [path], stopIsLabel: true });
  const first = fed(row).findIndex(({ label }) => label !== undefined);
  expect(first).toBeGreaterThan(0);
  expect(labels[first]).not.toBe(ids[first]);
  expect(fed(row)[first]).toMatchObject({ state: 'trained', label: 258, learns: '<|im_end|>' });
  expect(fed(row).at(-1)).toMatchObject({ id: 258, state: 'trained', part: 'reply' });
});

describe('stages other than sft', () => {
  const names = (row: TokenRow) => row.documents.map(({ name }) => name);
  const states = (row: TokenRow, name: string) =>
    Object.entries(
      Object.groupBy(
        row.documents.find((document) => document.name === name)!.tokens,
        ({ state }) => state,
      ),
    ).map(([state, tokens]) => [state, textOf(tokens)]);
  const prompt = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';

  test('dpo: the prompt once, and both replies with what was cut off each', async () => {
    file([{ instruction: 'Hi', chosen: 'Yes, of course', rejected: 'No' }]);
    const entry = {
      ranking: true,
      columns: { prompt: 'instruction', chosen: 'chosen', rejected: 'rejected' },
    };
    const given: Given = { stage: 'dpo', dataset: ['rows'], entry };
    const { view: row } = await view(0, given);
    expect(names(row)).toEqual(['prompt', 'chosen', 'rejected']);
    expect(states(row, 'prompt')).toEqual([['masked', prompt]]);
    expect(states(row, 'chosen')).toEqual([['trained', 'Yes, of course<|im_end|>\n']]);
    expect(row.trained).toBe('Yes, of course'.length + 'No'.length + 2 * 2);
    const { view: cut } = await view(0, { ...given, cutoff_len: 24 });
    expect(cut.truncated).toBeGreaterThan(0);
    for (const name of ['prompt', 'chosen', 'rejected']) {
      const whole = textOf(row.documents.find((each) => each.name === name)!.tokens);
      expect(textOf(cut.documents.find((each) => each.name === name)!.tokens)).toBe(whole);
    }
  });

  test('kto: the tag, and the pair that is measured and not learned', async () => {
    file([
      { instruction: 'Hi', output: 'A', good: true },
      { instruction: 'Hi', output: 'B', good: false },
    ]);
    const entry = { columns: { prompt: 'instruction', response: 'output', kto_tag: 'good' } };
    const given: Given = { stage: 'kto', dataset: ['rows'], entry };
    const { view: row } = await view(1, given);
    expect(row.wanted).toBe(false);
    expect(names(row)).toEqual(['not wanted', 'KL pair']);
    expect(states(row, 'not wanted')).toEqual([
      ['masked', prompt],
      ['trained', 'B<|im_end|>\n'],
    ]);
    expect(states(row, 'KL pair')).toEqual([
      ['masked', prompt],
      ['measured', 'A<|im_end|>\n'],
    ]);
    const { view: cut } = await view(0, { ...given, cutoff_len: 20 });
    expect(textOf(cut.documents[0]!.tokens)).toBe(`${prompt}A<|im_end|>\n`);
    expect(cut.documents[0]!.tokens.filter(({ state }) => state === 'truncated').length).toBe(
      cut.truncated,
    );
  });

  test('ppo: the prompt is fed, the reply of the data is not', async () => {
    file([{ instruction: 'Hi', output: 'Yo' }]);
    const { view: row } = await view(0, { stage: 'ppo', dataset: ['rows'] });
    expect([row.fed, row.trained]).toEqual([byteTokenizer().encode(prompt).length, 0]);
    expect(states(row, 'prompt')).toEqual([['masked', prompt]]);
    expect(states(row, 'reply in the data')).toEqual([['unfed', 'Yo<|im_end|>\n']]);
  });

  test('pt: every token but the first, which nothing predicts', async () => {
    writeFileSync(join(folder, 'text.txt'), 'one\ntwo\n');
    const { view: row } = await view(0, {
      stage: 'pt',
      dataset: [join(folder, 'text.txt')],
      packing: true,
    });
    expect(row.trained).toBe(row.fed - 1);
  });

  test('pt without packing: a text is a row, and what was cut off it follows', async () => {
    writeFileSync(join(folder, 'text.txt'), 'a text that is long\nb\n');
    const given: Given = { stage: 'pt', dataset: [join(folder, 'text.txt')], packing: false };
    const { view: row } = await view(0, { ...given, cutoff_len: 8 });
    expect(textOf(fed(row))).toBe('a text t');
    expect(textOf(row.documents[0]!.tokens)).toBe('a text that is long<|im_end|>');
    expect([row.fed, row.truncated]).toEqual([8, 12]);
  });
});

test('a set that is not what its rows encode to is not shown', async () => {
  const path = file([{ instruction: 'Hi', output: 'Yo' }]);
  const all = await input({ dataset: [path] });
  file([{ instruction: 'Hi', output: 'Ye' }]);
  expect(() => [...tokensOfRows([0], all)]).toThrow('is not what it was when it was prepared');
});

test('without its data sets a set is shown as it is fed', async () => {
  file([
    { instruction: 'Hi', output: 'A', good: true },
    { instruction: 'Hi', output: 'B', good: false },
  ]);
  const entry = { columns: { prompt: 'instruction', response: 'output', kto_tag: 'good' } };
  for (const stage of ['sft', 'kto', 'ppo'] as const) {
    const { prepared, tokenizer } = await input({ stage, dataset: ['rows'], entry });
    const [whole] = tokensOfRows([1], await input({ stage, dataset: ['rows'], entry }));
    const [alone] = tokensOfRows([1], { prepared, tokenizer });
    expect([alone?.fed, alone?.trained]).toEqual([whole?.fed, whole?.trained]);
    expect(fed(alone!).map(({ id, state }) => [id, state])).toEqual(
      fed(whole!).map(({ id, state }) => [id, state]),
    );
  }
});

test('rows of several look-ups come in the order in which they are asked for', async () => {
  const path = file(Array.from({ length: 600 }, (_, i) => ({ instruction: `${i}`, output: 'x' })));
  const rows = [599, 0, ...Array.from({ length: 300 }, (_, i) => i)];
  const shown = [...tokensOfRows(rows, await input({ dataset: [path] }))];
  expect(shown.map(({ row }) => row)).toEqual(rows);
  expect(shown.map(({ documents }) => documents[0]?.place.row)).toEqual(rows);
});
