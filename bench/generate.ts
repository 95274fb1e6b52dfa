/**
 * @file Generation beside peers, on the same prompts, in turn: a single stream with weights as a GGUF file has them beside
 * llama.cpp, and a batch of 8 in bf16 beside transformers.
 *
 * `npm run bench -- generate [-- FOLDER [CONTESTANT …]] [--tokens 128] [--rounds 3] [--gguf FILE …]
 * [--hf FOLDER] [--python NAME=PYTHON …] [--prefix COMMAND]`
 *
 * FOLDER holds the peers' environments, made on demand (see bench/peers.ts); without one only Tunery runs. Each round runs every
 * contestant once, in a process of its own, on all cores, with a warm-up before. A `--gguf` file is measured with both;
 * without any it is the quick start's, in Q4_1. `--hf` is the same model as a folder, which transformers
 * needs. Reading the prompt and decoding are timed apart: the first token belongs to the prompt.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { openModel } from '../src/models/source.ts';
import { smollm2 } from './job.ts';
import { type EnvironmentName, setUp } from './peers/environments.ts';
import { median, report, table } from './report.ts';

const { values, positionals } = parseArgs({
  options: {
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    gguf: { type: 'string', multiple: true, default: [] },
    hf: { type: 'string' },
    python: { type: 'string', multiple: true, default: [] },
    prefix: { type: 'string', default: '' },
  },
  allowPositionals: true,
});
const [folder, ...asked] = positionals;
const tokens = Number(values.tokens);
const batch = 8;
const promptTokens = 64;

const Result = z.object({
  prompt_seconds: z.number(),
  decode_seconds: z.number(),
  ids: z.array(z.array(z.int())),
});
type Result = z.infer<typeof Result>;

type Contestant = {
  readonly name: string;
  /** Runs with these are of one model, and their texts can be compared. */
  readonly weights: string;
  readonly by: 'tunery' | EnvironmentName;
  readonly prompts: number;
  readonly job: Readonly<Record<string, unknown>>;
};

const source = await openModel(smollm2);
const ggufs = values.gguf.length > 0 ? values.gguf : [source.path];
const programs: Readonly<Record<Contestant['by'], string>> = {
  tunery: 'generate-tunery.ts',
  'llama-cpp': 'peers/generate_llama.py',
  transformers: 'peers/generate_transformers.py',
  llamafactory: '',
};

const contestants: readonly Contestant[] = [
  ...ggufs.flatMap((gguf): Contestant[] => {
    const weights = basename(gguf, '.gguf').replace(/^.*[.-](?=I?Q\d)/, '');
    const settings = [`model_name_or_path=${gguf}`, 'quantization_method=gguf'];
    return [
      { name: `tunery ${weights}`, weights, by: 'tunery', prompts: 1, job: { settings } },
      { name: `llama.cpp ${weights}`, weights, by: 'llama-cpp', prompts: 1, job: { gguf } },
    ];
  }),
  ...(['bf16', 'f32'] as const).flatMap((dtype): Contestant[] => {
    const model = values.hf ?? smollm2;
    const infer = dtype === 'bf16' ? 'bfloat16' : 'float32';
    const settings = [`model_name_or_path=${model}`, `infer_dtype=${infer}`];
    const shared = { weights: dtype, prompts: batch };
    return [
      { name: `tunery ${dtype} × ${batch}`, by: 'tunery', ...shared, job: { settings } },
      ...(values.hf === undefined
        ? []
        : ([
            {
              name: `transformers ${dtype} × ${batch}`,
              by: 'transformers',
              ...shared,
              job: { model, dtype },
            },
          ] as const)),
    ];
  }),
];

/** Texts of equal length that go different ways. */
function prompts(count: number): number[][] {
  const tokenizer = source.tokenizer();
  const text =
    'The history of the sea is a history of ships, of those who built them and of those who sailed in them. ' +
    'Long before anyone drew a map, fishermen knew the currents, the stars and the birds that fly home at dusk. ';
  const subjects = ['tuna', 'whales', 'harbors', 'storms', 'salt', 'lanterns', 'islands', 'rope'];
  return subjects.slice(0, count).map((subject) => {
    const start = `A page about ${subject}.`;
    return [...tokenizer.encode(`${start} ${text.repeat(3)}`)].slice(0, promptTokens);
  });
}

