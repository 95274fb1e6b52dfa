/**
 * @file A GGUF file seen as a Hugging Face checkpoint: its metadata as config.json, its tensors under the
 * checkpoint's names and in its order of rows. The inverse of llama.cpp's convert_hf_to_gguf.py.
 */
import type { GgufFile, GgufTensor } from '../files/gguf.ts';
import { ggufBlock } from '../files/gguf.ts';
import type { JsonObject, JsonValue } from '../files/json.ts';
import { badConfig, unknownFamily, unsupportedModel } from './errors.ts';
import { type ModelWeights, storedWeight, weightsByName } from './weights.ts';

type Architecture = {
  readonly architecture: string;
  /** llama.cpp rotates neighbors, Hugging Face halves: these files hold rows of queries and keys in llama.cpp's order. */
  readonly interleaved: boolean;
  /** Keys that only this family's config has. */
  readonly more: (file: GgufFile) => JsonObject;
};

const architectures: Readonly<Record<string, Architecture>> = {
  llama: {
    architecture: 'LlamaForCausalLM',
    interleaved: true,
    more: ({ tensors }) => ({
      attention_bias: tensors.has('blk.0.attn_q.bias'),
      mlp_bias: tensors.has('blk.0.ffn_gate.bias'),
    }),
  },
  qwen2: {
    architecture: 'Qwen2ForCausalLM',
    interleaved: false,
    more: () => ({ use_sliding_window: false }),
  },
};

const outer: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
const inner: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
/** What follows from the configuration and is no weight. */
const computed: readonly string[] = ['rope_freqs.weight'];

/** The f32 of the metadata as the decimal that was meant: 1e-5, not 0.000009999999747. */
function shortDecimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

export type GgufModel = {
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  readonly weights: ModelWeights;
  readonly chatTemplate: string | undefined;
};

/** Reads the model of an opened file. */
export function modelOfGguf(file: GgufFile): GgufModel {
  const kind = text(file, 'general.architecture');
  if (kind === undefined) throw badConfig(file.path, 'it does not name its architecture');
  const family = Object.hasOwn(architectures, kind) ? architectures[kind] : undefined;
  if (!family) throw unknownFamily(file.path, kind, '', Object.keys(architectures));
  const config = configOf(file, kind, family);
  return {
    config,
    generationConfig: tokenIds(file),
    weights: weightsOf(file, family, config),
    chatTemplate: text(file, 'tokenizer.chat_template'),
  };
}

