import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { ignored } from './labels.ts';
import { openTemplate } from './open-template.ts';
import { type PreparedSets, prepare } from './prepare.ts';
import { openPrepared } from './prepared.ts';
import { type DataSettings, dataSection } from './settings.ts';
import type { Stage } from './stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-data-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

const write = (name: string, content: unknown): string => {
  const path = join(folder, name);
  const text = typeof content === 'string' ? content : JSON.stringify(content, null, 1);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
};

type More = Partial<DataSettings> & { readonly stage?: Stage };

function run({ stage = 'sft', ...more }: More): Promise<PreparedSets> {
  const data = { ...defaults, dataset_dir: folder, template: 'chatml', ...more };
  const { template, tokenizer } = openTemplate({
    name: data.template,
    jinja: undefined,
    tokenizer: byteTokenizer(),
  });
  return prepare({ stage, data, tokenizer, template, cache: join(folder, 'cache') });
}

const failure = async (more: More): Promise<TuneryError> => {
  const error: unknown = await run(more).then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TuneryError) return error;
  throw error;
};

const rows = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    instruction: `Question ${i}`,
    input: '',
    output: `Answer ${i}`,
  }));
const text = (ids: Int32Array): string => byteTokenizer().decode(ids);
const train = async (more: More) => (await run(more)).train!;

describe('a set of conversations', () => {
  test('ids, labels, targets and places', async () => {
    const file = write('rows.json', rows(3));
    const set = await train({ dataset: [file] });
    expect(set.count).toBe(3);
    const prompt = '<|im_start|>user\nQuestion 1<|im_end|>\n<|im_start|>assistant\n';
    expect(text(set.ids(1))).toBe(`${prompt}Answer 1<|im_end|>\n`);
    const learned = [...set.labels(1)].filter((label) => label !== ignored);
    expect(text(Int32Array.from(learned))).toBe('Answer 1<|im_end|>\n');
    expect(set.targetsOf(1)).toBe(learned.length);
    expect(set.targets).toBe(3 * learned.length);
    expect([...set.documents(1)]).toEqual([set.ids(1).length]);
    expect(set.places(1)).toEqual([{ file, line: 7, row: 1 }]);
    expect(openPrepared(set.folder).digest).toBe(set.digest);
    expect(readdirSync(set.folder).sort()).toEqual(['manifest.json', 'rows.safetensors']);
  });

  test('is found again by its content, and made anew when that changes, with the reason', async () => {
    const file = write('rows.json', rows(3));
    const first = await run({ dataset: [file] });
    expect(first.notes).toEqual([]);
    const again = await run({ dataset: [file] });
    expect(again.train!.folder).toBe(first.train!.folder);
    expect(again.notes).toEqual([]);

    const shorter = await run({ dataset: [file], cutoff_len: 30 });
    expect(shorter.train!.folder).not.toBe(first.train!.folder);
    expect(shorter.notes).toEqual([`${file}: \`cutoff_len\` was 2048 and is 30`]);
    write('rows.json', rows(4));
    const other = await run({ dataset: [file], cutoff_len: 30 });
    expect(other.notes).toEqual([`${file}: the rows changed`]);
    expect(other.train!.digest).not.toBe(shorter.train!.digest);
  });

  test('a damaged set is made again', async () => {
    const file = write('rows.json', rows(3));
    const first = await train({ dataset: [file] });
    writeFileSync(join(first.folder, 'rows.safetensors'), 'torn');
    const again = await train({ dataset: [file] });
    expect(again.folder).toBe(first.folder);
    expect(text(again.ids(0))).toContain('Answer 0');
  });

  test('truncation is told, with the first rows', async () => {
    const file = write('rows.json', rows(6));
    const { train: set, warnings } = await run({ dataset: [file], cutoff_len: 30 });
    expect(set!.ids(0).length).toBe(30);
    expect(set!.truncatedOf(0)).toBeGreaterThan(0);
    const [warning] = warnings.filter(({ code }) => code === 'data/truncated');
    expect(warning?.message).toContain('6 rows');
    expect(warning?.place?.line).toBe(2);
  });

  test('val_size holds rows back: a share is rounded up, no row is in both', async () => {
    const file = write('rows.json', rows(10));
    const sets = await run({ dataset: [file], val_size: 0.15 });
    const linesOf = (set: typeof sets.train) =>
      Array.from({ length: set!.count }, (_, i) => set!.places(i)[0]?.row ?? -1);
    expect(sets.eval!.count).toBe(2);
    expect([...linesOf(sets.train), ...linesOf(sets.eval)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, i) => i),
    );
    // Only the half that is missing is made, and it is the same half.
    rmSync(sets.eval!.folder, { recursive: true });
    const again = await run({ dataset: [file], val_size: 0.15 });
    expect(linesOf(again.eval)).toEqual(linesOf(sets.eval));
    expect((await run({ dataset: [file], val_size: 3 })).eval!.count).toBe(3);
    expect((await failure({ dataset: [file], val_size: 10 })).code).toBe('data/val-size');
  });

  test('packs: LLaMA-Factory’s composition, documents apart, every row once', async () => {
    const lengths = [20, 5, 9, 30, 1, 1, 12];
    const file = write(
      'rows.json',
      lengths.map((length, i) => ({ instruction: `${i}`, output: 'x'.repeat(length) })),
    );
    const alone = await train({ dataset: [file] });
    const packed = await train({ dataset: [file], packing: true, cutoff_len: 161 });
    expect(packed.count).toBeLessThan(alone.count);
    expect(packed.targets).toBe(alone.targets);
    const seen: string[] = [];
    for (let row = 0; row < packed.count; row++) {
      expect(packed.ids(row).length).toBeLessThanOrEqual(160);
      let at = 0;
      for (const [i, length] of packed.documents(row).entries()) {
        seen.push(text(packed.ids(row).subarray(at, at + length)));
        expect(packed.places(row)[i]?.row).toBeGreaterThanOrEqual(0);
        at += length;
      }
      expect(at).toBe(packed.ids(row).length);
    }
    const whole = Array.from({ length: alone.count }, (_, i) => text(alone.ids(i)));
    expect(seen.sort()).toEqual(whole.sort());
  });

  test('the model’s own template keeps what stands after the stop token out', async () => {
    const file = write('rows.json', rows(1));
    const jinja =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    const opened = openTemplate({ name: null, jinja, tokenizer: byteTokenizer() });
    const data = { ...defaults, dataset: [file] };
    const cache = join(folder, 'cache');
    const own = (await prepare({ stage: 'sft', data, ...opened, cache })).train!;
    const named = await train({ dataset: [file] });
    expect(own.ids(0)).toEqual(named.ids(0));
    const last = own.ids(0).length - 1;
    expect([...own.labels(0)]).toEqual([...named.labels(0).subarray(0, last), ignored]);
  });
});

