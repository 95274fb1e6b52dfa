/** @file A thread that encodes: chunks of rows in, columns of ids and labels out. */
import { parentPort, workerData } from 'node:worker_threads';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { createChunkEncoder, type EncodedChunk } from './encode-chunk.ts';
import { sendError } from './encode-errors.ts';
import type { PoolSettings, SentChunk, SentResult } from './encode-pool.ts';
import { openTemplate } from './open-template.ts';
import { fromText } from './raw-row.ts';

// What `openEncodePool` gave.
const { tokenizer: definition, template, ...settings } = workerData as PoolSettings;
const tokenizer = createTokenizer(definition);
const opened = template && openTemplate({ ...template, tokenizer });
const encode = createChunkEncoder(settings, opened?.tokenizer ?? tokenizer, opened?.template);

parentPort?.on('message', (sent: SentChunk) => {
  try {
    const chunk = encode(sent.texts.map((text, i) => rowOf(sent, text, i)));
    answer({ id: sent.id, chunk }, buffersOf(chunk));
  } catch (error) {
    answer({ id: sent.id, error: sendError(error) }, []);
  }
});

const answer = (result: SentResult, transfers: ArrayBuffer[]): void =>
  parentPort?.postMessage(result, transfers);

function rowOf({ sources, files, file, line, row }: SentChunk, text: string, i: number) {
  const place = {
    file: files[file[i]],
    ...(line[i] > 0 ? { line: line[i] } : {}),
    ...(row[i] >= 0 ? { row: row[i] } : {}),
  };
  return fromText({ source: sources[i], text, place });
}

/** Every array of a batch is a copy of its own. */
const buffersOf = ({ batch: { columns, bounds, numbers } }: EncodedChunk): ArrayBuffer[] =>
  [columns, bounds, numbers].flatMap((arrays) =>
    Object.values(arrays).map(({ buffer }) => buffer as ArrayBuffer),
  );
