/**
 * @file How fast, and in how much memory, a large data set becomes ids and labels; beside LLaMA-Factory in the same run.
 *
 * `node bench/data.ts [--model MODEL] [--file ROWS.json] [--rows 200000] [--large] [--llamafactory PYTHON]`
 *
 * The rows of the file are repeated until there are so many. Both sides get two workers, a cold cache, the same
 * tokenizer and template, and must give the same ids and labels. `--large` prepares five times as many rows too: memory
 * must not follow them. PYTHON is that of an environment with LLaMA-Factory 0.9.5, for which MODEL must be a folder with
 * its `tokenizer.json`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { report } from './report.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'HuggingFaceTB/SmolLM2-135M-Instruct' },
    file: { type: 'string', default: here('../data/alpaca_en_demo.json') },
    rows: { type: 'string', default: '200000' },
    large: { type: 'boolean', default: false },
    llamafactory: { type: 'string' },
  },
});
const { model } = values;
const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-data-'));

async function writeRows(count: number): Promise<string> {
  const rows = z.array(z.unknown()).parse(JSON.parse(readFileSync(values.file, 'utf8')));
  const texts = rows.map((row) => JSON.stringify(row));
  const path = join(folder, `rows-${count}.json`);
  const out = createWriteStream(path);
  out.write('[\n');
  for (let i = 0; i < count; i++) {
    const more = out.write(`${texts[i % texts.length]}${i + 1 < count ? ',' : ''}\n`);
    if (!more) await once(out, 'drain');
  }
  out.end(']\n');
  await once(out, 'finish');
  // The digest of a file that has just changed is not remembered.
  await sleep(3000);
  return path;
}

const Done = z.object({
  seconds: z.number(),
  rows: z.int(),
  tokens: z.int(),
  digest: z.string(),
});
type Measured = z.infer<typeof Done> & {
  /** Largest sum of the resident memory of all its processes while it prepared, in MB. */
  readonly peak: number;
};

/** Runs one side. It prints `prepared` when the rows are ready, and what came of them when it has read them. */
async function measure(program: string, args: readonly string[]): Promise<Measured> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let peak = 0;
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentOf(child.pid ?? 0));
  }, 50);
  let done: z.infer<typeof Done> | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === '#prepared') clearInterval(sampling);
    if (line.startsWith('#done ')) done = Done.parse(JSON.parse(line.slice(6)));
  }
  clearInterval(sampling);
  if (!done) throw new Error(`${program} ${args.join(' ')} ended before it was done`);
  return { ...done, peak };
}

/** MB of a process and all below it (Linux). */
function residentOf(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /^PPid:\s*(\d+)/m.exec(statusOf(name))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isOurs = (each: number): boolean =>
    each === pid || (each > 1 && isOurs(parents.get(each) ?? 0));
  const resident = (each: number): number =>
    Number(/^VmRSS:\s*(\d+) kB/m.exec(statusOf(String(each)))?.[1] ?? 0);
  return [...parents.keys()].filter(isOurs).reduce((sum, each) => sum + resident(each), 0) / 1000;
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

const ours = (rows: string, cache: string): Promise<Measured> =>
  measure(process.execPath, [here('data-prepare.ts'), model, rows, join(folder, cache)]);

try {
  const count = Number(values.rows);
  const rows = await writeRows(count);
  const cold = await ours(rows, 'cache');
  report({
    name: 'rows prepared a second, two threads, cold',
    value: cold.rows / cold.seconds,
    unit: '1/s',
  });
  report({ name: 'tokens prepared a second', value: cold.tokens / cold.seconds, unit: '1/s' });
  report({ name: 'peak memory, preparing', value: cold.peak, unit: 'MB', goal: { atMost: 600 } });
  const warm = await ours(rows, 'cache');
  report({
    name: 'warm start of prepared rows',
    value: warm.seconds,
    unit: 's',
    goal: { atMost: 0.5 },
  });
  if (values.large) {
    const large = await ours(await writeRows(5 * count), 'large');
    report({
      name: `peak memory of ${5 * count} rows, beside ${count}`,
      value: large.peak / cold.peak,
      unit: '×',
      goal: { atMost: 1.1 },
    });
  }
  if (values.llamafactory !== undefined) {
    const args = [here('data_llamafactory.py'), model, rows, join(folder, 'hf')];
    const theirs = await measure(values.llamafactory, args);
    report({
      name: 'LLaMA-Factory, rows a second',
      value: theirs.rows / theirs.seconds,
      unit: '1/s',
    });
    report({ name: 'LLaMA-Factory, peak memory', value: theirs.peak, unit: 'MB' });
    report({
      name: 'preparing, times as fast as LLaMA-Factory',
      value: theirs.seconds / cold.seconds,
      unit: '×',
      goal: { atLeast: 8 },
    });
    console.log(`ids and labels ${theirs.digest === cold.digest ? 'are equal' : 'DIFFER'}`);
    if (theirs.digest !== cold.digest) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
