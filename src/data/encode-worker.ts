/** @file A thread that encodes: chunks of rows in, columns of ids and labels out. */
import { parentPort, workerData } from 'node:worker_threads';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { createChunkEncoder } from './encode-chunk.ts';
import { sendError } from './encode-errors.ts';
import type { PoolSettings, SentChunk, SentResult } from './encode-pool.ts';
import { openTemplate } from './open-template.ts';
import { buffersOf } from './row-batch.ts';
import { readSent } from './sent-rows.ts';

// What `openEncodePool` gave.
const { tokenizer: definition, template, ...settings } = workerData as PoolSettings;
const tokenizer = createTokenizer(definition);
const opened = template && openTemplate({ ...template, tokenizer });
const encode = createChunkEncoder(settings, opened?.tokenizer ?? tokenizer, opened?.template);

parentPort?.on('message', (sent: SentChunk) => {
  const { id, bytes } = sent;
  try {
    const chunk = encode(readSent(sent));
    answer({ id, bytes, chunk }, [bytes.buffer, ...buffersOf(chunk.batch)]);
  } catch (error) {
    answer({ id, bytes, error: sendError(error) }, [bytes.buffer]);
  }
});

const answer = (result: SentResult, transfers: ArrayBuffer[]): void =>
  parentPort?.postMessage(result, transfers);
