/** @file A model without its numbers: a source whose weights are never read, or that has none at all. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { namedParameters } from '../engine/nn/index.ts';
import { digestOf } from '../files/digest.ts';
import { noWeights } from '../files/errors.ts';
import { isJsonObject, readJson } from '../files/json.ts';
import { type BlockType, blockSizes } from '../kernels/blocks.ts';
import { Quantized } from '../kernels/quantized.ts';
import { buildModel } from '../models/load.ts';
import { type ModelSource, type OpenOptions, openModel } from '../models/source.ts';
import { elementsOf, isQuantized, type ModelWeight, weightsByName } from '../models/weights.ts';
import { allocate } from '../native/memory.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';

/** The same source, of which no weight is ever read: its bytes are address space. */
export const withoutNumbers = (source: ModelSource): ModelSource => ({
  ...source,
  weights: {
    ...source.weights,
    get: (name) => unread(source.weights.get(name)),
  },
});

function unread(weight: Pick<ModelWeight, 'name' | 'shape' | 'type' | 'blocks'>): ModelWeight {
  const { name, shape, type } = weight;
  const [rows, columns] = shape;
  const space = (type: BlockType): Uint8Array => {
    const { elements, bytes } = blockSizes[type];
    return new Uint8Array(allocate((elementsOf(shape) / elements) * bytes));
  };
  return {
    ...{ name, shape, type },
    read() {},
    drop() {},
    stored() {
      const stored = Object.hasOwn(blockSizes, type) ? (type as BlockType) : 'F32';
      return { type: stored, bytes: space(stored) };
    },
    blocks() {
      // Those of bitsandbytes lie in several tensors, which are mapped and not read.
      if (!isQuantized(type)) return weight.blocks();
      return shape.length === 2 ? new Quantized({ type, rows, columns, bytes: space(type) }) : null;
    },
  };
}

/** As `openModel`; a folder may hold no more than a config.json. */
export async function openForEstimate(name: string, options: OpenOptions): Promise<ModelSource> {
  try {
    return withoutNumbers(await openModel(name, options));
  } catch (error) {
    const bare = error instanceof TuneryError && error.code === noWeights.code;
    if (!bare || !statSync(resolve(name)).isDirectory()) throw error;
    return configOnly(name, resolve(name));
  }
}

const storedAs: Readonly<Record<string, BlockType>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
};

async function configOnly(name: string, folder: string): Promise<ModelSource> {
  const path = join(folder, 'config.json');
  const config = readJson(path);
  if (!isJsonObject(config)) throw noWeights(folder, '');
  const { model } = await buildModel({ path, config });
  const type = storedAs[String(config['dtype'] ?? config['torch_dtype'])] ?? 'BF16';
  const weights = new Map(
    [...namedParameters(model.root)].map(([name, { shape }]) => [
      name,
      () => unread({ name, shape, type, blocks: () => null }),
    ]),
  );
  return {
    ...{ kind: 'folder', name, path: folder, note: undefined, config },
    digest: digestOf('config', JSON.stringify(config)),
    generationConfig: {},
    chatTemplate: undefined,
    weights: weightsByName(folder, weights),
    tokenizerFiles: new Map(),
    tokenizer: byteTokenizer,
  };
}
