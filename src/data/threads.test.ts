import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { openTemplate } from './open-template.ts';
import { prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';
import type { Stage } from './stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-threads-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

/** Long and short rows, some with a placeholder, some that are cut; keys and numbers that JavaScript would change. */
const rows = Array.from({ length: 331 }, (_, i) => ({
  instruction: `Question ${i} ${'x'.repeat((i * 37) % 90)}${i % 50 === 3 ? ' {{name}}' : ''}`,
  output: `Answer ${'é'.repeat((i * 13) % 70)}`,
  chosen: `Good ${i}`,
  rejected: `Bad ${'b'.repeat(i % 7)}`,
  kto_tag: i % 3 > 0,
}));

type More = Partial<DataSettings> & { readonly stage: Stage; readonly threads: number };

function run({ stage, threads, ...more }: More) {
  const data = {
    ...defaults,
    dataset: ['rows'],
    dataset_dir: folder,
    template: 'chatml',
    overwrite_cache: true,
    preprocessing_batch_size: 50,
    ...more,
  };
  const input = { name: 'chatml', jinja: undefined };
  const tokenizer = byteTokenizer();
  const opened = openTemplate({ ...input, tokenizer });
  const recipe = { tokenizer: tokenizer.definition, template: input };
  return prepare({ stage, data, ...opened, recipe, threads, cache: join(folder, 'cache') });
}

const described = {
  pt: { columns: { prompt: 'instruction' } },
  sft: { columns: { prompt: 'instruction', response: 'output' } },
  dpo: {
    ranking: true,
    columns: { prompt: 'instruction', chosen: 'chosen', rejected: 'rejected' },
  },
  kto: { columns: { prompt: 'instruction', response: 'output', kto_tag: 'kto_tag' } },
};

const write = (stage: keyof typeof described, given: readonly unknown[] = rows): void => {
  writeFileSync(join(folder, 'rows.json'), JSON.stringify(given, null, 1));
  const info = { rows: { file_name: 'rows.json', ...described[stage] } };
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(info));
};

test.each([
  ['sft', { cutoff_len: 110 }],
  ['sft', { packing: true, cutoff_len: 200 }],
  ['pt', { packing: true, cutoff_len: 64 }],
  ['dpo', { cutoff_len: 80 }],
  ['kto', { val_size: 0.2 }],
] as const)('%s %o: the set is the same with any number of threads', async (stage, more) => {
  write(stage);
  const alone = await run({ stage, threads: 0, ...more });
  expect(alone.warnings.map(({ code }) => code)).toContain('data/placeholder');
  for (const threads of [1, 3]) {
    const shared = await run({ stage, threads, ...more });
    expect(shared.train!.manifest).toEqual(alone.train!.manifest);
    expect(shared.train!.places(7)).toEqual(alone.train!.places(7));
    expect(shared.eval?.digest).toEqual(alone.eval?.digest);
  }
});

test('what is wrong in a row is told before a fault of the file behind it', async () => {
  const bad = rows.map((row, i) => (i === 120 ? { ...row, output: 7 } : row));
  write('sft', bad);
  const text = readFileSync(join(folder, 'rows.json'), 'utf8');
  writeFileSync(join(folder, 'rows.json'), text.replace('"Good 300"', '"Good 300'));
  for (const threads of [0, 1, 3]) {
    await expect(run({ stage: 'sft', threads })).rejects.toMatchObject({
      code: 'data/wrong-type',
      place: { row: 120, key: 'output' },
    });
  }
  writeFileSync(join(folder, 'rows.json'), text.replace('"output": 7', '"output": 7,'));
  for (const threads of [0, 1, 3]) {
    for (const more of [{}, { val_size: 0.1 }]) {
      await expect(run({ stage: 'sft', threads, ...more })).rejects.toMatchObject({
        code: 'files/json',
        place: { row: 120, line: text.slice(0, text.indexOf('"output": 7')).split('\n').length },
      });
    }
  }
});

test('the first bad row is named, whichever thread comes upon one', async () => {
  const bad = rows.map((row, i) => (i === 120 || i === 300 ? { ...row, output: 7 } : row));
  write('sft', bad);
  for (const threads of [0, 3]) {
    const error: unknown = await run({ stage: 'sft', threads }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TuneryError);
    expect(error).toMatchObject({ code: 'data/wrong-type', place: { row: 120, key: 'output' } });
  }
});