describe('sources', () => {
  const info = (entries: Record<string, unknown>) => write('dataset_info.json', entries);

  test('several sets, with num_samples of each, and max_samples', async () => {
    write('a.json', rows(20));
    write(
      'b.jsonl',
      rows(20)
        .map((row) => JSON.stringify(row))
        .join('\n'),
    );
    info({ a: { file_name: 'a.json', num_samples: 5 }, b: { file_name: 'b.jsonl' } });
    const set = await train({ dataset: ['a', 'b'] });
    expect(set.count).toBe(25);
    const files = Array.from({ length: 25 }, (_, i) => set.places(i)[0]!.file);
    expect(files.filter((file) => file.endsWith('a.json')).length).toBe(5);
    expect((await train({ dataset: ['a', 'b'], max_samples: 3 })).count).toBe(6);
    const other = await train({ dataset: ['a'], data_seed: 7 });
    const same = await train({ dataset: ['a'], data_seed: 42 });
    expect(other.digest).not.toBe(same.digest);
  });

  test('a folder of files, and eval_dataset', async () => {
    write('parts/1.json', rows(2));
    write('parts/2.json', rows(3));
    info({ parts: { file_name: 'parts' } });
    const sets = await run({ dataset: ['parts'], eval_dataset: [join(folder, 'parts/2.json')] });
    expect(sets.train!.count).toBe(5);
    expect(sets.eval!.count).toBe(3);
  });

  test('mistakes in dataset_info.json have a line', async () => {
    const path = info({
      a: { file_name: 'a.json', formating: 'sharegpt', columns: { promt: 'q' } },
    });
    write('a.json', [{ q: 'x', output: 'y' }]);
    const error = await failure({ dataset: ['a'] });
    expect(error.code).toBe('data/missing-column');

    info({ a: { file_name: 'a.json', formatting: 'sharegtp' } });
    const wrong = await failure({ dataset: ['a'] });
    expect(wrong.message).toContain('did you mean `sharegpt`?');
    expect(wrong.place).toMatchObject({ file: path, line: 4 });

    info({ a: { file_name: 'missing.json' } });
    expect((await failure({ dataset: ['a'] })).place?.line).toBe(2);
    expect((await failure({ dataset: ['aa'] })).message).toContain('did you mean `a`?');
    expect((await failure({ dataset: ['some/hub-set'] })).code).toBe('files/hub-offline');
  });

  test('unknown keys are warned of, with the near one', async () => {
    info({ a: { file_name: 'a.json', formating: 'alpaca' } });
    write('a.json', rows(2));
    const { warnings } = await run({ dataset: ['a'] });
    expect(warnings[0]?.message).toContain('did you mean `formatting`?');
    expect(warnings[0]?.place?.line).toBe(4);
  });

  test('a described column that no row has', async () => {
    info({
      a: {
        file_name: 'a.json',
        columns: { prompt: 'instruction', response: 'output', system: 'sytem' },
      },
    });
    write(
      'a.json',
      rows(2).map((row) => ({ ...row, system: 's' })),
    );
    const error = await failure({ dataset: ['a'] });
    expect(error.message).toContain('did you mean `system`?');
  });
});

