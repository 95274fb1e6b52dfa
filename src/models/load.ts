/** @file A model ready to compute: its family, its config as parsed, and its weights in place, frozen. */
import { didYouMean } from '../core/suggest.ts';
import type { Memory } from '../engine/memory.ts';
import { type CausalLM, isLinear, namedLayers, namedParameters } from '../engine/nn/index.ts';
import type { Parameter } from '../engine/parameter.ts';
import { badConfig, noBlocks, unknownFamily, wrongShape } from './errors.ts';
import type { Family } from './family.ts';
import { holdInBlocks, type Quantization } from './hold.ts';
import { families } from './index.ts';
import type { ModelSource } from './source.ts';

export type LoadedModel = { readonly family: Family; readonly model: CausalLM };

/** The family that a config names. */
export async function familyOf({
  path,
  config,
}: Pick<ModelSource, 'path' | 'config'>): Promise<Family> {
  const type = config['model_type'];
  if (typeof type !== 'string') throw badConfig(path, 'it has no `model_type`');
  const known = Object.keys(families);
  if (!Object.hasOwn(families, type))
    throw unknownFamily(path, type, didYouMean(type, known), known);
  return families[type]();
}

/** Builds the model of a source; no weights are read. */
export async function buildModel(
  source: Pick<ModelSource, 'path' | 'config'>,
): Promise<LoadedModel> {
  const family = await familyOf(source);
  const parsed = family.config.safeParse(source.config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badConfig(source.path, `\`${issue.path.join('.')}\`: ${issue.message}`);
  }
  return { family, model: family.build(parsed.data) };
}

export type LoadOptions = {
  readonly memory: Memory;
  readonly dtype: 'f32' | 'bf16';
  /** What becomes of frozen matrices; null where all are held as numbers. */
  readonly quantization?: Quantization | null;
};

/**
 * Reads every weight into memory, matrices as `dtype` or in blocks, norms and biases as f32, and lets go of the file's
 * pages. Throws where a weight is missing or has another shape than the config says.
 */
export async function loadModel(
  source: ModelSource,
  { memory, dtype, quantization = null }: LoadOptions,
): Promise<LoadedModel> {
  const loaded = await buildModel(source);
  if (quantization?.to === 'stored') refuseWithoutBlocks(source);
  const linear = linearWeights(loaded.model);
  for (const [name, parameter] of namedParameters(loaded.model.root)) {
    const weight = source.weights.get(name);
    if (weight.shape.join() !== parameter.shape.join()) {
      throw wrongShape(source.path, name, weight.shape, parameter.shape);
    }
    const blocks = holdInBlocks(weight, quantization, { isLinear: linear.has(parameter), memory });
    const values =
      blocks ?? memory.weights.keep(parameter.shape, parameter.shape.length > 1 ? dtype : 'f32');
    if (!blocks) weight.read(values.data as Float32Array | Uint16Array);
    weight.drop();
    parameter.set(values, false);
  }
  return loaded;
}

/** The weights of linear layers but the head's, as transformers chooses what bitsandbytes quantizes. */
function linearWeights({ root, head }: CausalLM): ReadonlySet<Parameter> {
  const layers = [...namedLayers(root)].map(([, layer]) => layer).filter(isLinear);
  const weights = new Set(layers.map(({ parts }) => parts.weight));
  weights.delete(head.weight);
  return weights;
}

function refuseWithoutBlocks({ name, weights }: ModelSource): void {
  if (!weights.names().some((each) => weights.get(each).blocks())) throw noBlocks(name);
}
