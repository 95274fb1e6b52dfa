/** @file What people type, line by line: from a terminal with its editing and its Ctrl+C, or from a pipe. */
import { createInterface } from 'node:readline';

export type Lines = {
  /** The next line; undefined at the end of the input. */
  next(): Promise<string | undefined>;
  /** Shows the prompt again, after something was said in its place. */
  ask(): void;
  close(): void;
};

/**
 * Lines of stdin. With a `prompt` it is a terminal: lines are edited and remembered, and `interrupt` is called at
 * Ctrl+C, with what stands on the line so far (which is cleared).
 */
export function readLines(prompt: string | undefined, interrupt: (typed: string) => void): Lines {
  const { stdin: input, stdout: output } = process;
  const reader = createInterface(prompt === undefined ? { input } : { input, output, prompt });
  const waiting: string[] = [];
  let ended = false;
  let asking = false;
  let wake = (): void => {};
  reader.on('line', (line) => {
    waiting.push(line);
    wake();
  });
  reader.on('close', () => {
    ended = true;
    wake();
  });
  if (prompt !== undefined) {
    reader.on('SIGINT', () => {
      // What is typed while a reply streams stays: the line is shown only when it is asked for.
      if (!asking) return interrupt('');
      const typed = reader.line;
      reader.write(null, { ctrl: true, name: 'e' });
      reader.write(null, { ctrl: true, name: 'u' });
      interrupt(typed);
    });
  }
  return {
    async next() {
      if (waiting.length === 0 && !ended) {
        if (prompt !== undefined) reader.prompt();
        asking = true;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        asking = false;
      }
      return waiting.shift();
    },
    ask: () => reader.prompt(),
    close: () => reader.close(),
  };
}
