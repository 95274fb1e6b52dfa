/** @file For tests: the program in this process, on words as they are typed; engines are real child processes. */
import { main } from '../../src/cli/main.ts';

export type Ended = { readonly code: number; readonly out: string; readonly err: string };

export async function tunery(...args: readonly string[]): Promise<Ended> {
  let [out, err] = ['', ''];
  const code = await main(args, {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      err += text;
    },
    isTTY: false,
    columns: 100,
  });
  return { code, out, err };
}

/** As above, for what must succeed. */
export async function succeeds(...args: readonly string[]): Promise<Ended> {
  const ended = await tunery(...args);
  if (ended.code !== 0) throw new Error(`tunery ${args.join(' ')}: ${ended.code}\n${ended.err}`);
  return ended;
}
