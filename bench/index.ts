/**
 * @file `npm run bench`: every question, one after the other, each in its own process, with the machine's facts.
 *
 * `npm run bench -- [NAME …] [--keep] [--model DIR] [--llamafactory PYTHON]`; `--keep` writes the figures to
 * bench/results/, and later runs show them beside their own. The last two are for bench/data.ts, which says what they are.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBytes } from '../src/core/units.ts';
import { cpuName, instructionSet } from '../src/native/machine.ts';
import { figureOf, line } from './report.ts';

const questions: Readonly<Record<string, readonly string[]>> = {
  tokenizer: ['tokenizer.ts'],
  'training-step': ['training-step.ts'],
  'training-step-bf16': ['training-step.ts', '--bf16'],
  'start-up': ['start-up.ts'],
  data: ['data.ts', '--large'],
};

const { values, positionals } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    model: { type: 'string' },
    llamafactory: { type: 'string' },
  },
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
  kernels: instructionSet(),
};
console.log(`${Object.values(machine).join(' · ')} · load ${loadavg()[0].toFixed(1)}`);

const resultFile = fileURLToPath(new URL('results/latest.json', import.meta.url));
type Results = { readonly machine: typeof machine; readonly figures: Record<string, number> };
const kept: Results | undefined = existsSync(resultFile)
  ? JSON.parse(readFileSync(resultFile, 'utf8'))
  : undefined;
if (kept && kept.machine.cpu !== machine.cpu)
  console.log(`kept figures are of ${kept.machine.cpu}`);

const figures: Record<string, number> = {};
let failed = false;
for (const name of positionals.length > 0 ? positionals : Object.keys(questions)) {
  console.log(`\n${name}`);
  const [script, ...args] = questions[name];
  for (const option of name === 'data' ? (['model', 'llamafactory'] as const) : []) {
    if (values[option] !== undefined) args.push(`--${option}`, values[option]);
  }
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL(script, import.meta.url)), ...args],
    { encoding: 'utf8', env: { ...process.env, TUNERY_BENCH: '1' }, maxBuffer: 1 << 26 },
  );
  for (const text of stdout.trimEnd().split('\n')) {
    const figure = figureOf(text);
    if (figure) figures[figure.name] = figure.value;
    console.log(figure ? line(figure, kept?.figures[figure.name]) : text);
  }
  if (status !== 0) {
    failed = true;
    console.error(stderr);
  }
}
if (values.keep && !failed) {
  writeFileSync(
    resultFile,
    `${JSON.stringify({ machine, figures: { ...kept?.figures, ...figures } }, null, 2)}\n`,
  );
}
if (failed) process.exit(1);
