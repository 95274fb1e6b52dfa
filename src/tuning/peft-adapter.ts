/** @file A PEFT adapter on the disk, and where each of its weights belongs in a model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hash32 } from '../core/hash.ts';
import { didYouMean } from '../core/suggest.ts';
import {
  type CausalLM,
  isLinear,
  type Linear,
  namedLayers,
  namedParameters,
} from '../engine/nn/index.ts';
import type { Parameter } from '../engine/parameter.ts';
import { digestFile, digestOf } from '../files/digest.ts';
import { type JsonObject, type JsonValue, readJson } from '../files/json.ts';
import { openSafetensors, type RawTensor } from '../files/safetensors.ts';
import type { FloatType } from '../kernels/blocks.ts';
import { toF32 } from '../kernels/convert.ts';
import { adapterMismatch, noAdapter, unsupportedAdapter } from './errors.ts';
import {
  adapterFolder,
  configName,
  configOf,
  isTarget,
  type PeftConfig,
  rankAndScale,
  readPeftConfig,
  weightsName,
} from './peft-config.ts';

/** PEFT's prefix: its own wrapper, and the model's inside it. */
const prefix = 'base_model.model.';
export const peftName = (name: string): string => `${prefix}${name}`;

export type StoredAdapter = {
  readonly folder: string;
  /** Of its weights and its configuration. */
  readonly digest: string;
  readonly config: PeftConfig;
  /** The configuration as it was written, to be written again. */
  readonly raw: JsonObject;
  /** By PEFT's names, mapped. */
  readonly tensors: ReadonlyMap<string, RawTensor>;
};

/** Opens an adapter folder; its weights are mapped, not read. */
export function readAdapter(name: string): StoredAdapter {
  const folder = adapterFolder(name);
  const { config, raw } = readPeftConfig(folder);
  const file = weightsOf(folder);
  const { tensors } = openSafetensors(file);
  return { folder, digest: digestOfAdapter(raw, file), config, raw, tensors };
}

const digestOfAdapter = (raw: JsonValue, weights: string): string =>
  digestOf('lora', JSON.stringify(raw), digestFile(weights));

/** What `readAdapter` calls the digest, of an adapter of any kind. */
export function adapterDigest(name: string): string {
  const folder = adapterForPeft(name);
  return digestOfAdapter(readJson(configOf(folder)), weightsOf(folder));
}

/** The folder of an adapter that PEFT itself is to read: of what kind it is, is PEFT's to say. */
export function adapterForPeft(name: string): string {
  const folder = adapterFolder(name);
  configOf(folder);
  weightsOf(folder);
  return folder;
}

function weightsOf(folder: string): string {
  const file = join(folder, weightsName);
  if (existsSync(file)) return file;
  if (existsSync(join(folder, 'adapter_model.bin'))) {
    throw unsupportedAdapter(
      join(folder, 'adapter_model.bin'),
      configName,
      'its weights are a pickled file, which could run code',
      `save it as ${weightsName}: \`PeftModel.save_pretrained(folder, safe_serialization=True)\``,
    );
  }
  throw noAdapter(folder, `it has no ${weightsName}`);
}

/** A stored low-rank update in its place. */
export type PlacedUpdate = {
  /** The module's name in the checkpoint. */
  readonly module: string;
  readonly linear: Linear;
  readonly isHead: boolean;
  /** [R, in] */
  readonly a: RawTensor;
  /** [out, R] */
  readonly b: RawTensor;
  readonly scale: number;
  /** What its dropout draws are known by. */
  readonly purpose: number;
};

/** A weight that the adapter holds whole (`modules_to_save`). */
export type PlacedWeight = {
  /** Its name in the checkpoint. A head that is tied to the embedding has none there, and gets one. */
  readonly name: string;
  readonly parameter: Parameter;
  /** Set where the adapter gives a tied head weights of its own. */
  readonly unties: boolean;
  readonly tensor: RawTensor;
};

export type PlacedAdapter = {
  readonly stored: StoredAdapter;
  readonly updates: readonly PlacedUpdate[];
  readonly weights: readonly PlacedWeight[];
  /** The head of a tied model keeps the base's weight while its embedding is replaced. */
  readonly keepsHead: boolean;
};

const floats: readonly string[] = ['F32', 'F16', 'BF16'];
const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
const updateName = /^(.+)\.lora_([AB])\.weight$/;

/**
 * Finds every weight's place in the model, by names and shapes alone. Throws `tuning/adapter-mismatch` where one
 * has none, or a module that the configuration names has no weight.
 */