describe('bad input', () => {
  test('broken JSON at row 381 is named', async () => {
    const lines = rows(400).map((row) => JSON.stringify(row));
    lines[380] = '{"instruction": "x", "output": }';
    const file = write('rows.jsonl', lines.join('\n'));
    const error = await failure({ dataset: [file] });
    expect(error.place).toMatchObject({ file, line: 381, row: 380 });
    expect(readdirSync(join(folder, 'cache'))).toEqual(['locks']);
  });

  test('empty files', async () => {
    expect((await failure({ dataset: [write('rows.json', '[]')] })).code).toBe('data/empty');
    expect((await failure({ dataset: [write('rows.jsonl', '')] })).code).toBe('data/empty');
  });

  test('roles out of order', async () => {
    const turns = ['human', 'gpt', 'gpt'].map((from) => ({ from, value: 'x' }));
    const file = write('rows.json', [{ conversations: turns }]);
    const error = await failure({ dataset: [file] });
    expect(error.code).toBe('data/role-order');
    expect(error.place).toMatchObject({ file, line: 2, key: 'conversations[2].from' });
  });

  test('rows in which nothing is learned', async () => {
    const file = write('rows.json', [
      ...rows(2),
      { instruction: 'y'.repeat(300), input: '', output: 'z' },
    ]);
    const more = { dataset: [file], cutoff_len: 1 };
    const error = await failure(more);
    expect(error.code).toBe('data/unsupervised');
    expect(error.place?.line).toBe(2);
    expect((await failure({ ...more, allow_unsupervised: true })).code).toBe('data/all-masked');
    const noReply = write('open.json', [...rows(2), { instruction: 'q', input: '', output: null }]);
    expect((await failure({ dataset: [noReply] })).code).toBe('data/no-reply');
    const kept = await train({ dataset: [noReply], allow_unsupervised: true });
    expect([kept.count, kept.manifest.left_out]).toEqual([2, 1]);
  });

  test('images, ranked replies, and the wrong stage', async () => {
    write('dataset_info.json', {
      pictures: { file_name: 'a.json', columns: { prompt: 'q', response: 'a', images: 'i' } },
      pairs: { file_name: 'a.json', ranking: true },
    });
    write('a.json', [{ q: '<image>?', a: 'b', i: ['1.png'] }]);
    expect((await failure({ dataset: ['pictures'] })).code).toBe('data/media');
    expect((await failure({ dataset: ['pairs'] })).code).toBe('data/wrong-kind');
    expect((await failure({ dataset: [write('t.txt', 'text')] })).code).toBe('data/wrong-kind');
    expect((await failure({ dataset: [write('u.json', [{ foo: 1 }])] })).code).toBe(
      'data/unknown-format',
    );
    expect(
      (await failure({ dataset: [], template: 'qwenn' }).catch((e: TuneryError) => e)).message,
    ).toContain('qwen');
  });

  test('a placeholder is a warning with its line', async () => {
    const file = write('rows.json', [
      ...rows(1),
      { instruction: 'Name?', output: 'I am {{name}}.' },
    ]);
    const { warnings } = await run({ dataset: [file] });
    expect(warnings[0]?.code).toBe('data/placeholder');
    expect(warnings[0]?.message).toContain('{{name}}');
    expect(warnings[0]?.place).toEqual({ file, line: 7, row: 1 });
  });
});

describe('texts to continue', () => {
  test('are joined with an end of text after each, and cut into blocks; nothing is dropped', async () => {
    const texts = ['abc', '', 'defghijk', 'l'];
    const file = write('rows.jsonl', texts.map((t) => JSON.stringify({ text: t })).join('\n'));
    const set = await train({ stage: 'pt', dataset: [file], cutoff_len: 5, packing: true });
    const joined = texts.map((t) => `${t}<|im_end|>`).join('');
    const blocks = Array.from({ length: set.count }, (_, i) => set.ids(i));
    expect(blocks.map((ids) => ids.length)).toEqual([5, 5, 5, 1]);
    expect(blocks.map(text).join('')).toBe(joined);
    expect(blocks.map((_, i) => set.places(i)[0]?.line)).toEqual([1, 3, 3, 4]);
    expect(set.labels(0)).toEqual(set.ids(0));
    // The first token of a block has no position before it.
    expect([0, 1, 2, 3].map(set.targetsOf)).toEqual([4, 4, 4, 0]);
  });

  test('one by one where packing is off', async () => {
    const file = write('rows.txt', 'first text\nsecond');
    const set = await train({ stage: 'pt', dataset: [file], cutoff_len: 8, packing: false });
    expect([0, 1].map((i) => text(set.ids(i)))).toEqual(['first te', 'second<|im_end|>']);
    expect(set.truncatedOf(0)).toBe(3);
  });
});
