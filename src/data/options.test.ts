import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { openTemplate } from './open-template.ts';
import { type PreparedSets, prepare } from './prepare.ts';
import type { Prepared } from './prepared.ts';
import { type DataSettings, dataSection } from './settings.ts';
import type { Stage } from './stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-options-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

type Row = { readonly instruction?: string; readonly output?: string; readonly text?: string };

const write = (name: string, rows: readonly Row[]): string => {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
};
const numbered = (name: string, count: number): string =>
  write(
    name,
    Array.from({ length: count }, (_, i) => ({ instruction: `${name} ${i}`, output: `${i}` })),
  );

type More = Partial<DataSettings> & { readonly stage?: Stage; readonly rowsToLearn?: number };

function run({ stage = 'sft', rowsToLearn, ...more }: More): Promise<PreparedSets> {
  const data = { ...defaults, dataset_dir: folder, template: 'chatml', ...more };
  const opened = openTemplate({ name: 'chatml', jinja: undefined, tokenizer: byteTokenizer() });
  return prepare({ stage, data, ...opened, rowsToLearn, cache: join(folder, 'cache') });
}

const failure = async (more: More): Promise<TuneryError> => {
  const error: unknown = await run(more).catch((thrown: unknown) => thrown);
  if (error instanceof TuneryError) return error;
  throw error;
};

/** What each row asks. */
const asked = (set: Prepared | undefined): string[] =>
  Array.from({ length: set?.count ?? 0 }, (_, row) =>
    (byteTokenizer().decode(set!.ids(row)).split('\n')[1] ?? '').replace('<|im_end|>', ''),
  );
const codes = ({ warnings }: PreparedSets) => warnings.map(({ message }) => message);

describe('mixing', () => {
  test('data sets in turn, and their places stay with them', async () => {
    const dataset = [numbered('a', 2), numbered('b', 4)];
    const set = (await run({ dataset, mix_strategy: 'interleave_once' })).train!;
    expect(asked(set)).toEqual(['a 0', 'b 0', 'a 1', 'b 1', 'b 2', 'b 3']);
    expect(set.places(3)).toEqual([{ file: dataset[1], line: 2, row: 1 }]);
  });

  test('weights take rows twice, or half of them', async () => {
    const dataset = [numbered('a', 3), numbered('b', 8)];
    const rows = asked((await run({ dataset, dataset_weights: [2, 0.5] })).train);
    expect(rows.slice(0, 6)).toEqual(['a 0', 'a 1', 'a 2', 'a 0', 'a 1', 'a 2']);
    const some = rows.slice(6);
    expect(some.length).toBe(4);
    expect(new Set(some).size).toBe(4);
  });

  test('several sets to evaluate on, each by itself', async () => {
    const [a, b] = [numbered('a', 2), numbered('b', 4)];
    const each = await run({ dataset: [a], eval_dataset: [a, b], eval_on_each_dataset: true });
    expect(each.evals.map(({ name, prepared }) => [name, prepared.count])).toEqual([
      [a, 2],
      [b, 4],
    ]);
    // However the rows to learn are mixed, each row to evaluate on counts once.
    const mixing: More = { mix_strategy: 'interleave_over', interleave_probs: [0.5, 0.5] };
    const one = await run({ dataset: [a, b], eval_dataset: [a, b], ...mixing });
    expect(one.evals.map(({ name, prepared }) => [name, prepared.count])).toEqual([['eval', 6]]);
  });
});

describe('overlong', () => {
  const rows = [
    { instruction: 'q', output: 'short' },
    { instruction: 'q', output: 'x'.repeat(80) },
  ];

  test.each([false, true])('drop leaves the row out and counts it; packing %s', async (packing) => {
    const dataset = [write('rows', rows)];
    const sets = await run({ dataset, overlong: 'drop', cutoff_len: 70, packing });
    expect(asked(sets.train)).toEqual(['q']);
    expect(codes(sets)).toEqual(['1 row was left out by `overlong: drop`']);
    expect(sets.train!.manifest.truncated).toBe(0);
  });

  test('error names the row', async () => {
    const dataset = [write('rows', rows)];
    const error = await failure({ dataset, overlong: 'error', cutoff_len: 70 });
    expect([error.code, error.place?.line]).toEqual(['data/too-long', 2]);
  });

  test('of texts that are not packed', async () => {
    const dataset = [write('texts', [{ text: 'short' }, { text: 'x'.repeat(80) }])];
    const more = { stage: 'pt', dataset, packing: false, cutoff_len: 70 } as const;
    expect((await failure({ ...more, overlong: 'error' })).place?.line).toBe(2);
    expect((await run({ ...more, overlong: 'drop' })).train!.count).toBe(1);
    expect((await run(more)).train!.truncatedOf(1)).toBeGreaterThan(0);
  });
});

