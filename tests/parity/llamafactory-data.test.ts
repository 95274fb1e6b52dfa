/**
 * @file The demo data sets, prepared for each stage that fits, against LLaMA-Factory's own ids and labels: row for row,
 * by the digests that tests/golden/llamafactory_data.py wrote.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openTemplate } from '../../src/data/open-template.ts';
import { prepare } from '../../src/data/prepare.ts';
import type { Prepared } from '../../src/data/prepared.ts';
import { type DataSettings, dataSection } from '../../src/data/settings.ts';
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts';
import { readTokenizerFixture } from '../golden/tokenizer-fixture.ts';

const Case = z.looseObject({
  dataset: z.string(),
  stage: z.enum(['pt', 'sft', 'rm', 'kto', 'ppo']),
  template: z.string(),
  cutoff_len: z.int(),
  rows: z.int(),
  columns: z.array(z.string()),
  digests: z.array(z.string()),
});
type Case = z.infer<typeof Case>;
const golden = z
  .object({ max_samples: z.int(), cases: z.array(Case) })
  .parse(
    JSON.parse(readFileSync(new URL('../golden/llamafactory-data.json', import.meta.url), 'utf8')),
  );

const files: Readonly<Record<string, string>> = {
  alpaca_en_demo: 'alpaca_en_demo.json',
  alpaca_zh_demo: 'alpaca_zh_demo.json',
  identity: 'identity.json',
  glaive_toolcall_en_demo: 'glaive_toolcall_en_demo.json',
  glaive_toolcall_zh_demo: 'glaive_toolcall_zh_demo.json',
  dpo_en_demo: 'dpo_en_demo.json',
  kto_en_demo: 'kto_en_demo.json',
  c4_demo: 'c4_demo.jsonl',
  wiki_demo: 'wiki_demo.txt',
};
/** As LLaMA-Factory's own dataset_info.json describes them. */
const sharegpt = { formatting: 'sharegpt', columns: { messages: 'conversations' } };
const described: Readonly<Record<string, object>> = {
  glaive_toolcall_en_demo: { ...sharegpt, columns: { messages: 'conversations', tools: 'tools' } },
  glaive_toolcall_zh_demo: { ...sharegpt, columns: { messages: 'conversations', tools: 'tools' } },
  dpo_en_demo: {
    formatting: 'sharegpt',
    ranking: true,
    columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected' },
  },
  kto_en_demo: {
    formatting: 'sharegpt',
    columns: { messages: 'messages', kto_tag: 'label' },
    tags: {
      role_tag: 'role',
      content_tag: 'content',
      user_tag: 'user',
      assistant_tag: 'assistant',
    },
  },
  c4_demo: { columns: { prompt: 'text' } },
  wiki_demo: { columns: { prompt: 'text' } },
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-demo-'));
  const shipped = new Set(['alpaca_en_demo', 'c4_demo']);
  for (const [name, file] of Object.entries(files)) {
    const path = join(folder, file);
    if (shipped.has(name)) copyFileSync(new URL(`../../data/${file}`, import.meta.url), path);
    else {
      const packed = readFileSync(new URL(`../fixtures/demo/${file}.br`, import.meta.url));
      writeFileSync(path, brotliDecompressSync(packed));
    }
  }
  const info = Object.entries(files).map(([name, file_name]) => [
    name,
    { file_name, ...described[name] },
  ]);
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(Object.fromEntries(info)));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { json } = readTokenizerFixture('smollm2');
const special = { bos_token: '<|im_start|>', eos_token: '<|im_end|>', pad_token: '<|im_end|>' };
const tokenizer = tokenizerFromJson(JSON.stringify(json), JSON.stringify(special));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

const packs = (each: Readonly<Record<string, unknown>>): boolean =>
  each['stage'] === 'pt' ? each['packing'] !== false : each['neat_packing'] === true;

