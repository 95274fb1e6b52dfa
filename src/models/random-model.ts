/** @file Seeded random models for tests and trials: `random:llama?hidden_size=64&num_hidden_layers=2&seed=0`. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { suggest } from '../core/suggest.ts';
import { namedParameters } from '../engine/nn/layer.ts';
import type { JsonObject, JsonValue } from '../files/json.ts';
import { fill } from '../kernels/elementwise.ts';
import type { FloatArray } from '../kernels/kernel.ts';
import { randomNormal } from '../kernels/random.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { badRandomModel, unknownFamily } from './errors.ts';
import type { Family } from './family.ts';
import { families } from './index.ts';
import { elementsOf, type ModelWeight, type ModelWeights, weightsByName } from './weights.ts';

/** What such a name begins with. */
const prefix = 'random:';

/** Hugging Face's `initializer_range`. */
const deviation = 0.02;

export type RandomModel = { readonly config: JsonObject; readonly weights: ModelWeights };

/** Makes the model that a name like `random:llama?hidden_size=64` describes. */
export async function randomModel(name: string): Promise<RandomModel> {
  const [familyName, query = ''] = name.slice(prefix.length).split('?', 2);
  if (!Object.hasOwn(families, familyName)) {
    const near = suggest(familyName, Object.keys(families));
    const hint = near === undefined ? '' : ` (did you mean \`${near}\`?)`;
    throw unknownFamily(name, familyName, hint, Object.keys(families));
  }
  const family = await families[familyName]();
  const { seed = 0, ...changes } = parseQuery(name, query);
  if (typeof seed !== 'number' || !Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw badRandomModel(name, '`seed` is no whole number from 0 to 4294967295');
  }
  checkKeys(name, family, changes);
  const ids = byteTokenizer();
  const config: JsonObject = {
    architectures: [family.architecture],
    model_type: family.modelType,
    ...(family.tiny as JsonObject),
    vocab_size: ids.vocabSize,
    max_position_embeddings: 2048,
    ...changes,
    ...tokenIds(),
  };
  if (Number(config['vocab_size']) < ids.vocabSize) {
    throw badRandomModel(name, `\`vocab_size\` is less than the tokenizer’s ${ids.vocabSize}`);
  }
  return { config, weights: randomWeights(name, family, config, seed) };
}

const tokenIds = (): JsonObject => {
  const { bos, eos, pad } = byteTokenizer();
  return { bos_token_id: bos!.id, eos_token_id: eos!.id, pad_token_id: pad!.id };
};

function parseQuery(name: string, query: string): Record<string, JsonValue> {
  const result: Record<string, JsonValue> = {};
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [key, value] = pair.split('=', 2);
    if (value === undefined) throw badRandomModel(name, `\`${pair}\` is no key=value`);
    try {
      result[key] = JSON.parse(value);
    } catch {
      result[key] = value;
    }
  }
  return result;
}

/** Keys that every config may have, whatever its family. */
const common: readonly string[] = ['max_position_embeddings', 'torch_dtype'];

function checkKeys(name: string, family: Family, changes: JsonObject): void {
  const schema = z.toJSONSchema(family.config, { io: 'input', unrepresentable: 'any' });
  const known = [...Object.keys(schema.properties ?? {}), ...common];
  for (const key of Object.keys(changes)) {
    if (known.includes(key)) continue;
    const near = suggest(key, known);
    const hint = near === undefined ? '' : `; did you mean \`${near}\`?`;
    throw badRandomModel(name, `\`${key}\` is no key of ${family.modelType}’s config${hint}`);
  }
}

function randomWeights(
  name: string,
  family: Family,
  config: JsonObject,
  seed: number,
): ModelWeights {
  const parsed = family.config.safeParse(config);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw badRandomModel(name, `\`${path.join('.')}\`: ${message}`);
  }
  const { root } = family.build(parsed.data);
  const weights = new Map<string, () => ModelWeight>();
  // A tied head names its embedding's parameter once more: the first name is the checkpoint's.
  const seen = new Set<unknown>();
  for (const [weight, parameter] of namedParameters(root)) {
    if (seen.has(parameter)) continue;
    seen.add(parameter);
    weights.set(weight, () => randomWeight(weight, parameter.shape, seed));
  }
  return weightsByName(name, weights);
}

/** Norms begin as ones, biases as zeros, all else normal; what a weight holds depends on its name and the seed alone. */
function randomWeight(name: string, shape: readonly number[], seed: number): ModelWeight {
  /** In bf16 as it is drawn: a whole embedding in f32 beside it would be what loading takes at its peak. */
  const draw = (into: FloatArray): void => {
    if (name.endsWith('bias')) fill.run(into, 0);
    else if (shape.length === 1) fill.run(into, 1);
    else {
      const purpose = createHash('sha256').update(name).digest().readUInt32LE(0);
      randomNormal.run(seed, purpose, 0, deviation, into);
    }
  };
  return {
    name,
    shape,
    type: 'F32',
    stored() {
      const values = new Float32Array(elementsOf(shape));
      draw(values);
      return { type: 'F32', bytes: new Uint8Array(values.buffer) };
    },
    blocks: () => null,
    read: (into) => draw(into as FloatArray),
    drop() {},
  };
}
