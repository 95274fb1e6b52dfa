/**
 * @file Training beside peers, on the same rows from the same weights, in turn: LLaMA-Factory 0.9.5, and a careful loop
 * of transformers and PEFT. One command sets their environments up and runs them.
 *
 * `node bench/peers.ts FOLDER [CONTESTANT …] [--steps 20] [--warmup 2] [--rounds 3] [--python NAME=PYTHON …] [--prefix COMMAND]`
 * `node bench/peers.ts FOLDER --set-up [NAME …]`
 *
 * FOLDER holds the environments (llamafactory, transformers, llama-cpp: several GB each), the base as Hugging Face has it,
 * and one initial adapter for all, whose B is not zero. `--python` names an environment that is there already. Where no
 * contestant is named, all are run, but for those of Tunery that have no peer; A B A B, each in a process of its own.
 * A figure is refused where tokens, targets or losses of any step are not those of Tunery in f32 within the tolerance
 * that is printed, or where a gradient norm is zero. In rows the peers pad; tokens a second are real ones for all.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { smollm2 } from './job.ts';
import { prepareArena, runContestant, stepsOfContestant } from './peers/contest.ts';
import { contestants, referenceOf } from './peers/contestants.ts';
import {
  type EnvironmentName,
  environmentNames,
  isEnvironment,
  setUp,
} from './peers/environments.ts';
import { faultsOf } from './peers/verdict.ts';
import { report, table } from './report.ts';
import { type Measured, middleOf, residuals } from './steps.ts';

const { values, positionals } = parseArgs({
  options: {
    'set-up': { type: 'boolean', default: false },
    python: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: '20' },
    warmup: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    model: { type: 'string', default: smollm2 },
    prefix: { type: 'string', default: '' },
    json: { type: 'string' },
  },
  allowPositionals: true,
});
const [place, ...asked] = positionals;
if (place === undefined) throw new Error('say in which folder the environments of the peers lie');
const folder = resolve(place);

if (values['set-up']) {
  for (const name of asked.length > 0 ? asked : environmentNames) {
    if (!isEnvironment(name)) throw new Error(`no such environment: ${name}`);
    console.log(`${name}: ${setUp(name, folder)}`);
  }
} else {
  await contest(asked);
}

async function contest(given: readonly string[]): Promise<void> {
  const pythons = new Map(values.python.map((text) => text.split('=', 2) as [string, string]));
  const pythonOf = (name: EnvironmentName): string => pythons.get(name) ?? setUp(name, folder);
  const length = { steps: Number(values.steps), warmup: Number(values.warmup) };
  const prefix = values.prefix.split(' ').filter((word) => word !== '');

  const unknown = given.filter((name) => !Object.hasOwn(contestants, name));
  if (unknown.length > 0) {
    throw new Error(
      `no such contestant: ${unknown.join(', ')}; there are ${Object.keys(contestants).join(', ')}`,
    );
  }
  const named = given.length > 0 ? given : Object.keys(contestants);
  const names = [...new Set([...named.map((name) => referenceOf(contestants[name])), ...named])];
  for (const { by } of names.map((name) => contestants[name])) if (by !== 'tunery') pythonOf(by);
  const arena = await prepareArena(values.model, { folder, length, prefix, pythonOf });
  for (const name of names) await stepsOfContestant(arena, contestants[name]);

  const rounds = new Map<string, Measured[]>(names.map((name) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const name of names) {
      if (failures.has(name)) continue;
      try {
        const figures = await runContestant(arena, contestants[name]);
        rounds.get(name)?.push(figures);
        console.log(
          `round ${round}: ${name} ${figures.tokensPerSecond.toFixed(1)} tokens/s, ${(figures.peak / 1e9).toFixed(2)} GB, load ${loadavg()[0].toFixed(1)}`,
        );
      } catch (error) {
        failures.set(name, error instanceof Error ? error.message : String(error));
      }
    }
  }

  for (const [name, fault] of failures) console.log(`failed: ${name}: ${fault}`);
  const hasReference = (name: string): boolean => !failures.has(referenceOf(contestants[name]));
  const ran = names.filter((name) => !failures.has(name) && hasReference(name));
  const middle = new Map(ran.map((name) => [name, middleOf(rounds.get(name) ?? [])]));
  const rows = ran.map((name) => {
    const { tolerance, title } = contestants[name];
    const figures = middle.get(name)!;
    const reference = middle.get(referenceOf(contestants[name]))!;
    const faults = (rounds.get(name) ?? []).flatMap((each) =>
      faultsOf(each.steps, reference.steps, tolerance),
    );
    const { most, mean } = residuals(figures.steps, reference.steps);
    return { name, title, figures, faults, most, mean, tolerance };
  });
  const number = (value: number | undefined, digits: number): string =>
    value?.toFixed(digits) ?? '';
  table(
    ['', 'real tokens/s', 'supervised/s', 'GB', 'step 1 after, s', 'loss differs by', 'allowed'],
    rows.map(({ title, figures, faults, most, tolerance }) => [
      title,
      ...(faults.length > 0
        ? ['refused', '', '', '']
        : [
            number(figures.tokensPerSecond, 1),
            number(figures.supervisedPerSecond, 1),
            number(figures.peak / 1e9, 2),
            number(figures.firstStepAfter, 1),
          ]),
      most.toExponential(1),
      tolerance === undefined ? 'other weights' : String(tolerance),
    ]),
  );
  for (const { name, faults } of rows) {
    for (const fault of new Set(faults)) console.log(`refused: ${name}: ${fault}`);
  }
  const sound = rows.filter(({ faults }) => faults.length === 0);
  for (const { name, figures } of sound) {
    report({
      name: `${name}: real tokens a second`,
      value: figures.tokensPerSecond,
      unit: 'tokens/s',
    });
  }
  for (const us of sound.filter(({ name }) => contestants[name].by === 'tunery')) {
    for (const them of sound.filter(({ name }) => contestants[name].by !== 'tunery')) {
      const [ours, theirs] = [contestants[us.name], contestants[them.name]];
      if (ours.trains !== theirs.trains || ours.batches !== theirs.batches) continue;
      report({
        name: `${us.name}, times as fast as ${them.name}`,
        value: us.figures.tokensPerSecond / them.figures.tokensPerSecond,
        unit: '×',
      });
    }
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ length, contestants: rows }, null, 2)}\n`);
  }
  if (sound.length < names.length) process.exitCode = 1;
}
