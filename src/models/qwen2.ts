/**
 * @file Qwen1.5, Qwen2, Qwen2.5, dense (Yang et al. 2024, arXiv:2407.10671).
 *
 * Differs from LLaMA in one way:
 *  1. the projections of queries, keys and values have a bias, and no other has.
 *
 * `use_sliding_window` is refused: no released checkpoint sets it.
 */
import { z } from 'zod';
import * as nn from '../engine/nn/index.ts';
import type { Tensor } from '../engine/tensor.ts';
import { defineFamily } from './family.ts';
import { ropeFields, ropeForm } from './rope-config.ts';

/** Names as in config.json, so that a checkpoint's file parses as it stands. */
const Config = z.preprocess(
  ropeForm,
  z
    .object({
      vocab_size: z.int().positive(),
      hidden_size: z.int().positive(),
      intermediate_size: z.int().positive(),
      num_hidden_layers: z.int().positive(),
      num_attention_heads: z.int().positive(),
      num_key_value_heads: z.int().positive().nullish(),
      head_dim: z.int().positive().nullish(),
      hidden_act: z.literal('silu').default('silu'),
      rms_norm_eps: z.number().positive().default(1e-6),
      use_sliding_window: z.literal(false).default(false),
      tie_word_embeddings: z.boolean().default(false),
      pad_token_id: z.int().nullish(),
      ...ropeFields,
    })
    .transform((c) => ({
      ...c,
      num_key_value_heads: c.num_key_value_heads ?? c.num_attention_heads,
      head_dim: c.head_dim ?? c.hidden_size / c.num_attention_heads,
    })),
);
type Config = z.output<typeof Config>;

// Part names are the checkpoint's weight names, so loading needs no map.

const selfAttention = (c: Config) =>
  nn.layer(
    {
      q_proj: nn.linear(c.hidden_size, c.num_attention_heads * c.head_dim, { bias: true }),
      k_proj: nn.linear(c.hidden_size, c.num_key_value_heads * c.head_dim, { bias: true }),
      v_proj: nn.linear(c.hidden_size, c.num_key_value_heads * c.head_dim, { bias: true }),
      o_proj: nn.linear(c.num_attention_heads * c.head_dim, c.hidden_size),
    },
    (p, x: Tensor, context: nn.BlockContext) => {
      const projections = [p.q_proj, p.k_proj, p.v_proj] as const;
      const [q, k, v] = nn.queriesKeysValues(projections, x, c.head_dim, context); // [n, H, E], 2 × [T, K, E]
      return p.o_proj(nn.attention(q, k, v, context).flatten()); // [n, D]
    },
  );

const mlp = (c: Config) =>
  nn.layer(
    {
      gate_proj: nn.linear(c.hidden_size, c.intermediate_size),
      up_proj: nn.linear(c.hidden_size, c.intermediate_size),
      down_proj: nn.linear(c.intermediate_size, c.hidden_size),
    },
    (p, x: Tensor) => p.down_proj(nn.swiglu(p.gate_proj, p.up_proj, x)), // [T, D]
  );

const block = (c: Config) =>
  nn.layer(
    {
      input_layernorm: nn.rmsNorm(c.hidden_size, c.rms_norm_eps),
      self_attn: selfAttention(c),
      post_attention_layernorm: nn.rmsNorm(c.hidden_size, c.rms_norm_eps),
      mlp: mlp(c),
    },
    (p, x: Tensor, context: nn.BlockContext) => {
      const attended = p.self_attn(p.input_layernorm(x), context); // [n, D]
      const h = nn.add(nn.asked(x, context), attended); // [n, D]
      return nn.add(h, p.mlp(p.post_attention_layernorm(h))); // [n, D]
    },
  );

function decoder(c: Config) {
  const frequencies = nn.inverseFrequencies(c.head_dim, c.rope_theta, c.rope_scaling);
  return nn.layer(
    {
      embed_tokens: nn.embedding(c.vocab_size, c.hidden_size, { padding: c.pad_token_id }),
      layers: Array.from({ length: c.num_hidden_layers }, () => block(c)),
      norm: nn.rmsNorm(c.hidden_size, c.rms_norm_eps),
    },
    (p, { ids }: nn.Inputs, context: nn.Context) => {
      const x = p.embed_tokens(ids, context.dtype); // [T, D]
      return p.norm(nn.blocks(p.layers, x, context, frequencies)); // [n, D]
    },
  );
}

export const qwen2 = defineFamily({
  modelType: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  config: Config,

  build(c) {
    const model = decoder(c);
    const { embed_tokens } = model.parts;
    const lm_head = c.tie_word_embeddings
      ? nn.tiedHead(embed_tokens)
      : nn.head(c.hidden_size, c.vocab_size);
    return nn.causalLM({ model, lm_head });
  },

  adapterTargets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],

  tiny: {
    vocab_size: 97,
    hidden_size: 32,
    intermediate_size: 40,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  },
});
