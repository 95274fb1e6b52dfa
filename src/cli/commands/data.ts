/** @file `tunery data …`: what the model learns from, before it does. */
import { z } from 'zod';
import { formatPlace } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { noSuchRow, noSuchSet } from '../../data/errors.ts';
import { encodeOptions } from '../../data/prepare.ts';
import { dataSection } from '../../data/settings.ts';
import { findSources } from '../../data/sources.ts';
import { type Token, type TokenInput, type TokenRow, tokensOfRow } from '../../data/tokens.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { prepareJob } from '../../runs/prepare-job.ts';
import { defineCommand } from '../command.ts';
import { openSource } from '../open-source.ts';

export const dataTokensCommand = defineCommand({
  name: 'data tokens',
  summary:
    'Print a row token by token: learned, masked, special or cut off. They are the very ids that are fed.',
  examples: [
    'tunery data tokens examples/smollm2_lora_sft.yaml',
    'tunery data tokens examples/smollm2_lora_sft.yaml --row 17 cutoff_len=64',
    'tunery data tokens examples/smollm2_lora_sft.yaml --eval --json',
  ],
  sections: [modelSection, methodSection, dataSection],
  options: {
    row: field(z.int().min(0).default(0), {
      help: 'Which row of the set, from 0.',
    }),
    eval: field(z.boolean().default(false), { help: 'A row of the evaluation set.' }),
  },

  async run(job, { options, json, print, note, emit, color, signal, progress }) {
    const { data, method, model } = job;
    const source = await openSource(model, { note, progress, signal });
    const { sets, tokenizer, opened } = await prepareJob(job, source, {
      signal,
      progress: (examples) => progress(`${examples} rows tokenized`),
    });
    progress(null);
    for (const { message, place, help } of [...(opened?.warnings ?? []), ...sets.warnings]) {
      note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`);
    }
    const prepared = options.eval ? sets.eval : sets.train;
    if (!prepared) throw noSuchSet(options.eval ? 'eval_dataset' : 'dataset');
    if (options.row >= prepared.count) throw noSuchRow(options.row, prepared.count);

    const names = [...data.dataset, ...data.eval_dataset];
    const conversations = opened &&
      method.stage === 'sft' && {
        sources: await findSources(names, data.dataset_dir, 'sft', () => {}),
        options: encodeOptions({ data, template: opened.template }),
      };
    const input: TokenInput = { prepared, tokenizer, ...(conversations ? { conversations } : {}) };
    const row = tokensOfRow(options.row, input);
    if (json) emit({ ...row, rows: prepared.count, digest: prepared.digest });
    else print(color ? painted(row, prepared.count) : table(row, prepared.count));
    return undefined;
  },
});

const heading = (row: TokenRow, count: number): string =>
  `row ${row.row} of ${count}: ${row.fed} tokens are fed, ${row.trained} learned` +
  (row.truncated > 0 ? `, ${row.truncated} cut off` : '');

const ansi = (...codes: readonly number[]): string => `\u001b[${codes.join(';')}m`;
const reset = ansi(0);
const styles = {
  trained: ansi(32),
  'trained special': ansi(1, 32),
  masked: ansi(2),
  'masked special': ansi(36),
  truncated: ansi(9, 31),
} as const;

function styleOf({ state, special }: Token): string {
  if (state === 'truncated' || !special) return styles[state];
  return styles[`${state} special` as const];
}

/** Running text in colors, with a faint bar between tokens. */
function painted(row: TokenRow, count: number): string {
  const bar = `${ansi(2)}│${reset}`;
  const visible = (text: string): string =>
    text.replaceAll('\r', '␍').replaceAll('\t', '␉').replaceAll('\n', '↵');
  const documents = row.documents.map(({ place, tokens }) => {
    const text = tokens
      .map((token) => {
        const breaks = token.text.includes('\n') ? '\n' : '';
        return `${styleOf(token)}${visible(token.text)}${reset}${breaks === '' ? bar : breaks}`;
      })
      .join('');
    return `${ansi(4)}${formatPlace(place)}${reset}\n${text}`;
  });
  const legend = Object.entries(styles)
    .map(([name, style]) => `${style}${name}${reset}`)
    .join('  ');
  return [heading(row, count), legend, '', ...documents].join('\n');
}

/** One token a line, for files and pipes. */
function table(row: TokenRow, count: number): string {
  const documents = row.documents.flatMap(({ place, tokens }) => [
    formatPlace(place),
    ...tokens.map((token, i) => {
      const kind = token.special ? `${token.state} special` : token.state;
      const label = token.label === undefined ? '' : `  learns ${token.label}`;
      return `${String(i).padStart(6)}  ${String(token.id).padStart(7)}  ${kind.padEnd(17)}  ${(token.part ?? '').padEnd(6)}  ${JSON.stringify(token.text)}${label}`;
    }),
  ]);
  return [heading(row, count), ...documents].join('\n');
}
