/** @file Why a worker of Python ended: the line in its log that `workers/torch/parent.py` writes as it fails. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { z } from 'zod';

const Failure = z.object({ kind: z.string(), rank: z.int(), message: z.string() });

/** The last line that a worker wrote as it failed, in the bytes from `from` on. */
export function failureIn(log: string, from: number): z.infer<typeof Failure> | undefined {
  const line = tail(log, from)
    .split('\n')
    .findLast((text) => text.startsWith('tunery: '));
  try {
    return line === undefined
      ? undefined
      : Failure.parse(JSON.parse(line.slice('tunery: '.length)));
  } catch {
    return undefined;
  }
}

const tailBytes = 16 << 10;

function tail(path: string, from: number): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const bytes = Buffer.alloc(Math.min(Math.max(0, size - from), tailBytes));
  const fd = openSync(path, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  } finally {
    closeSync(fd);
  }
  return bytes.toString('utf8');
}
