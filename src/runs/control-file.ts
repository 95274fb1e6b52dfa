/** @file `control.jsonl`: wishes to a living run, looked up by its engine at step boundaries. */
import { appendFileSync, closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFault } from '../files/errors.ts';
import type { Command } from '../train/host.ts';
import { notRunning } from './errors.ts';
import { lockHolder } from './lock.ts';

export const controlName = 'control.jsonl';

const Wish = z.object({
  schema: z.literal(1),
  time: z.iso.datetime(),
  /** Id of the lock's holder: a wish for an earlier attempt says nothing to a later one. */
  to: z.string(),
  command: z.enum(['save', 'stop']),
});

/** Tells the run in `folder` to save a checkpoint, or to save and stop. Refuses where none is living. */
export function sendCommand(folder: string, command: Exclude<Command, 'continue'>): void {
  const holder = lockHolder(folder);
  if (!holder) throw notRunning(folder);
  const wish: z.infer<typeof Wish> = {
    schema: 1,
    time: new Date().toISOString(),
    to: holder.id,
    command,
  };
  const path = join(folder, controlName);
  try {
    // A newline first: what a killed writer left of a line spoils no other.
    appendFileSync(path, `\n${JSON.stringify(wish)}\n`);
  } catch (error) {
    throw writeFault(path, error);
  }
}

/** Reads what has come since the last call, for the holder of lock `id`. */
export function controlReader(folder: string, id: string): () => Command {
  const path = join(folder, controlName);
  let known = 0;
  let rest = '';
  let stopped = false;
  return () => {
    let command: Command = 'continue';
    rest += readFrom(path, known, (count) => {
      known += count;
    });
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const wish = parseWish(line);
      if (wish?.to !== id) continue;
      if (wish.command === 'stop') stopped = true;
      else command = 'save';
    }
    return stopped ? 'stop' : command;
  };
}

function parseWish(line: string): z.infer<typeof Wish> | undefined {
  try {
    return Wish.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function readFrom(path: string, from: number, advance: (count: number) => void): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const piece = Buffer.alloc(64 << 10);
    // All of it is ASCII, so no character can be cut in two.
    const count = readSync(fd, piece, 0, piece.length, from);
    advance(count);
    return piece.toString('latin1', 0, count);
  } finally {
    closeSync(fd);
  }
}
