import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { openTemplate } from './open-template.ts';
import { encodeOptions, prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';
import { findSources } from './sources.ts';
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

async function view(
  row: number,
  more: Partial<DataSettings>,
): Promise<{ view: TokenRow; ids: number[]; labels: number[] }> {
  const data = { ...defaults, template: 'chatml', ...more };
  const { template, tokenizer } = openTemplate({
    name: 'chatml',
    jinja: undefined,
    tokenizer: byteTokenizer(),
  });
  const sets = await prepare({
    stage: 'sft',
    data,
    template,
    tokenizer,
    cache: join(folder, 'cache'),
  });
  const prepared = sets.train!;
  const sources = await findSources(data.dataset, data.dataset_dir, 'sft', () => {});
  const conversations = { sources, options: encodeOptions({ data, template }) };
  const [shown] = tokensOfRows([row], { prepared, tokenizer, conversations });
  return {
    view: shown!,
    ids: [...prepared.ids(row)],
    labels: [...prepared.labels(row)],
  };
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
