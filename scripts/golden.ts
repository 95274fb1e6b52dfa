/**
 * @file `npm run golden -- <name> [arguments]`: makes the golden files anew, or checks ours, with the oracle's Python.
 * tests/golden/README.md lists the names. The Python is `--python PATH` or `TUNERY_ORACLE_PYTHON`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const golden = fileURLToPath(new URL('../tests/golden', import.meta.url));
const identity = fileURLToPath(new URL('../data/identity.json', import.meta.url));
const texts = fileURLToPath(new URL('../data/c4_demo.jsonl', import.meta.url));
const out = (...parts: readonly string[]) => join(golden, ...parts);

type Step = readonly [script: string, ...args: string[]];

/** What needs the real model: its Hugging Face folder, the steps, a seeded adapter, then the references. */
function smollm2(gguf: string, work: string): Step[] {
  const [model, adapter] = [join(work, 'smollm2'), join(work, 'adapter')];
  const batches = (steps: number) => join(work, `${steps}.jsonl`);
  const run = (mode: string, steps: number, ...args: string[]): Step => [
    'trajectory.py',
    ...[model, batches(steps), out('trajectory', `${mode}-${steps}.json`), '--mode', mode],
    ...(mode === 'lora' ? ['--adapter', adapter, '--lr', '1e-4'] : ['--lr', '2e-5']),
    ...args,
  ];
  const slice = (steps: number): Step => [
    'slice.py',
    ...[model, identity, batches(steps), '--steps', String(steps)],
  ];
  return [
    ['smollm2_folder.py', gguf, model],
    slice(10),
    slice(50),
    ['adapter.py', model, adapter],
    run('lora', 10, '--weight-decay', '0.01'),
    run('full', 10, '--weight-decay', '0.01'),
    run('lora', 50),
    run('full', 50),
    ['base.py', model, out('trajectory', 'base.json')],
    ['base.py', model, out('trajectory', 'adapted.json'), '--adapter', adapter],
  ];
}

function stop(message: string): never {
  console.error(message);
  process.exit(1);
}

/** Takes `--key value` out of the arguments, whatever their order. */
function take(args: string[], key: string): string | undefined {
  const at = args.indexOf(key);
  return at < 0 ? undefined : args.splice(at, 2)[1];
}

function stepsOf(name: string, args: string[]): readonly Step[] {
  const [group, part] = name.split('/');
  if (group === 'schedules') return [['schedules.py', out('schedules.json')]];
  if (group === 'sentencepiece') {
    return [['sentencepiece_models.py', '--text', texts, '--out', out('tokenizer')]];
  }
  if (group === 'rows') return [['rows.py', out('rows')]];
  if (group === 'dataset_files') return [['dataset_files.py', out('dataset-files.json')]];
  if (group === 'optim' || group === 'optim8') return [[`${group}.py`, out(group)]];
  if (group === 'models') return [['models.py', out('models'), ...(part ? [part] : []), ...args]];
  if (group === 'smollm2') {
    const gguf = take(args, '--gguf');
    if (!gguf) stop('smollm2 needs --gguf SmolLM2-135M-Instruct.Q4_1.gguf');
    const work = take(args, '--work') ?? join(tmpdir(), 'tunery-golden');
    mkdirSync(work, { recursive: true });
    return smollm2(gguf, work);
  }
  return [[`${name}.py`, ...args]];
}

const args = process.argv.slice(2);
const python = take(args, '--python') ?? process.env['TUNERY_ORACLE_PYTHON'];
const name = args.shift();
/** Modules of the scripts. */
const parts = ['llamafactory_source', 'reference'];
const scripts = globSync('*.py', { cwd: golden }).map((file) => basename(file, '.py'));
const names = ['smollm2', ...scripts.filter((script) => !parts.includes(script))].sort();
if (!name || !names.includes(name.split('/')[0])) {
  stop(`usage: npm run golden -- NAME [arguments]\nNAME is one of: ${names.join(', ')}`);
}
if (!python || !existsSync(python)) {
  stop(
    `${python ? `no Python at ${python}` : 'no Python given'}: --python PATH, or TUNERY_ORACLE_PYTHON=PATH\n` +
      'make one: python3 -m venv .venv && .venv/bin/pip install -r tests/golden/requirements.txt',
  );
}
// The references load what lies here, and nothing from a hub.
const env = { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' };
for (const [script, ...rest] of stepsOf(name, args)) {
  console.log(`${script} ${rest.join(' ')}`);
  const { status } = spawnSync(python, [out(script), ...rest], { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
