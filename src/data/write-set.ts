/** @file One Prepared set from its rows: encoded, laid out, and put in its place whole. */
import { writeFolderAtomic } from '../files/atomic.ts';
import { createChunkEncoder, type EncodedChunk, type EncodeSettings } from './encode-chunk.ts';
import type { EncodePool } from './encode-pool.ts';
import { type Cut, encodeHere, encodeInPool } from './encode-rows.ts';
import { allMasked, emptyDataset } from './errors.ts';
import type { LeftOut } from './filter-rows.ts';
import type { PrepareInput } from './prepare.ts';
import type { SetJob } from './prepare-key.ts';
import { createPreparedWriter, type PreparedWriter } from './prepared-writer.ts';
import type { RawRow } from './raw-row.ts';
import { createBatch, freeBatch } from './row-batch.ts';
import { shapeOf } from './stage.ts';
import { createTextJoiner } from './text-blocks.ts';
import { Tally, type Warning } from './warning.ts';

/** Rows of a chunk where nothing is made among them. */
const chunkRows = 256;

export async function writeSet(
  input: PrepareInput,
  job: SetJob,
  rows: Iterable<RawRow>,
  leftOut: LeftOut,
  pool: EncodePool | undefined,
): Promise<void> {
  const { tokenizer, template } = input;
  const settings = encodeSettings(input, job);
  const cut = cutOf(settings);
  const chunks = pool
    ? encodeInPool(rows, pool, cut)
    : encodeHere(rows, createChunkEncoder(settings, tokenizer, template), cut);
  await writeFolderAtomic(
    job.folder,
    async (temporary) => {
      const writer = createPreparedWriter(temporary, shapeOf(input.stage));
      try {
        await fill(input, job, writer, chunks, leftOut);
      } finally {
        writer.close();
      }
    },
    { replace: true },
  );
}

export const encodeSettings = (
  { stage, data }: PrepareInput,
  { sources, split }: SetJob,
): EncodeSettings => ({
  stage,
  data,
  sources,
  packs: stage === 'sft' && data.packing && split === 'train',
});

function cutOf({ stage, data, packs }: EncodeSettings): Cut {
  const exact = packs || stage === 'kto';
  return { rows: exact ? data.preprocessing_batch_size : chunkRows, exact };
}

async function fill(
  input: PrepareInput,
  job: SetJob,
  writer: PreparedWriter,
  chunks: Iterable<EncodedChunk> | AsyncIterable<EncodedChunk>,
  unread: LeftOut,
): Promise<void> {
  const { stage, template, tokenizer, signal, progress } = input;
  const tally = new Tally();
  const sink = stage === 'pt' ? blockSink(input, writer) : writer;
  let read = 0;
  let leftOut = 0;
  const filtered: LeftOut = new Map();
  let turn = performance.now();
  for await (const chunk of chunks) {
    sink.append(chunk.batch);
    freeBatch(chunk.batch);
    tally.merge(chunk.warnings);
    read += chunk.read;
    leftOut += chunk.leftOut;
    for (const [name, count] of Object.entries(chunk.filtered)) {
      filtered.set(name, (filtered.get(name) ?? 0) + count);
    }
    if (performance.now() - turn < 50) continue;
    progress?.(read);
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    turn = performance.now();
  }
  if ('end' in sink) sink.end();

  const file = job.sources[0]?.files[0] ?? '';
  const bySettings = [...unread, ...filtered];
  if (writer.rows === 0) throw emptyDataset(file, whyEmpty(job.split, leftOut, bySettings));
  for (const [name, count] of bySettings) tally.add(leftOutWarning(name, count));
  const learns = stage !== 'pt' && stage !== 'ppo';
  if (learns && writer.targets === 0) throw allMasked(file, writer.rows);
  writer.finish({
    schema: 2,
    stage,
    split: job.split,
    tokenizer: tokenizer.digest,
    template: template?.name ?? '',
    stop_ids: [...(template?.stopIds ?? [])],
    left_out: leftOut,
    warnings: tally.all().map(({ place, ...warning }) => (place ? { ...warning, place } : warning)),
    parts: job.parts,
  });
}

function whyEmpty(
  split: string,
  leftOut: number,
  bySettings: readonly (readonly [name: string, count: number])[],
): string {
  const [first] = bySettings;
  if (first)
    return `all rows of the ${split} set were left out, ${first[1]} of them by \`${first[0]}\``;
  if (leftOut === 0) return `the ${split} set is empty`;
  return `all ${leftOut} rows of the ${split} set were left out, for they have no reply`;
}

const leftOutWarning = (name: string, count: number): Warning => ({
  code: 'data/left-out',
  message: `${count} ${count === 1 ? 'row was' : 'rows were'} left out by \`${name}\``,
  help: 'nothing need be done; take the setting out to have them all',
});

/** Texts, cut into blocks one after the other, whichever thread tokenized them. */
function blockSink({ data, tokenizer, stage }: PrepareInput, writer: PreparedWriter) {
  const blocks = createBatch(shapeOf(stage));
  const joiner = createTextJoiner(data, tokenizer, (document) => blocks.add([document]));
  const write = (): void => {
    if (blocks.rows > 0) writer.append(blocks.take());
  };
  return {
    append({ rows, columns, bounds, numbers, files }: EncodedChunk['batch']): void {
      let from = 0;
      for (let i = 0; i < rows; i++) {
        const ids = columns.input_ids.subarray(from, from + bounds.row[i]);
        from += ids.length;
        const [line, row] = [numbers.line[i], numbers.row[i]];
        joiner.add(ids, {
          file: files[numbers.file[i]] ?? '',
          ...(line > 0 ? { line } : {}),
          ...(row >= 0 ? { row } : {}),
        });
      }
      write();
    },
    end(): void {
      joiner.end();
      write();
    },
  };
}