export function placeAdapter(
  model: CausalLM,
  stored: StoredAdapter,
  modelName: string,
): PlacedAdapter {
  const { config, folder } = stored;
  const mismatch = (key: string, what: string): Error =>
    adapterMismatch(folder, key, modelName, config.base_model_name_or_path, what);
  const layers = [...namedLayers(model.root)];
  const linears = new Map(layers.filter((entry): entry is [string, Linear] => isLinear(entry[1])));
  const parameters = new Map(namedParameters(model.root));
  const isHead = (linear: Linear): boolean => linear === (model.head as unknown);
  const isTied = ![...linears.values()].some(isHead);

  const tiesBoth = config.ensure_weight_tying && !config.modules_to_save?.includes('lm_head');

  const halves = new Map<string, { A?: RawTensor; B?: RawTensor }>();
  const weights: PlacedWeight[] = [];
  for (const [key, tensor] of stored.tensors) {
    if (!floats.includes(tensor.dtype)) {
      throw unsupportedAdapter(
        join(folder, weightsName),
        key,
        `it is stored as ${tensor.dtype}`,
        'save it as F32, F16 or BF16',
      );
    }
    if (!key.startsWith(prefix))
      throw mismatch(key, 'the weight’s name is not one that PEFT gives');
    const name = key.slice(prefix.length);
    const match = updateName.exec(name);
    if (match) {
      const [, module, half] = match;
      halves.set(module, { ...halves.get(module), [half]: tensor });
      continue;
    }
    if (/\.lora_embedding_[AB]$|\.base_layer\./.test(name)) {
      throw unsupportedAdapter(
        join(folder, weightsName),
        key,
        'it adapts the embedding',
        'merge it into its base with PEFT (`merge_and_unload()`), and use the merged model here',
      );
    }
    const parameter =
      parameters.get(name) ?? (isTied && name === 'lm_head.weight' ? model.head.weight : undefined);
    if (!parameter) {
      throw mismatch(
        key,
        `the model has no weight \`${name}\`${didYouMean(name, parameters.keys())}`,
      );
    }
    if (parameter.shape.join() !== tensor.shape.join()) {
      throw mismatch(
        key,
        `its shape is ${shapeText(tensor.shape)}, and the model’s \`${name}\` is ${shapeText(parameter.shape)}`,
      );
    }
    const unties = !parameters.has(name);
    // PEFT writes a tied embedding under both names.
    if (unties && tiesBoth) continue;
    weights.push({ name, parameter, unties, tensor });
  }

  const updates = [...halves].map(([module, { A: a, B: b }]): PlacedUpdate => {
    const linear = linears.get(module);
    const key = peftName(`${module}.lora_A.weight`);
    if (!linear) {
      throw mismatch(
        key,
        `the model has no linear layer \`${module}\`${didYouMean(module, linears.keys())}`,
      );
    }
    if (!a || !b)
      throw mismatch(key, `\`${module}\` has only one half of its update, lora_${a ? 'A' : 'B'}`);
    const { rank, scale } = rankAndScale(config, module);
    const { inputs, outputs } = linear;
    if (a.shape.join() !== [rank, inputs].join()) {
      throw mismatch(
        key,
        `lora_A of \`${module}\` is ${shapeText(a.shape)}, and rank ${rank} on ${inputs} inputs asks for ${shapeText([rank, inputs])}`,
      );
    }
    if (b.shape.join() !== [outputs, rank].join()) {
      throw mismatch(
        peftName(`${module}.lora_B.weight`),
        `lora_B of \`${module}\` is ${shapeText(b.shape)}, and ${outputs} outputs at rank ${rank} ask for ${shapeText([outputs, rank])}`,
      );
    }
    return { module, linear, isHead: isHead(linear), a, b, scale, purpose: hash32(module) };
  });

  for (const [module, linear] of linears) {
    if (isTarget(config, module, isHead(linear)) && !halves.has(module)) {
      throw mismatch(
        peftName(`${module}.lora_A.weight`),
        `\`target_modules\` means \`${module}\`, and ${weightsName} has nothing for it`,
      );
    }
  }
  for (const saved of config.modules_to_save ?? []) {
    const found = weights.some(({ name }) =>
      new RegExp(`(^|\\.)${RegExp.escape(saved)}(\\.|$)`).test(name),
    );
    if (!found)
      throw mismatch(
        peftName(saved),
        `\`modules_to_save\` names \`${saved}\`, and ${weightsName} does not have it`,
      );
  }
  if (updates.length === 0 && weights.length === 0) throw mismatch('lora_A', 'it holds no weights');
  const replacesTied = weights.some(
    ({ parameter, unties }) => parameter === model.head.weight && !unties,
  );
  const keepsHead =
    isTied && replacesTied && !weights.some(({ unties }) => unties) && !config.ensure_weight_tying;
  return {
    stored,
    updates: updates.sort((x, y) => (x.module < y.module ? -1 : 1)),
    weights,
    keepsHead,
  };
}

/** The stored numbers as f32. */
export function floatsOf({ bytes, dtype, shape }: RawTensor): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  toF32.run(bytes, dtype as FloatType, values);
  return values;
}