function text({ metadata }: GgufFile, key: string): string | undefined {
  const value = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

function number(file: GgufFile, key: string): number | undefined {
  const value = file.metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw badConfig(file.path, `\`${key}\` is not one number`);
  return shortDecimal(value);
}

function needed(file: GgufFile, key: string): number {
  const value = number(file, key);
  if (value === undefined) throw badConfig(file.path, `\`${key}\` is missing`);
  return value;
}

function configOf(file: GgufFile, kind: string, family: Architecture): JsonObject {
  const { tensors, path } = file;
  const key = (name: string): string => `${kind}.${name}`;
  if ((number(file, key('expert_count')) ?? 0) > 0) {
    const what = 'it is a mixture of experts, which is not supported yet';
    throw unsupportedModel(path, key('expert_count'), what);
  }
  const hidden = needed(file, key('embedding_length'));
  const heads = needed(file, key('attention.head_count'));
  const rotated = number(file, key('rope.dimension_count'));
  const headDim = number(file, key('attention.key_length')) ?? rotated ?? hidden / heads;
  if (rotated !== undefined && rotated !== headDim) {
    const what = `only ${rotated} of the ${headDim} numbers of a head are rotated, which is not supported yet`;
    throw unsupportedModel(path, key('rope.dimension_count'), what);
  }
  const embedding = tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2) throw badConfig(path, 'it has no `token_embd.weight`');
  const theta = number(file, key('rope.freq_base')) ?? 10000;
  return {
    architectures: [family.architecture],
    model_type: kind,
    vocab_size: embedding.shape[0],
    hidden_size: hidden,
    intermediate_size: needed(file, key('feed_forward_length')),
    num_hidden_layers: needed(file, key('block_count')),
    num_attention_heads: heads,
    num_key_value_heads: number(file, key('attention.head_count_kv')) ?? heads,
    head_dim: headDim,
    hidden_act: 'silu',
    max_position_embeddings: needed(file, key('context_length')),
    rms_norm_eps: needed(file, key('attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    rope_scaling: ropeScaling(file, kind, theta, headDim),
    ...family.more(file),
    tie_word_embeddings: !tensors.has('output.weight'),
    ...tokenIds(file),
    torch_dtype: torchDtype(file),
  };
}

/** `eos_token_id` has all ids that end a turn, as generation_config.json has it. */
function tokenIds(file: GgufFile): JsonObject {
  const id = (name: string): number | undefined => number(file, `tokenizer.ggml.${name}_token_id`);
  const ends = [id('eos'), id('eot'), id('eom')].filter((each) => each !== undefined);
  const unique = [...new Set(ends)];
  const entries: [string, JsonValue | undefined][] = [
    ['bos_token_id', id('bos')],
    ['eos_token_id', unique.length > 1 ? unique : unique[0]],
    ['pad_token_id', id('padding')],
  ];
  const known: [string, JsonValue][] = [];
  for (const [key, value] of entries) if (value !== undefined) known.push([key, value]);
  return Object.fromEntries(known);
}

/** A half type where all matrices have it; what is quantized or mixed counts as f32. */
function torchDtype({ tensors }: GgufFile): string {
  const matrices = [...tensors.values()].filter(({ shape }) => shape.length > 1);
  const types = new Set(matrices.map(({ type }) => type));
  if (types.size !== 1) return 'float32';
  return types.has('F16') ? 'float16' : types.has('BF16') ? 'bfloat16' : 'float32';
}

function ropeScaling(file: GgufFile, kind: string, theta: number, width: number): JsonValue {
  const factors = file.tensors.get('rope_freqs.weight');
  if (factors) return llama3Scaling(file.path, factors, theta, width);
  const key = `${kind}.rope.scaling.type`;
  const type = text(file, key) ?? 'none';
  if (type === 'none') return null;
  const factor = needed(file, `${kind}.rope.scaling.factor`);
  if (type === 'linear') return { rope_type: 'linear', factor };
  throw unsupportedModel(file.path, key, `rope scaling \`${type}\` is not supported yet`);
}

/**
 * LLaMA 3.1 and later: the file has only the factor of each frequency. The largest is `factor`; the
 * other three numbers are the same in all such models, which is checked against the factors.
 */
function llama3Scaling(path: string, stored: GgufTensor, theta: number, width: number): JsonObject {
  if (stored.type !== 'F32' || stored.shape.length !== 1 || stored.shape[0] !== width / 2) {
    throw badConfig(path, '`rope_freqs.weight` does not fit the heads');
  }
  const { bytes } = stored;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const given = Array.from({ length: width / 2 }, (_, i) => data.getFloat32(4 * i, true));
  const factor = shortDecimal(Math.max(...given));
  const [low, high, original] = [1, 4, 8192];
  const fits = given.every((each, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / width);
    const smooth = Math.min(1, Math.max(0, (original / wave - low) / (high - low)));
    const expected = 1 / ((1 - smooth) / factor + smooth);
    return Math.abs(each / expected - 1) < 1e-4;
  });
  if (!fits) {
    const what = 'its rope factors are not those of LLaMA 3, which is not supported yet';
    throw unsupportedModel(path, 'rope_freqs.weight', what);
  }
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  };
}

function weightsOf(file: GgufFile, family: Architecture, config: JsonObject): ModelWeights {
  const weights = new Map<string, () => ReturnType<typeof storedWeight>>();
  for (const tensor of file.tensors.values()) {
    if (computed.includes(tensor.name)) continue;
    const { name, part } = checkpointName(file.path, tensor.name);
    const heads =
      part === 'attn_q'
        ? config['num_attention_heads']
        : part === 'attn_k'
          ? config['num_key_value_heads']
          : undefined;
    const gather =
      family.interleaved && typeof heads === 'number'
        ? halvesApart(file.path, tensor, heads)
        : undefined;
    const { shape, type, bytes } = tensor;
    weights.set(name, () => storedWeight({ name, shape, type, bytes, gather }));
  }
  return weightsByName(file.path, weights);
}

function checkpointName(path: string, name: string): { name: string; part: string } {
  const match = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name);
  if (match) {
    const [, block, part, end] = match;
    const table = block === undefined ? outer : inner;
    if (Object.hasOwn(table, part)) {
      const prefix = block === undefined ? '' : `model.layers.${block}.`;
      return { name: `${prefix}${table[part]}.${end}`, part };
    }
  }
  const what = `tensor \`${name}\` has no place in this family, so the model would not be what it says`;
  throw unsupportedModel(path, name, what);
}

/** Row 2j + half of a head becomes row half · E/2 + j. Rows are whole blocks, so their bytes move as they are. */
function halvesApart(
  path: string,
  { name, shape, type }: GgufTensor,
  heads: number,
): (bytes: Uint8Array) => Uint8Array {
  const rows = shape[0];
  const width = rows / heads;
  if (width % 2 !== 0)
    throw badConfig(path, `\`${name}\` of ${rows} rows does not make ${heads} heads`);
  const { elements, bytes: blockBytes } = ggufBlock(type);
  const rowBytes = ((shape[1] ?? 1) / elements) * blockBytes;
  return (bytes) => {
    const result = new Uint8Array(bytes.length);
    for (let row = 0; row < rows; row++) {
      const [head, place] = [Math.floor(row / width), row % width];
      const half = width / 2;
      const from = head * width + 2 * (place % half) + Math.floor(place / half);
      result.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
    }
    return result;
  };
}
