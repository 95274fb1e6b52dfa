/**
 * @file `npm run bench`: questions, one after the other, each in its own process, with the machine's facts.
 *
 * `npm run bench -- [NAME …] [--keep] [--json FILE] [-- OPTION …]`. `--keep` writes the figures to bench/results/, and
 * later runs show them beside their own; `--json` writes those of this run to a file. What stands behind a second `--`
 * is handed to the question, whose file says what it takes: `npm run bench -- train -- bf16 --steps 5`. Without a name,
 * all are asked but those that take hours or need something set up.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, release, totalmem } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageVersion } from '../src/cli/version.ts';
import { formatBytes } from '../src/core/units.ts';
import { cpuName, instructionSet } from '../src/native/machine.ts';
import { figureOf, line } from './report.ts';

type Question = {
  /** File in bench/ and its arguments. */
  readonly run: readonly string[];
  /** Asked by its name only. */
  readonly onlyByName?: true;
};

const questions: Readonly<Record<string, Question>> = {
  tokenizer: { run: ['tokenizer.ts'] },
  'torch-engine': { run: ['torch-engine.ts'], onlyByName: true },
  'training-step': { run: ['training-step.ts'] },
  'training-step-bf16': { run: ['training-step.ts', '--bf16'] },
  'start-up': { run: ['start-up.ts'] },
  data: { run: ['data.ts', '--large'] },
  train: { run: ['train.ts'] },
  estimate: { run: ['estimate.ts'], onlyByName: true },
  memory: { run: ['memory.ts'], onlyByName: true },
  scaling: { run: ['scaling.ts'], onlyByName: true },
  kernels: { run: ['kernels.ts', '--large'] },
  generate: { run: ['generate.ts'], onlyByName: true },
  pairs: { run: ['pairs.ts'], onlyByName: true },
  peers: { run: ['peers.ts'], onlyByName: true },
};

const ours = process.argv.slice(2);
const divide = ours.indexOf('--');
const handed = divide < 0 ? [] : ours.splice(divide).slice(1);
const { values, positionals } = parseArgs({
  args: ours,
  options: { keep: { type: 'boolean', default: false }, json: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !Object.hasOwn(questions, name));
if (unknown.length > 0) {
  console.error(
    `no such bench: ${unknown.join(', ')}; there are ${Object.keys(questions).join(', ')}`,
  );
  process.exit(2);
}

const machine = {
  cpu: cpuName(),
  cores: availableParallelism(),
  memory: formatBytes(totalmem()),
  system: `${process.platform} ${release()}`,
  node: process.version,
  tunery: packageVersion(),
  kernels: instructionSet(),
};
const load = loadavg()[0];
console.log(`${Object.values(machine).join(' · ')} · load ${load.toFixed(1)}`);

const resultFile = fileURLToPath(new URL('results/latest.json', import.meta.url));
type Results = { readonly machine: typeof machine; readonly figures: Record<string, number> };
const kept: Results | undefined = existsSync(resultFile)
  ? JSON.parse(readFileSync(resultFile, 'utf8'))
  : undefined;
if (kept && kept.machine.cpu !== machine.cpu)
  console.log(`kept figures are of ${kept.machine.cpu}`);

const figures: Record<string, number> = {};
let failed = false;
const usual = Object.keys(questions).filter((name) => !questions[name].onlyByName);
for (const name of positionals.length > 0 ? positionals : usual) {
  console.log(`\n${name}`);
  const [script, ...args] = questions[name].run;
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(script, import.meta.url)), ...args, ...handed],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TUNERY_BENCH: '1' } },
  );
  const ended = once(child, 'close');
  for await (const text of createInterface({ input: child.stdout })) {
    const figure = figureOf(text);
    if (figure) figures[figure.name] = figure.value;
    console.log(figure ? line(figure, kept?.figures[figure.name]) : text);
  }
  const [status] = await ended;
  if (status !== 0) failed = true;
}
if (values.json !== undefined) {
  const at = new Date().toISOString();
  writeFileSync(values.json, `${JSON.stringify({ at, machine, load, figures }, null, 2)}\n`);
}
if (values.keep && !failed) {
  writeFileSync(
    resultFile,
    `${JSON.stringify({ machine, figures: { ...kept?.figures, ...figures } }, null, 2)}\n`,
  );
}
if (failed) process.exit(1);