async function prepared({ stage, rows: _, columns: __, digests: ___, ...settings }: Case) {
  const packing = stage === 'pt' || settings['neat_packing'] === true;
  const data = {
    ...defaults,
    packing,
    ...settings,
    dataset: [settings.dataset],
    dataset_dir: folder,
  };
  const options = { ...data, max_samples: golden.max_samples };
  const opened = openTemplate({ name: data.template, jinja: undefined, tokenizer });
  const sets = await prepare({
    stage,
    data: options,
    tokenizer: opened.tokenizer,
    template: stage === 'pt' ? undefined : opened.template,
    cache: join(folder, 'cache'),
  });
  return { set: sets.train!, pad: opened.tokenizer.pad?.id ?? -1 };
}

type Columns = Readonly<Record<string, Int32Array>>;

/** A pack as LLaMA-Factory writes it: padded to the whole length, with its documents numbered. */
function padded(set: Prepared, row: number, length: number, pad: number): Columns {
  const fill = (values: Int32Array, rest: number): Int32Array => {
    const all = new Int32Array(length).fill(rest);
    all.set(values);
    return all;
  };
  const documents = [...set.documents(row)];
  const positions = documents.flatMap((count) => Array.from({ length: count }, (_, i) => i));
  const numbers = documents.flatMap((count, i) => Array<number>(count).fill(i + 1));
  return {
    input_ids: fill(set.ids(row), pad),
    labels: fill(set.labels(row), -100),
    attention_mask: fill(Int32Array.from(numbers), 0),
    position_ids: fill(Int32Array.from(positions), 0),
  };
}

const joined = (...parts: readonly Int32Array[]): Int32Array =>
  Int32Array.from(parts.flatMap((part) => [...part]));
const masked = (ids: Int32Array): Int32Array => new Int32Array(ids.length).fill(-100);

/** A row in LLaMA-Factory's columns. */
function columnsOf(set: Prepared, row: number, { stage }: Case): Columns {
  const column = (name: string): Int32Array => set.column(name, row);
  switch (stage) {
    case 'rm': {
      const prompt = column('prompt_ids');
      const hidden = masked(prompt);
      return {
        chosen_input_ids: joined(prompt, column('chosen_ids')),
        chosen_labels: joined(hidden, column('chosen_labels')),
        rejected_input_ids: joined(prompt, column('rejected_ids')),
        rejected_labels: joined(hidden, column('rejected_labels')),
      };
    }
    case 'kto':
      return {
        input_ids: column('input_ids'),
        labels: column('labels'),
        kl_input_ids: column('kl_input_ids'),
        kl_labels: column('kl_labels'),
        kto_tags: column('kto_tag'),
      };
    case 'ppo':
      return { input_ids: column('prompt_ids'), labels: column('reply_ids') };
    default:
      return { input_ids: set.ids(row), labels: set.labels(row) };
  }
}

function digest(row: Columns, columns: readonly string[]): string {
  const sha = createHash('sha256');
  for (const column of columns) {
    const values = row[column]!;
    sha.update(Int32Array.of(values.length)).update(values);
  }
  return sha.digest('hex').slice(0, 16);
}

test.each(golden.cases.map((each) => [JSON.stringify({ ...each, digests: undefined }), each]))(
  '%s',
  async (_, each) => {
    const { set, pad } = await prepared(each);
    // LLaMA-Factory drops what is left of each batch of texts when blocks are cut; here it is a shorter row.
    const rows = Array.from({ length: set.count }, (_, row) => row).filter(
      (row) => each.stage !== 'pt' || !packs(each) || set.ids(row).length === each.cutoff_len,
    );
    expect(rows.length).toBe(each.rows);
    const wrong = rows.filter((row, i) => {
      const columns =
        each.stage === 'sft' && packs(each)
          ? padded(set, row, each.cutoff_len, pad)
          : columnsOf(set, row, each);
      return digest(columns, each.columns) !== each.digests[i];
    });
    expect(wrong).toEqual([]);
  },
);
