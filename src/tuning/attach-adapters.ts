/** @file Adapters on a model that only computes: all but the last are folded into the weights, the last stays beside them. */
import type { Memory } from '../engine/memory.ts';
import type { CausalLM } from '../engine/nn/index.ts';
import { Parameter } from '../engine/parameter.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { RawTensor } from '../files/safetensors.ts';
import type { FloatType } from '../kernels/blocks.ts';
import { toBf16, toF32 } from '../kernels/convert.ts';
import { gemm } from '../kernels/gemm.ts';
import {
  floatsOf,
  type PlacedAdapter,
  type PlacedUpdate,
  placeAdapter,
  readAdapter,
} from './peft-adapter.ts';
import { untie } from './tied-head.ts';

export type AttachOptions = {
  readonly memory: Memory;
  /** As the user wrote it, for messages. */
  readonly modelName: string;
};

/**
 * Puts PEFT adapters (folders, or ids in the hub's cache) on a model whose weights are loaded and frozen. In
 * LLaMA-Factory's order: each but the last is merged into the weights, one after the other; the last stays beside
 * them, in f32 whatever the base is. Throws `tuning/no-adapter`, `tuning/adapter-unsupported`, `tuning/adapter-mismatch`.
 */
export function attachAdapters(
  model: CausalLM,
  folders: readonly string[],
  { memory, modelName }: AttachOptions,
): void {
  // Every adapter is checked before the first one changes a weight.
  const placed = folders.map((folder) => placeAdapter(model, readAdapter(folder), modelName));
  for (const [i, adapter] of placed.entries()) {
    if (i < placed.length - 1) mergeAdapter(model, adapter, memory);
    else attachAdapter(model, adapter, memory);
  }
}

/** W += s · B · A in place, and whole weights replaced. */
export function mergeAdapter(model: CausalLM, adapter: PlacedAdapter, memory: Memory): void {
  replaceWeights(model, adapter, memory);
  for (const update of adapter.updates) mergeUpdate(update, memory);
}

function attachAdapter(model: CausalLM, adapter: PlacedAdapter, memory: Memory): void {
  replaceWeights(model, adapter, memory);
  for (const update of adapter.updates) {
    // The head multiplies where its loss or its sampling is: it has no place for an adapter beside it.
    if (update.isHead) mergeUpdate(update, memory);
    else {
      const { linear, scale, purpose } = update;
      const [a, b] = [update.a, update.b].map((half) => frozen(half, memory));
      linear.adapter = { a, b, scale, dropout: 0, purpose };
    }
  }
}

function frozen(stored: RawTensor, memory: Memory): Parameter {
  const parameter = new Parameter(stored.shape);
  const values = memory.weights.keep(stored.shape, 'f32');
  readInto(stored, values);
  parameter.set(values, false);
  return parameter;
}

/** Gives a weight in blocks numbers of its own: blocks are read and never written. */
function inNumbers(parameter: Parameter, memory: Memory): void {
  const { tensor } = parameter;
  if (tensor.dtype !== 'blocks') return;
  const values = memory.weights.keep(parameter.shape, 'f32');
  values.data.set(tensor.read());
  parameter.set(values, false);
  tensor.buffer.release();
}

function mergeUpdate({ linear, a, b, scale }: PlacedUpdate, memory: Memory): void {
  const { inputs, outputs, parts } = linear;
  const [rank] = a.shape;
  inNumbers(parts.weight, memory);
  const { data } = parts.weight.tensor;
  gemm.run(floatsOf(b), floatsOf(a), data, outputs, inputs, rank, false, false, scale, 1, null);
}

/** Gives whole weights their numbers, each as the model holds it. */
function replaceWeights(
  model: CausalLM,
  { weights, keepsHead }: Pick<PlacedAdapter, 'weights' | 'keepsHead'>,
  memory: Memory,
): void {
  if (keepsHead || weights.some(({ unties }) => unties)) untie(model, memory);
  for (const { parameter, unties, tensor } of weights) {
    const own = unties ? model.head.weight : parameter;
    inNumbers(own, memory);
    readInto(tensor, own.tensor);
  }
}

/** Fills a tensor of the engine with stored numbers. */
export function readInto(stored: RawTensor, into: Tensor): void {
  const { data } = into;
  if (data instanceof Float64Array) data.set(floatsOf(stored));
  else if (data instanceof Uint16Array) toBf16.run(floatsOf(stored), data);
  else toF32.run(stored.bytes, stored.dtype as FloatType, data);
}
