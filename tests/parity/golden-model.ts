/** @file For tests: the tiny models that PyTorch made, and what a model says of some ids. */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Memory } from '../../src/engine/memory.ts';
import { type CausalLM, documentsContext, namedParameters } from '../../src/engine/nn/index.ts';
import { linear } from '../../src/engine/ops/linear.ts';
import { within } from '../../src/engine/session.ts';
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from '../../src/files/safetensors.ts';
import { families } from '../../src/models/index.ts';
import { adapterConfig } from '../../src/tuning/adapter-files.ts';

const folder = fileURLToPath(new URL('../golden/models/', import.meta.url));

export const goldenCases: readonly string[] = globSync('*.json', { cwd: folder })
  .map((name) => basename(name, '.json'))
  .sort();

type Head = {
  readonly config: Record<string, unknown> & { readonly model_type: string };
  readonly lora: {
    readonly r: number;
    readonly lora_alpha: number;
    readonly target_modules: string[];
  };
};

export function openGolden(name: string) {
  const head: Head = JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'));
  const { tensors } = openSafetensors(`${folder}${name}.safetensors`);
  const floats = (key: string): Float32Array => {
    const tensor = tensors.get(key);
    if (!tensor) throw new Error(`${name} has no ${key}`);
    return new Float32Array(tensor.bytes.slice().buffer);
  };
  const ids = new Int32Array(floats('ids.0').buffer);
  return { ...head, tensors, floats, ids, names: [...tensors.keys()] };
}
export type GoldenModel = ReturnType<typeof openGolden>;

/** The weights of the model as a folder's file would hold them. */
export const modelTensors = ({ tensors }: GoldenModel): TensorToWrite[] =>
  [...tensors]
    .filter(([name]) => !/^(ids|labels|logits|grad|lora)\./.test(name))
    .map(([name, tensor]) => ({ name, ...tensor }));

/** A Hugging Face folder without a tokenizer. */
export function writeGoldenFolder(golden: GoldenModel, target: string): string {
  mkdirSync(target, { recursive: true });
  writeSafetensors(join(target, 'model.safetensors'), modelTensors(golden));
  writeFileSync(join(target, 'config.json'), JSON.stringify(golden.config));
  return target;
}

/** The case's adapter as PEFT saves it; `changes` go into its configuration. */
export function writeGoldenAdapter(
  golden: GoldenModel,
  target: string,
  changes: object = {},
  edit: (tensors: TensorToWrite[]) => TensorToWrite[] = (tensors) => tensors,
): string {
  mkdirSync(target, { recursive: true });
  const { lora, tensors } = golden;
  const stored = [...tensors]
    .filter(([name]) => /^lora\.base_model/.test(name))
    .map(([name, tensor]) => ({ name: name.slice('lora.'.length), ...tensor }));
  writeSafetensors(join(target, 'adapter_model.safetensors'), edit(stored));
  const config = adapterConfig({
    baseModel: 'some/base',
    rank: lora.r,
    alpha: lora.lora_alpha,
    dropout: 0,
    targets: lora.target_modules,
    modulesToSave: [],
  });
  writeFileSync(
    join(target, 'adapter_config.json'),
    JSON.stringify({ ...JSON.parse(config), ...changes }),
  );
  return target;
}

export async function buildGolden(golden: GoldenModel, dtype: 'f32' | 'bf16' = 'f32') {
  const memory = new Memory();
  const family = await families[golden.config.model_type]();
  const model = family.build(family.config.parse(golden.config));
  for (const [weight, parameter] of namedParameters(model.root)) {
    const values = memory.weights.keep(parameter.shape, parameter.shape.length > 1 ? dtype : 'f32');
    const numbers = golden.floats(weight);
    if (values.data instanceof Uint16Array) {
      values.data.set(Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16));
    } else values.data.set(numbers);
    parameter.set(values, false);
  }
  return { memory, family, model };
}

/** [T · V] */
export function logitsOf(model: CausalLM, memory: Memory, ids: Int32Array): Float32Array {
  return within({ memory, tape: null, randomness: null }, () =>
    memory.scope(() => {
      const hidden = model.decoder({ ids }, documentsContext([ids.length]));
      const { weight, bias } = model.head;
      return Float32Array.from(linear([hidden, weight.tensor, bias?.tensor ?? null], null).read());
    }),
  );
}

export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    // Not Math.max alone: a NaN must show.
    if (!(difference <= most)) most = difference;
  }
  return most;
}