describe('rows that are left out', () => {
  test('exact copies, also of another data set', async () => {
    const rows = [
      { instruction: 'a', output: '1' },
      { instruction: 'a', output: '2' },
      { instruction: 'a', output: '1' },
    ];
    const dataset = [write('one', rows), write('two', rows)];
    const sets = await run({ dataset, deduplicate: true });
    expect(sets.train!.count).toBe(2);
    expect(codes(sets)).toEqual(['4 rows were left out by `deduplicate`']);
    // `max_samples` counts the rows that are kept.
    expect(
      (await run({ dataset: [dataset[0]!], deduplicate: true, max_samples: 2 })).train!.count,
    ).toBe(2);
  });

  test('by tokens, script and expression, each counted', async () => {
    const rows = [
      { instruction: 'a', output: 'yes' },
      { instruction: '你好吗你好吗', output: '很好' },
      { instruction: 'b', output: 'see http://x' },
      { instruction: 'c', output: 'y'.repeat(300) },
    ];
    const dataset = [write('rows', rows)];
    const sets = await run({
      dataset,
      filter_scripts: ['latin'],
      filter_expression: 'not contains(reply, "http")',
      filter_max_tokens: 200,
      val_size: 0,
    });
    expect(asked(sets.train)).toEqual(['a']);
    expect(codes(sets).sort()).toEqual([
      '1 row was left out by `filter_expression`',
      '1 row was left out by `filter_max_tokens`',
      '1 row was left out by `filter_scripts`',
    ]);
    const none = await failure({ dataset, filter_min_tokens: 10000 });
    expect(none.message).toContain('4 of them by `filter_min_tokens`');
  });
});

describe('streaming', () => {
  test('as many rows as the steps need; the same again; over the end and on', async () => {
    const dataset = [numbered('a', 20)];
    const more = { dataset, streaming: true, buffer_size: 4, rowsToLearn: 8 };
    const set = (await run(more)).train!;
    expect(set.count).toBe(8);
    expect(new Set(asked(set)).size).toBe(8);
    expect(asked(set)).not.toEqual(asked((await run({ ...more, data_seed: 1 })).train));
    const long = (await run({ ...more, rowsToLearn: 50 })).train!;
    expect(long.count).toBe(50);
    expect(asked(long).slice(0, 8)).toEqual(asked(set));
    expect(new Set(asked(long).slice(20, 40)).size).toBe(20);
  });

  test('val_size takes the first rows, and the rest is learned', async () => {
    const more = { dataset: [numbered('a', 20)], streaming: true, buffer_size: 100, val_size: 5 };
    const sets = await run({ ...more, rowsToLearn: 15 });
    expect(sets.eval!.count).toBe(5);
    expect(new Set([...asked(sets.train), ...asked(sets.eval)]).size).toBe(20);
  });
});

describe('tokenized_path', () => {
  test('is written once, and then taken whatever else is set', async () => {
    const path = join(folder, 'saved');
    const first = await run({ dataset: [numbered('a', 10)], tokenized_path: path, val_size: 2 });
    expect(first.notes.at(-1)).toContain('saved in');
    const again = await run({ dataset: ['gone'], tokenized_path: path });
    expect([again.train!.digest, again.eval!.digest]).toEqual([
      first.train!.digest,
      first.eval!.digest,
    ]);
    expect(again.notes[0]).toContain('all other settings of the data are ignored');
    const other = await failure({ stage: 'pt', dataset: [], tokenized_path: path });
    expect(other.message).toContain('stage: sft');
  });

  test('a folder of LLaMA-Factory’s own is named', async () => {
    writeFileSync(join(folder, 'dataset_dict.json'), '{"splits": ["train"]}');
    const error = await failure({ dataset: ['a'], tokenized_path: folder });
    expect(error.message).toContain('that `datasets` saved');
    expect(existsSync(join(folder, 'sets.json'))).toBe(false);
  });
});

test('nothing that was on the disk meanwhile is left there', async () => {
  await run({ dataset: [numbered('a', 10)], val_size: 2 });
  const left = readdirSync(join(folder, 'cache')).filter((name) => name.startsWith('.'));
  expect(left).toEqual([]);
});
