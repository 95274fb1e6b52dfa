/** @file Training that goes on with an adapter: the last one given keeps learning, those before it are merged first. */
import { join } from 'node:path';
import type { CausalLM } from '../engine/nn/index.ts';
import { Parameter } from '../engine/parameter.ts';
import type { RawTensor } from '../files/safetensors.ts';
import { mergeAdapter, readInto } from './attach-adapters.ts';
import { unsupportedAdapter } from './errors.ts';
import { shortName } from './module-names.ts';
import { type PlacedAdapter, peftName, placeAdapter, type StoredAdapter } from './peft-adapter.ts';
import { configName, weightsName } from './peft-config.ts';
import { thaw } from './thaw.ts';
import { headCopy, untie } from './tied-head.ts';
import type { SavedWeight, Tuned, TuningContext, TuningNote } from './tuning.ts';

/** The trained weights have PEFT's names, so a checkpoint of the run loads as an adapter does. */
export function goOnWith(
  adapters: readonly StoredAdapter[],
  model: CausalLM,
  context: TuningContext,
): Tuned {
  const { settings, memory, baseModel } = context;
  const placed = adapters.map((adapter) => placeAdapter(model, adapter, baseModel));
  for (const earlier of placed.slice(0, -1)) mergeAdapter(model, earlier, memory);
  const last = placed[placed.length - 1];
  const head = last.updates.find(({ isHead }) => isHead);
  if (head) {
    throw unsupportedAdapter(
      join(last.stored.folder, weightsName),
      peftName(`${head.module}.lora_A.weight`),
      'it adapts the head, and training cannot go on with that',
      'merge it first with `tunery export`, and train a new adapter on the result',
    );
  }

  const weights: SavedWeight[] = [];
  const trained = (stored: RawTensor): Parameter => {
    const parameter = new Parameter(stored.shape);
    const values = memory.trainable.keep(stored.shape, 'f32');
    readInto(stored, values);
    parameter.set(values, true);
    return parameter;
  };
  for (const { module, linear, a, b, scale, purpose } of last.updates) {
    const update = { a: trained(a), b: trained(b) };
    linear.adapter = { ...update, scale, dropout: settings.lora_dropout, purpose };
    weights.push({ name: peftName(`${module}.lora_A.weight`), parameter: update.a });
    weights.push({ name: peftName(`${module}.lora_B.weight`), parameter: update.b });
  }
  if (last.keepsHead || last.weights.some(({ unties }) => unties)) untie(model, memory);
  for (const { name, parameter, unties, tensor } of last.weights) {
    const own = unties ? model.head.weight : parameter;
    thaw(own, memory);
    readInto(tensor, own.tensor);
    weights.push({ name: peftName(name), parameter: own });
  }

  const { raw } = last.stored;
  const config = {
    ...raw,
    base_model_name_or_path: baseModel,
    inference_mode: true,
    lora_dropout: settings.lora_dropout,
  };
  return {
    parameters: new Map(weights.map(({ name, parameter }) => [name, parameter])),
    weightsFile: weightsName,
    weights: [...weights, ...headCopy(model, weights)],
    files: { [configName]: `${JSON.stringify(config, null, 2)}\n` },
    notes: [...mergedNote(placed), ...fewerTargetsNote(last, context)],
  };
}

function mergedNote(placed: readonly PlacedAdapter[]): TuningNote[] {
  const earlier = placed.slice(0, -1).map(({ stored }) => stored.folder);
  if (earlier.length === 0) return [];
  const names = earlier.map((folder) => `\`${folder}\``).join(', ');
  return [
    {
      code: 'tuning/merged-first',
      message: `${names} ${earlier.length === 1 ? 'was' : 'were'} merged into the base, and the last adapter goes on learning on top`,
      help: `the result belongs on that merged base: name ${names} before it in \`adapter_name_or_path\`, or export the merged base first`,
    },
  ];
}

/** `all` may mean more than the adapter has. */
function fewerTargetsNote({ updates }: PlacedAdapter, context: TuningContext): TuningNote[] {
  const { settings, adapterTargets } = context;
  const has = new Set(updates.map(({ module }) => shortName(module)));
  const missing = adapterTargets.filter((name) => !has.has(name));
  if (!settings.lora_target.includes('all') || missing.length === 0) return [];
  const list = (names: Iterable<string>): string => [...names].map((n) => `\`${n}\``).join(', ');
  return [
    {
      code: 'tuning/fewer-targets',
      message: `\`lora_target: all\` is set, and the adapter in \`adapter_name_or_path\` has no ${list(missing)}: training goes on with its ${list(has)}`,
      help: 'merge the adapter first with `tunery export` to begin a new one on all layers',
    },
  ];
}
