/** @file A chunk of rows to documents: the work that one thread does by itself, whichever thread that is. */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import { encodeBatch } from './encode-batch.ts';
import type { EncodeOptions } from './encode-example.ts';
import { noTemplate } from './errors.ts';
import { packRows } from './pack.ts';
import { warnOfPlaceholders } from './placeholders.ts';
import { type RawRow, toExample } from './raw-row.ts';
import { createBatch, type Document, lengthOf, type RowBatch } from './row-batch.ts';
import type { DataSettings } from './settings.ts';
import type { Source } from './sources.ts';
import { kindOf, type Shape, type Stage, shapeOf } from './stage.ts';
import { textEncoder } from './text-blocks.ts';
import { Tally, type TallyEntry, type Warning } from './warning.ts';

/** Plain data but for the tokenizer and the template, which each thread makes for itself. */
export type EncodeSettings = {
  readonly stage: Stage;
  readonly data: DataSettings;
  readonly sources: readonly Source[];
  /** Whether rows are packs of documents. */
  readonly packs: boolean;
};

export type EncodedChunk = {
  /** Rows of the set; with `stage: pt` texts, which are yet to be cut into blocks. */
  readonly batch: RowBatch;
  /** Rows that were read, and of them those that were left out because they hold nothing to learn. */
  readonly read: number;
  readonly leftOut: number;
  /** Rows that settings left out for their length, by the setting. */
  readonly filtered: Readonly<Record<string, number>>;
  readonly warnings: readonly TallyEntry[];
};

export type ChunkEncoder = (rows: readonly RawRow[]) => EncodedChunk;

/** What of a text comes from the thread that tokenized it. */
export const textShape: Shape = { columns: { input_ids: 'row' }, fed: ['input_ids'] };

export function createChunkEncoder(
  { stage, data, sources, packs }: EncodeSettings,
  tokenizer: Tokenizer,
  template: ChatTemplate | undefined,
): ChunkEncoder {
  const kind = kindOf[stage];
  const shape = kind === 'text' ? textShape : shapeOf(stage);
  const batch = createBatch(shape);
  let tally = new Tally();
  const warn = (warning: Warning): void => tally.add(warning);
  const encodeText = textEncoder(data, tokenizer);
  const options = kind === 'text' ? undefined : encodeOptions({ data, template });

  return (rows) => {
    const examples = rows.map((row) => toExample(row, sources));
    for (const example of examples) warnOfPlaceholders(example, warn);
    const encoded =
      kind === 'text' ? examples.map(encodeText) : encodeBatch[kind](examples, options!, warn);
    const filtered: Record<string, number> = {};
    const documents = encoded.filter((document) => {
      const why = whyNotKept(document, data);
      if (why !== undefined) filtered[why] = (filtered[why] ?? 0) + 1;
      return why === undefined;
    });
    for (const row of packs ? packed(documents, shape, data) : documents.map((one) => [one])) {
      batch.add(row);
    }
    const warnings = tally.entries();
    tally = new Tally();
    const leftOut = examples.length - encoded.length;
    return { batch: batch.take(), read: rows.length, leftOut, filtered, warnings };
  };
}

/** The setting that leaves a document out for its length. */
function whyNotKept(
  { whole, truncated }: Document,
  { overlong, filter_min_tokens: least, filter_max_tokens: most }: DataSettings,
): string | undefined {
  if (least !== null && whole < least) return 'filter_min_tokens';
  if (most !== null && whole > most) return 'filter_max_tokens';
  return truncated > 0 && overlong === 'drop' ? 'overlong: drop' : undefined;
}

/** What of the settings decides a conversation's ids and labels. */
export function encodeOptions({
  data,
  template,
}: {
  readonly data: DataSettings;
  readonly template: ChatTemplate | undefined;
}): EncodeOptions {
  if (!template) throw noTemplate();
  return {
    template,
    // LLaMA-Factory takes one off where it packs.
    cutoff: data.packing ? data.cutoff_len - 1 : data.cutoff_len,
    maskHistory: data.mask_history,
    trainOnPrompt: data.train_on_prompt,
    allowUnsupervised: data.allow_unsupervised,
    overlong: data.overlong,
  };
}

/** Packs among the rows of a chunk, as LLaMA-Factory composes them. */
function packed(documents: readonly Document[], shape: Shape, data: DataSettings): Document[][] {
  const lengths = documents.map((document) => lengthOf(document, shape));
  return packRows(lengths, data.cutoff_len - 1).map((pack) => pack.map((i) => documents[i]));
}
