/** @file The weights of a model with its adapters folded in, W + s · B · A (arXiv:2106.09685, eq. 3), drawn piece by piece. */

import { type CausalLM, namedParameters } from '../engine/nn/index.ts';
import type { RawTensor } from '../files/safetensors.ts';
import { blockSizes, type FloatType } from '../kernels/blocks.ts';
import { dequantize, toBf16, toF16, toF32 } from '../kernels/convert.ts';
import { gemm } from '../kernels/gemm.ts';
import { largestDifference } from '../kernels/reduce.ts';
import type { ModelWeight, ModelWeights } from '../models/weights.ts';
import { elementsOf } from '../models/weights.ts';
import { floatsOf, type PlacedAdapter } from '../tuning/peft-adapter.ts';
import { notFinite } from './errors.ts';
import type { SizedTensor } from './shards.ts';

/** What adapters do to one weight, in their order. */
type Change =
  | { readonly kind: 'replace'; readonly tensor: RawTensor }
  | { readonly kind: 'add'; readonly a: RawTensor; readonly b: RawTensor; readonly scale: number };

type Recipe = {
  readonly name: string;
  /** The weight of the base that it begins as: an untied head begins as the embedding. */
  readonly base: string;
  readonly changes: readonly Change[];
};

export type MergedWeights = {
  readonly tensors: readonly SizedTensor[];
  /** Weights that an adapter changed. */
  readonly changed: number;
  /** Whether the head has a weight of its own now. */
  readonly unties: boolean;
  /** The most that storing moved any number; known once all are drawn. */
  readonly largestError: () => number;
};

/** Elements that are computed at a time. */
const pieceElements = 1 << 22;

const sizes: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** `dtype` undefined keeps each weight's own; what is quantized becomes F32. */
export function mergedWeights(
  model: CausalLM,
  weights: ModelWeights,
  adapters: readonly PlacedAdapter[],
  dtype: FloatType | undefined,
): MergedWeights {
  const { recipes, unties } = recipesOf(model, adapters);
  let largest = 0;
  const report = (name: string, error: number, stored: FloatType): void => {
    if (!Number.isFinite(error)) throw notFinite(name, stored);
    largest = Math.max(largest, error);
  };
  return {
    tensors: recipes.map((recipe): SizedTensor => {
      const weight = weights.get(recipe.base);
      const stored = dtype ?? ownType(weight);
      return {
        name: recipe.name,
        dtype: stored,
        shape: weight.shape,
        size: elementsOf(weight.shape) * sizes[stored],
        bytes: () => piecesOf(weight, recipe, stored, report),
      };
    }),
    changed: recipes.filter(({ changes }) => changes.length > 0).length,
    unties,
    largestError: () => largest,
  };
}

const ownType = ({ type }: ModelWeight): FloatType =>
  type === 'F16' || type === 'BF16' ? type : 'F32';

function recipesOf(
  model: CausalLM,
  adapters: readonly PlacedAdapter[],
): { recipes: readonly Recipe[]; unties: boolean } {
  const parameters = [...namedParameters(model.root)];
  const changes = new Map(parameters.map(([name]) => [name, [] as Change[]]));
  const tiedTo = parameters.find(([, parameter]) => parameter === model.head.weight)?.[0];
  const head = 'lm_head.weight';
  const own = (name: string): Change[] => changes.get(name) ?? [];
  let unties = false;
  for (const { updates, weights, keepsHead } of adapters) {
    if (!unties && (keepsHead || weights.some((each) => each.unties))) {
      unties = true;
      changes.set(head, [...own(tiedTo ?? '')]);
    }
    for (const { name, tensor } of weights) own(name).push({ kind: 'replace', tensor });
    for (const { module, a, b, scale } of updates) {
      own(`${module}.weight`).push({ kind: 'add', a, b, scale });
    }
  }
  const recipes = [...changes].map(([name, list]) => ({
    name,
    base: unties && name === head ? (tiedTo ?? name) : name,
    changes: list,
  }));
  return { recipes, unties };
}

/** Rows in pieces: read or replaced, updated in f32, and rounded once. */
function* piecesOf(
  weight: ModelWeight,
  { name, changes }: Recipe,
  stored: FloatType,
  report: (name: string, error: number, stored: FloatType) => void,
): Generator<Uint8Array> {
  const lastReplaced = changes.findLastIndex(({ kind }) => kind === 'replace');
  const replaced = changes[lastReplaced];
  const given: ReturnType<ModelWeight['stored']> =
    replaced?.kind === 'replace'
      ? { type: replaced.tensor.dtype as FloatType, bytes: replaced.tensor.bytes }
      : weight.stored();
  const added = changes
    .slice(lastReplaced + 1)
    .flatMap((change) =>
      change.kind === 'add'
        ? [{ ...change, a: floatsOf(change.a), b: floatsOf(change.b), rank: change.a.shape[0] }]
        : [],
    );
  const width = weight.shape.at(-1) ?? 1;
  const rows = elementsOf(weight.shape) / width;
  const { elements, bytes: blockBytes } = blockSizes[given.type];
  const rowBytes = (width / elements) * blockBytes;
  const step = Math.max(1, Math.floor(pieceElements / width));
  const asItIs = added.length === 0 && given.type === stored;
  const room = asItIs ? 0 : Math.min(step, rows) * width;
  const values = new Float32Array(room);
  const words = new Uint16Array(stored === 'F32' ? 0 : room);
  const back = new Float32Array(stored === 'F32' ? 0 : room);
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const bytes = given.bytes.subarray(from * rowBytes, (from + count) * rowBytes);
    if (asItIs) {
      yield bytes;
      continue;
    }
    const exact = values.subarray(0, count * width);
    dequantize.run(bytes, given.type, exact);
    for (const { a, b, rank, scale } of added) {
      const part = b.subarray(from * rank, (from + count) * rank);
      gemm.run(part, a, exact, count, width, rank, false, false, scale, 1, null);
    }
    if (stored === 'F32') {
      yield bytesOf(exact);
      continue;
    }
    const rounded = words.subarray(0, exact.length);
    const again = back.subarray(0, exact.length);
    (stored === 'F16' ? toF16 : toBf16).run(exact, rounded);
    toF32.run(rounded, stored, again);
    report(name, largestDifference.run(exact, again), stored);
    yield bytesOf(rounded);
  }
  weight.drop();
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
