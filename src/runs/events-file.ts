/** @file `events.jsonl`: written by the engine's process alone, followed by everyone. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { type EventBody, RunEvent } from '../core/events.ts';
import { type AppendFile, lastNewline, openAppend } from '../files/append-file.ts';

export const eventsName = 'events.jsonl';

export type EventsFile = Pick<AppendFile, 'size' | 'sync' | 'close'> & {
  emit(body: EventBody): RunEvent;
};

/** Opens it to write. What a killed writer left of a line is cut off. */
export function openEvents(path: string, runId: string, attempt: number): EventsFile {
  const file = openAppend(path, lastNewline);
  return {
    emit(body) {
      const time = new Date().toISOString();
      const event: RunEvent = { schema: 1, run_id: runId, attempt, time, ...body };
      file.append(`${JSON.stringify(event)}\n`);
      return event;
    },
    size: () => file.size(),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

/** An event, or undefined where the line is none that this version knows. */
export function parseEvent(line: string): RunEvent | undefined {
  try {
    const parsed = RunEvent.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** All events so far; the torn end of a living or killed writer is passed over. */
export function readEvents(path: string): RunEvent[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole.split('\n').flatMap((line) => parseEvent(line) ?? []);
}

export type FollowOptions = {
  /** Byte to start from: the length of what is already known. */
  readonly from?: number;
  /** Milliseconds between looks where the system does not tell of changes. */
  readonly every?: number;
};

/** Events as they come, until `signal` says enough; the file may appear later. What stands there at that moment is still given. */
export async function* followEvents(
  path: string,
  signal: AbortSignal,
  options: FollowOptions = {},
): AsyncGenerator<RunEvent, void, undefined> {
  for await (const line of followLines(path, signal, options)) {
    const event = parseEvent(line);
    if (event) yield event;
  }
}

/** Whole lines of a file that another process appends to. */
export async function* followLines(
  path: string,
  signal: AbortSignal,
  { from = 0, every = 250 }: FollowOptions = {},
): AsyncGenerator<string, void, undefined> {
  const changes = watchChanges(path, signal, every);
  // Only whole lines are taken for read, so that a writer who cuts a torn one off takes nothing from us.
  let known = from;
  try {
    for (;;) {
      const last = signal.aborted;
      let more: { lines: string[]; next: number };
      do {
        more = readLines(path, known);
        known = more.next;
        yield* more.lines;
      } while (more.lines.length > 0);
      if (last) return;
      await changes.next();
    }
  } finally {
    changes.close();
  }
}

const pieceSize = 1 << 20;

/** The whole lines from byte `from` on, one piece of the file at most, and where they end. */
function readLines(path: string, from: number): { lines: string[]; next: number } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return { lines: [], next: from };
  }
  try {
    const size = fstatSync(fd).size;
    // Shorter than what was read: another file took its place.
    const start = size < from ? 0 : from;
    let bytes = Buffer.alloc(Math.min(pieceSize, size - start));
    let count = readSync(fd, bytes, 0, bytes.length, start);
    let end = bytes.subarray(0, count).lastIndexOf(10) + 1;
    if (end === 0 && size - start > pieceSize) {
      bytes = Buffer.alloc(size - start);
      count = readSync(fd, bytes, 0, bytes.length, start);
      end = bytes.subarray(0, count).lastIndexOf(10) + 1;
    }
    if (end === 0) return { lines: [], next: start };
    const text = bytes.toString('utf8', 0, end - 1);
    return { lines: text.split('\n'), next: start + end };
  } finally {
    closeSync(fd);
  }
}

/** Waits for a change near `path`, at most `every` milliseconds: some file systems tell of none. */
function watchChanges(path: string, signal: AbortSignal, every: number) {
  let wake: (() => void) | undefined;
  let changed = false;
  const notice = (): void => {
    changed = true;
    wake?.();
  };
  let watcher: ReturnType<typeof watch> | undefined;
  const open = (): void => {
    try {
      watcher = watch(dirname(path), { persistent: false }, notice);
      watcher.on('error', () => watcher?.close());
    } catch {
      // The folder is not there yet, or cannot be watched: polling does.
    }
  };
  open();
  signal.addEventListener('abort', notice);
  return {
    async next(): Promise<void> {
      if (!watcher) open();
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, every);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      wake = undefined;
      changed = false;
    },
    close() {
      watcher?.close();
      signal.removeEventListener('abort', notice);
    },
  };
}
