/** @file Threads that encode: each with its own tokenizer and template, and with bounded memory. */
import { Worker } from 'node:worker_threads';
import type { Definition } from '../tokenizer/tokenizer.ts';
import type { EncodedChunk, EncodeSettings } from './encode-chunk.ts';
import { encoderEnded, restoreError, type SentError } from './encode-errors.ts';
import type { TemplateInput } from './open-template.ts';
import type { RowText } from './raw-row.ts';

/** All that a thread needs to encode as this one would: plain data. */
export type PoolSettings = EncodeSettings & {
  readonly tokenizer: Definition;
  /** How the template is opened; undefined where the stage needs none. */
  readonly template: Omit<TemplateInput, 'tokenizer'> | undefined;
};

/** Columns in place of objects: they cross to the thread in a fraction of the time. */
export type SentChunk = {
  readonly id: number;
  readonly texts: readonly string[];
  readonly sources: Int32Array;
  readonly files: readonly string[];
  readonly file: Int32Array;
  /** 0 where a row has no line; −1 where it has no number. */
  readonly line: Int32Array;
  readonly row: Int32Array;
};

export type SentResult =
  | { readonly id: number; readonly chunk: EncodedChunk }
  | { readonly id: number; readonly error: SentError };

export type EncodePool = {
  readonly size: number;
  encode(rows: readonly RowText[]): Promise<EncodedChunk>;
  close(): Promise<void>;
};

type Waiting = {
  readonly resolve: (chunk: EncodedChunk) => void;
  readonly reject: (error: unknown) => void;
};

type Member = { readonly worker: Worker; readonly waiting: Map<number, Waiting> };

export function openEncodePool(size: number, settings: PoolSettings): EncodePool {
  let next = 0;
  const members = Array.from({ length: size }, (): Member => {
    const worker = new Worker(
      new URL(`./encode-worker${import.meta.url.slice(-3)}`, import.meta.url),
      {
        workerData: settings,
        // What is garbage is collected sooner; a row of 64 MB still fits.
        resourceLimits: { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 32 },
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
      if ('error' in result) asked?.reject(restoreError(result.error));
      else asked?.resolve(result.chunk);
    });
    worker.on('error', (error) => fail(encoderEnded(error.message)));
    worker.on('exit', (code) => fail(encoderEnded(`exit code ${code}`)));
    return { worker, waiting };
  });

  return {
    size,
    encode(rows) {
      const id = next++;
      const least = members.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
      const sent = columnsOf(id, rows);
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

const transfers = ({ sources, file, line, row }: SentChunk): ArrayBuffer[] =>
  // Each was made for this message, and is a plain buffer.
  [sources, file, line, row].map(({ buffer }) => buffer as ArrayBuffer);

function columnsOf(id: number, rows: readonly RowText[]): SentChunk {
  const files = [...new Set(rows.map(({ place }) => place.file))];
  return {
    id,
    texts: rows.map(({ text }) => text),
    sources: Int32Array.from(rows, ({ source }) => source),
    files,
    file: Int32Array.from(rows, ({ place }) => files.indexOf(place.file)),
    line: Int32Array.from(rows, ({ place }) => place.line ?? 0),
    row: Int32Array.from(rows, ({ place }) => place.row ?? -1),
  };
}
