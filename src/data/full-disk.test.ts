/** @file A disk that is full before a set is done: whatever is being written then. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { refused, smallDisk } from '../../tests/e2e/small-disk.ts';
import { TuneryError } from '../core/errors.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { openTemplate } from './open-template.ts';
import { prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-full-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

/** Some 2 MB of text: 16 MB of ids and labels, which lie on the disk twice for a moment. */
const file = join(folder, 'rows.jsonl');
const row = { instruction: 'Question', output: 'x'.repeat(1000) };
writeFileSync(file, Array.from({ length: 2000 }, () => JSON.stringify(row)).join('\n'));

function run(cache: string, threads: number, more: Partial<DataSettings>) {
  const data = { ...defaults, dataset: [file], template: 'chatml', ...more };
  const input = { name: 'chatml', jinja: undefined };
  const tokenizer = byteTokenizer();
  const recipe = { tokenizer: tokenizer.definition, template: input };
  return prepare({
    stage: 'sft',
    data,
    ...openTemplate({ ...input, tokenizer }),
    recipe,
    threads,
    cache,
  });
}

/** What a later run would find. */
const left = (cache: string): string[] =>
  readdirSync(cache).filter((name) => !['locks', 'last', 'digests'].includes(name));

test.for([
  ['columns as they grow', 6_000, 0, {}],
  ['columns as they grow, by threads', 6_000, 2, {}],
  ['the file that they are laid into', 24_000, 0, {}],
  ['rows put there to be split', 1_000, 0, { val_size: 0.1 }],
] as const)('%s', async ([_, kilobytes, threads, more], { skip }) => {
  const cache = mkdtempSync(join(folder, 'cache-'));
  const disk = smallDisk(join(cache, 'disk'), kilobytes);
  try {
    if (!disk) skip(refused);
    const inside = join(cache, 'disk', 'sets');
    mkdirSync(inside);
    const error: unknown = await run(inside, threads, more).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TuneryError);
    expect(error).toMatchObject({ code: 'files/disk-full' });
    expect(left(inside)).toEqual([]);
  } finally {
    disk?.unmount();
  }
  const { train } = await run(join(cache, 'sets'), threads, more);
  expect(train?.count).toBe('val_size' in more ? 1800 : 2000);
});