const pythons = new Map(values.python.map((each) => each.split('=', 2) as [string, string]));
const interpreter = (by: Contestant['by']): string => {
  if (by === 'tunery') return process.execPath;
  return pythons.get(by) ?? setUp(by, folder);
};
const prefix = values.prefix.split(' ').filter((word) => word !== '');
const place = mkdtempSync(join(tmpdir(), 'tunery-generate-'));

function run({ name, by, job, prompts: count }: Contestant): Result {
  const file = join(place, 'job.json');
  writeFileSync(file, JSON.stringify({ ...job, prompts: prompts(count), tokens }));
  const program = fileURLToPath(new URL(programs[by], import.meta.url));
  const [command, ...args] = [...prefix, interpreter(by), program, file];
  const { stdout, stderr, status } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  const line = stdout.split('\n').find((text) => text.startsWith('#generated '));
  if (status !== 0 || line === undefined) throw new Error(`${name}: ${stderr.slice(-2000)}`);
  return Result.parse(JSON.parse(line.slice('#generated '.length)));
}

const chosen = contestants
  .filter(({ by }) => by === 'tunery' || folder !== undefined || pythons.has(by))
  .filter(({ name }) => asked.length === 0 || asked.includes(name));
const results = new Map<string, Result[]>(chosen.map(({ name }) => [name, []]));
try {
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const contestant of chosen) {
      const result = run(contestant);
      results.get(contestant.name)?.push(result);
      const speed = (contestant.prompts * (tokens - 1)) / result.decode_seconds;
      console.log(
        `round ${round}: ${contestant.name} ${speed.toFixed(1)} tokens/s, load ${loadavg()[0].toFixed(1)}`,
      );
    }
  }
} finally {
  rmSync(place, { recursive: true });
}

const figures = chosen.map(({ name, by, weights, prompts: count }) => {
  const all = results.get(name) ?? [];
  const of = (key: 'prompt_seconds' | 'decode_seconds', amount: number): number =>
    amount / median(all.map((result) => result[key]));
  return {
    ...{ name, by, weights, count, ids: all[0].ids },
    prompt: of('prompt_seconds', count * promptTokens),
    decode: of('decode_seconds', count * (tokens - 1)),
  };
});
table(
  ['', 'prompt tokens/s', 'decoded tokens/s'],
  figures.map(({ name, prompt, decode }) => [name, prompt.toFixed(0), decode.toFixed(1)]),
);
for (const { name, decode } of figures) {
  report({ name: `${name}: decoded tokens a second`, value: decode, unit: 'tokens/s' });
}
/** Tokens up to where two texts part. */
const shared = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((id, i) => id !== b[i]);
  return at < 0 ? a.length : at;
};
const peers = figures.filter(({ by }) => by !== 'tunery');
for (const us of figures.filter(({ by }) => by === 'tunery')) {
  for (const them of peers.filter(({ weights }) => weights === us.weights)) {
    const same = us.ids.map((ids, n) => shared(ids, them.ids[n]));
    console.log(`${us.name} and ${them.name}: the same text for ${same.join(', ')} tokens`);
    if (them.by !== 'llama-cpp') continue;
    report({
      name: `${us.name}, times as fast as llama.cpp`,
      value: us.decode / them.decode,
      unit: '×',
      goal: { atLeast: 0.8 },
    });
  }
}
const best = Math.max(...peers.filter(({ by }) => by === 'transformers').map((p) => p.decode));
const ours = figures.find(
  ({ by, weights, count }) => by === 'tunery' && weights === 'bf16' && count > 1,
);
if (ours && best > 0) {
  report({
    name: `${ours.name}, times as fast as transformers at its best`,
    value: ours.decode / best,
    unit: '×',
    goal: { atLeast: 5 },
  });
}
