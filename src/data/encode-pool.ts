/** @file Threads that encode: each with its own tokenizer and template, and with bounded memory. */
import { Worker } from 'node:worker_threads';
import type { Definition } from '../tokenizer/tokenizer.ts';
import type { EncodedChunk, EncodeSettings } from './encode-chunk.ts';
import { encoderEnded, restoreError, type SentError } from './encode-errors.ts';
import type { TemplateInput } from './open-template.ts';
import { createRowPacker, type RowPacker, type SentRows } from './sent-rows.ts';

/** All that a thread needs to encode as this one would: plain data. */
export type PoolSettings = EncodeSettings & {
  readonly tokenizer: Definition;
  /** How the template is opened; undefined where the stage needs none. */
  readonly template: Omit<TemplateInput, 'tokenizer'> | undefined;
};

export type SentChunk = SentRows & { readonly id: number };

/** `bytes` are those of the rows, which go back. */
export type SentResult = { readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> } & (
  | { readonly chunk: EncodedChunk }
  | { readonly error: SentError }
);

export type EncodePool = {
  readonly size: number;
  /** The rows of the next chunk. */
  readonly packer: RowPacker;
  /** Sends them. */
  encode(): Promise<EncodedChunk>;
  close(): Promise<void>;
};

type Waiting = {
  readonly resolve: (chunk: EncodedChunk) => void;
  readonly reject: (error: unknown) => void;
};

type Member = { readonly worker: Worker; readonly waiting: Map<number, Waiting> };

/** Bytes of rows after which a chunk is sent that need not be of so many. */
export const chunkBytes = 1 << 18;

export function openEncodePool(size: number, settings: PoolSettings): EncodePool {
  let next = 0;
  const packer = createRowPacker(chunkBytes + (chunkBytes >> 2));
  const members = Array.from({ length: size }, (): Member => {
    const worker = new Worker(
      new URL(`./encode-worker${import.meta.url.slice(-3)}`, import.meta.url),
      {
        workerData: settings,
        // What is garbage is collected sooner; a row of 64 MB still fits.
        resourceLimits: { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 16 },
      },
    );
    const waiting = new Map<number, Waiting>();
    const fail = (error: unknown): void => {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    };
    worker.on('message', (result: SentResult) => {
      const asked = waiting.get(result.id);
      waiting.delete(result.id);
      packer.giveBack(result.bytes);
      if ('error' in result) asked?.reject(restoreError(result.error));
      else asked?.resolve(result.chunk);
    });
    worker.on('error', (error) => fail(encoderEnded(error.message)));
    worker.on('exit', (code) => fail(encoderEnded(`exit code ${code}`)));
    return { worker, waiting };
  });

  return {
    size,
    packer,
    encode() {
      const id = next++;
      const least = members.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
      const sent: SentChunk = { id, ...packer.take() };
      return new Promise((resolve, reject) => {
        least.waiting.set(id, { resolve, reject });
        least.worker.postMessage(sent, transfers(sent));
      });
    },
    async close() {
      await Promise.all(members.map(({ worker }) => worker.terminate()));
    },
  };
}

/** Each was made for this message. */
const transfers = ({ bytes, numbers }: SentChunk): ArrayBuffer[] =>
  [bytes, ...Object.values(numbers)].map(({ buffer }) => buffer);
