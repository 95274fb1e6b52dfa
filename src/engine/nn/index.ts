/** @file What model families are composed of. */
export { alibiSlopes, attention } from './attention.ts';
export { asked, type BlockContext, blocks, queriesKeysValues } from './blocks.ts';
export { Cache, type LayerCache, type PassCache } from './cache.ts';
export { type CausalLM, causalLM, type Decoder, type Inputs } from './causal-lm.ts';
export { type Context, documentsContext } from './context.ts';
export { type Embedding, embedding, type Head, head, tiedHead } from './embedding.ts';
export { add, columns, gelu, heads, swiglu } from './functions.ts';
export {
  type AnyLayer,
  type Layer,
  layer,
  namedLayers,
  namedParameters,
  type Part,
  type Parts,
} from './layer.ts';
export { type Adapter, isLinear, type Linear, linear } from './linear.ts';
export { layerNorm, rmsNorm } from './norms.ts';
export { inverseFrequencies, RopeScaling, type RopeTable, rope, ropeTable } from './rope.ts';
