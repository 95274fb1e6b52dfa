/**
 * @file What each way to save memory saves here, by class, and what it costs in speed: LLaMA-Factory's well-known table,
 * measured on SmolLM2-135M and on a random model of the shape of a 0.5B one, and reckoned for n ranks of ZeRO.
 *
 * `node bench/memory.ts [small] [large] [--steps 3] [--prefix COMMAND]`. The measure is full fine-tuning in f32 that
 * keeps all activations.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memoryClasses } from '../src/engine/memory.ts';
import { type Settings, type Trained, trained } from './account.ts';
import { jobSettings, smollm2, writeRows } from './job.ts';

const { values, positionals } = parseArgs({
  options: {
    steps: { type: 'string', default: '3' },
    prefix: { type: 'string', default: '' },
  },
  allowPositionals: true,
});

/** Qwen2.5-0.5B's shape, its vocabulary left at a third: so many logits would hide the rest. */
const halfBillion =
  'random:llama?hidden_size=896&intermediate_size=4864&num_hidden_layers=24&num_attention_heads=14&num_key_value_heads=2&vocab_size=50000&tie_word_embeddings=true';
const models: Readonly<Record<string, { readonly title: string; readonly path: string }>> = {
  small: { title: 'SmolLM2-135M', path: smollm2 },
  large: { title: 'random, of the shape of a 0.5B model', path: halfBillion },
};

const keepsAll = { gradient_checkpointing: false };
const lora = { finetuning_type: 'lora', lora_rank: 8, learning_rate: 1e-4 };
const full = { finetuning_type: 'full', learning_rate: 2e-5 };
const ways: Readonly<Record<string, Settings>> = {
  'full, f32': { ...full, ...keepsAll },
  'full, bf16': { ...full, ...keepsAll, bf16: true },
  'full, checkpointing': { ...full, gradient_checkpointing: true },
  'full, selective': { ...full, gradient_checkpointing: 'selective' },
  LoRA: { ...lora, ...keepsAll },
  'LoRA, bf16': { ...lora, ...keepsAll, bf16: true },
  'LoRA, bf16, selective': { ...lora, bf16: true, gradient_checkpointing: 'selective' },
  'QLoRA, NF4, bf16': { ...lora, ...keepsAll, bf16: true, quantization_bit: 4 },
  'QLoRA, selective': {
    ...{ ...lora, bf16: true, quantization_bit: 4, double_quantization: true },
    gradient_checkpointing: 'selective',
  },
};

/** The table's claims: the way that is held against the measure, what it is said to save, and to cost in speed. */
const claims: readonly {
  readonly name: string;
  readonly way: string;
  readonly against: string;
  readonly saves: number;
  readonly speed: readonly [atLeast: number, said: string];
}[] = [
  { name: 'LoRA', way: 'LoRA', against: 'full, f32', saves: 0.9, speed: [0.95, 'almost none'] },
  {
    name: 'QLoRA',
    way: 'QLoRA, selective',
    against: 'full, f32',
    saves: 0.95,
    speed: [0.8, 'a little slower'],
  },
  {
    name: 'gradient checkpointing',
    way: 'full, checkpointing',
    against: 'full, f32',
    saves: 0.5,
    speed: [0.8, 'a little slower'],
  },
  {
    name: 'mixed precision',
    way: 'full, bf16',
    against: 'full, f32',
    saves: 0.5,
    speed: [1.5, '1.5 times as fast'],
  },
];

const shown = [...memoryClasses.filter((name) => name !== 'cache' && name !== 'packed'), 'process'];
/** Weights in blocks are weights. */
const ofKind = ({ kinds }: Trained, kind: string): number =>
  (kinds[kind] ?? 0) + (kind === 'weights' ? (kinds['packed'] ?? 0) : 0);
const megabytes = (bytes: number): string => Math.round(bytes / 1e6).toLocaleString('en');
const percent = (share: number): string => `${Math.round(100 * share)} %`;

function show(title: string, results: ReadonlyMap<string, Trained>): void {
  const measure = results.get('full, f32');
  if (!measure) throw new Error('nothing to hold the others against');
  const row = (name: string, cells: readonly string[]): void =>
    console.log(name.padEnd(24) + cells.map((cell) => cell.padStart(13)).join(''));
  console.log(`\n${title}, MB at the peak`);
  row('', [...shown, 'all', 'saved', 'tokens/s', 'speed']);
  for (const [name, trained] of results) {
    const { memory, tokensPerSecond } = trained;
    row(name, [
      ...shown.map((kind) => megabytes(ofKind(trained, kind))),
      megabytes(memory),
      percent(1 - memory / measure.memory),
      tokensPerSecond.toPrecision(3),
      `${(tokensPerSecond / measure.tokensPerSecond).toFixed(2)} ×`,
    ]);
  }
  zero(measure);
  console.log('\nthe claims, on this model');
  for (const { name, way, against, saves, speed } of claims) {
    const [one, other] = [results.get(way), results.get(against)];
    if (!one || !other) continue;
    const saved = 1 - one.memory / other.memory;
    const ratio = one.tokensPerSecond / other.tokensPerSecond;
    // What no way to tune can save: Node, and activations that every one of them needs.
    const model = ['weights', 'trainable', 'gradients', 'optimizer'];
    const of = (trained: Trained): number =>
      model.reduce((sum, kind) => sum + ofKind(trained, kind), 0);
    console.log(
      `  ${name}: said to save ${percent(saves)}; saves ${percent(saved)} of all, ${percent(1 - of(one) / of(other))} of weights, gradients and optimizer (${saved >= saves ? 'holds' : 'does not hold here'}). Said to be ${speed[1]}: ${ratio.toFixed(2)} times the speed (${ratio >= speed[0] ? 'holds' : 'does not hold here'}).`,
    );
  }
}

/** ZeRO (Rajbhandari et al. 2020, arXiv:1910.02054), reckoned: stage 1 divides the optimizer, 2 the gradients too, 3 all. */
function zero({ kinds, memory }: Trained): void {
  const stages = [
    ['optimizer'],
    ['optimizer', 'gradients'],
    ['optimizer', 'gradients', 'trainable'],
  ];
  console.log('\nZeRO, reckoned from full, f32: MB of one rank (saved)');
  for (const ranks of [2, 4, 8]) {
    const cells = stages.map((divided) => {
      const parts = divided.reduce((sum, kind) => sum + (kinds[kind] ?? 0), 0);
      const left = memory - parts + parts / ranks;
      return `${megabytes(left)} (${percent(1 - left / memory)})`.padStart(18);
    });
    console.log(`  ${ranks} ranks${cells.join('')}`);
  }
}

const length = { steps: Number(values.steps) - 1, warmup: 1 };
const prefix = values.prefix.split(' ').filter((word) => word !== '');
const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-memory-'));
try {
  const dataset = writeRows(folder, 'rows', length);
  for (const name of positionals.length > 0 ? positionals : Object.keys(models)) {
    const { title, path } = models[name];
    const results = new Map<string, Trained>();
    for (const [way, settings] of Object.entries(ways)) {
      const all = {
        dataset,
        ...jobSettings('rows', length),
        model_name_or_path: path,
        ...settings,
      };
      results.set(way, await trained(all, { cwd: folder, prefix }));
    }
    show(title, results);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
