/** @file `tunery data tokens`: what the model learns from, before it does. */

import { z } from 'zod';
import { field } from '../../core/field.ts';
import { formatCount } from '../../core/units.ts';
import { noSuchRow, textNotFound } from '../../data/errors.ts';
import { encodeOptions } from '../../data/prepare.ts';
import type { Prepared } from '../../data/prepared.ts';
import { dataSection } from '../../data/settings.ts';
import { findSources } from '../../data/sources.ts';
import { textEncoder } from '../../data/text-blocks.ts';
import { type TokenInput, tokensOfRows } from '../../data/tokens.ts';
import { tokenPage } from '../../data/tokens-html.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import type { JobData } from '../../runs/prepare-job.ts';
import type { Job } from '../../train/job.ts';
import { type Context, defineCommand } from '../command.ts';
import { badOption, oneOf } from '../errors.ts';
import { chooseSet, openData, setOptions } from '../open-data.ts';
import { dataHub } from '../open-source.ts';
import { painted, table } from '../token-view.ts';

export const dataTokensCommand = defineCommand({
  name: 'data tokens',
  summary:
    'Print a row token by token: learned, masked, special or cut off. They are the very ids that are fed.',
  examples: [
    'tunery data tokens examples/smollm2_lora_sft.yaml',
    'tunery data tokens examples/smollm2_lora_sft.yaml --row 17 cutoff_len=64',
    'tunery data tokens examples/smollm2_lora_sft.yaml --find "Tunery" --rows 0..50',
    'tunery data tokens examples/smollm2_lora_sft.yaml --html tokens.html',
    'tunery data tokens examples/smollm2_lora_sft.yaml --eval --json',
  ],
  sections: [modelSection, methodSection, dataSection],
  options: {
    row: field(z.int().min(0).nullable().default(null), {
      help: 'Which row of the set, from 0; the first if nothing is said.',
    }),
    rows: field(z.string().nullable().default(null), {
      help: 'Rows from one to another, both with, as `0..9`; `100..` goes on to the end.',
    }),
    find: field(z.string().nullable().default(null), {
      help: 'Rows that hold this text, as it is fed: the first one; with `--rows` or `--html` all of them.',
    }),
    html: field(z.string().nullable().default(null), {
      help: 'Write a page to this file that opens in a browser and needs nothing else. Without `--row`, `--rows` or `--find` it has the first hundred rows.',
    }),
    ...setOptions,
  },

  async run(job, context) {
    const { options, json, print, emit, progress, color, columns, isTTY } = context;
    if (options.row !== null && options.rows !== null)
      throw oneOf('data tokens', '--row', '--rows');
    const range = options.rows === null ? undefined : parseRange(options.rows);
    const ready = await openData(job, context);
    const prepared = chooseSet(ready.sets, options);
    const input = await tokenInput(job, ready, prepared, context);

    const chosen = chooseRows(prepared, { ...options, range });
    const rows = tokensOfRows(
      options.find === null ? chosen : rowsWith(options.find, chosen, input, context),
      input,
    );
    const { count, digest } = prepared;
    if (options.html !== null) {
      const { dataset, eval_dataset } = job.data;
      const title = options.set ?? (options.eval ? eval_dataset : dataset).join(', ');
      const page = tokenPage({ title, count, digest, rows });
      progress(null);
      if (page.rows === 0) throw textNotFound(options.find ?? '');
      writeFileAtomic(options.html, page.html);
      const full = page.full ? ', which is all that a page holds' : '';
      if (json) emit({ file: options.html, rows: page.rows, full: page.full });
      print(`${page.rows} of ${count} rows in ${options.html}${full}`);
      return undefined;
    }
    let shown = 0;
    for (const row of rows) {
      progress(null);
      if (json) emit({ ...row, rows: count, digest });
      else
        print(
          `${shown > 0 ? '\n' : ''}${color ? painted(row, count, columns) : table(row, count, isTTY ? columns : undefined)}`,
        );
      shown++;
      if (options.find !== null && !range) break;
    }
    if (shown === 0) throw textNotFound(options.find ?? '');
    return undefined;
  },
});

/** Without its data sets (which `tokenized_path` does not need) a set is shown as it is fed, and no more is known. */
async function tokenInput(
  { data, method, model }: Pick<Job, 'data' | 'method' | 'model'>,
  { tokenizer, opened }: JobData,
  prepared: Prepared,
  context: Context,
): Promise<TokenInput> {
  const isText = method.stage === 'pt';
  if (isText && data.packing) return { prepared, tokenizer };
  const names = [...data.dataset, ...data.eval_dataset];
  const { stage } = method;
  const hub = dataHub(model, context);
  const sources = await findSources(names, data.dataset_dir, stage, () => {}, hub);
  if (sources.length === 0) return { prepared, tokenizer };
  if (isText) {
    return { prepared, tokenizer, texts: { sources, encode: textEncoder(data, tokenizer) } };
  }
  const options = encodeOptions({ data, template: opened?.template });
  return { prepared, tokenizer, conversations: { sources, options } };
}

type Range = { readonly from: number; readonly to: number };

function parseRange(text: string): Range {
  const found = /^(\d{1,12})\.\.(\d{0,12})$/.exec(text);
  const [, from = '', to = ''] = found ?? [];
  const range = { from: Number(from), to: to === '' ? Number.POSITIVE_INFINITY : Number(to) };
  if (found && range.to >= range.from) return range;
  throw badOption('--rows', 'rows from one to another, as `0..9`', `\`${text}\``);
}

/** Rows of a page for which no rows were named. */
const rowsOfPage = 100;

type Choice = {
  readonly row: number | null;
  readonly range: Range | undefined;
  readonly find: string | null;
  readonly html: string | null;
};

function chooseRows({ count }: Prepared, { row, range, find, html }: Choice): Iterable<number> {
  const from = row ?? range?.from ?? 0;
  if (from >= count) throw noSuchRow(from, count);
  const alone = row !== null || (find === null && html === null);
  const last = alone ? from : find === null ? rowsOfPage - 1 : count - 1;
  return between(from, Math.min(range?.to ?? last, count - 1));
}

function* between(from: number, to: number): Generator<number> {
  for (let row = from; row <= to; row++) yield row;
}

/** Rows whose text, as it is fed, holds what is looked for. */
function* rowsWith(
  text: string,
  rows: Iterable<number>,
  { prepared, tokenizer }: TokenInput,
  { progress, signal }: { progress: (text: string | null) => void; signal: AbortSignal },
): Generator<number> {
  const columns = prepared.columns.filter((name) => name.endsWith('ids'));
  for (const row of rows) {
    if (row % 1000 === 0) {
      signal.throwIfAborted();
      progress(`looked at ${formatCount(row)} rows`);
    }
    if (columns.some((name) => tokenizer.decode(prepared.column(name, row)).includes(text)))
      yield row;
  }
}
