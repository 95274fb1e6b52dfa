/**
 * @file Falcon 7B, 40B, RW (Almazrouei et al. 2023, arXiv:2311.16867).
 *
 * Differs from LLaMA in six ways:
 *  1. layer norm, with a bias, in place of RMS norm;
 *  2. attention and MLP read the same norm side by side (`parallel_attn`), or each its own (`new_decoder_architecture`);
 *  3. one fused projection, grouped as [queries of the group, key, value] for each key head;
 *  4. one key head for all queries (`multi_query`), or `num_kv_heads`, or one each;
 *  5. an MLP of two layers with GELU;
 *  6. ALiBi in place of rotary positions where `alibi` says so, scaled by 1/√E as the scores are.
 */
import { z } from 'zod';
import * as nn from '../engine/nn/index.ts';
import type { Tensor } from '../engine/tensor.ts';
import { defineFamily } from './family.ts';
import { ropeFields, ropeForm } from './rope-config.ts';

const Config = z.preprocess(
  ropeForm,
  z
    .object({
      vocab_size: z.int().positive(),
      hidden_size: z.int().positive(),
      ffn_hidden_size: z.int().positive().nullish(),
      num_hidden_layers: z.int().positive(),
      num_attention_heads: z.int().positive(),
      num_kv_heads: z.int().positive().nullish(),
      num_ln_in_parallel_attn: z.int().min(1).max(2).nullish(),
      layer_norm_epsilon: z.number().positive().default(1e-5),
      activation: z.literal('gelu').default('gelu'),
      alibi: z.boolean().default(false),
      bias: z.boolean().default(false),
      multi_query: z.boolean().default(true),
      new_decoder_architecture: z.boolean().default(false),
      parallel_attn: z.boolean().default(true),
      tie_word_embeddings: z.boolean().default(true),
      ...ropeFields,
    })
    .transform((c) => ({
      ...c,
      ffn_hidden_size: c.ffn_hidden_size ?? 4 * c.hidden_size,
      head_dim: c.hidden_size / c.num_attention_heads,
      /** Key heads; each is followed in the fused projection by its value. */
      groups: c.new_decoder_architecture
        ? (c.num_kv_heads ?? c.num_attention_heads)
        : c.multi_query
          ? 1
          : c.num_attention_heads,
      parallel_attn: c.parallel_attn || c.new_decoder_architecture,
      norms: c.new_decoder_architecture ? (c.num_ln_in_parallel_attn ?? 2) : 1,
    })),
);
type Config = z.output<typeof Config>;

function selfAttention(c: Config) {
  const { head_dim: E, groups: K, num_attention_heads: H } = c;
  const perGroup = H / K;
  const slopes = c.alibi ? nn.alibiSlopes(H).map((slope) => slope / Math.sqrt(E)) : undefined;
  return nn.layer(
    {
      query_key_value: nn.linear(c.hidden_size, (H + 2 * K) * E, { bias: c.bias }),
      dense: nn.linear(H * E, c.hidden_size, { bias: c.bias }),
    },
    (p, x: Tensor, context: nn.BlockContext) => {
      const T = x.rows;
      const fused = p.query_key_value(x).reshape([T * K, (perGroup + 2) * E]);
      const q = nn.columns(fused, 0, perGroup * E).reshape([T, H, E]);
      const k = nn.columns(fused, perGroup * E, E).reshape([T, K, E]);
      const v = nn.columns(fused, (perGroup + 1) * E, E).reshape([T, K, E]);
      const y = nn.attention(nn.asked(q, context), k, v, context, { slopes }); // [n, H, E]
      return p.dense(y.flatten()); // [n, D]
    },
  );
}

const mlp = (c: Config) =>
  nn.layer(
    {
      dense_h_to_4h: nn.linear(c.hidden_size, c.ffn_hidden_size, { bias: c.bias }),
      dense_4h_to_h: nn.linear(c.ffn_hidden_size, c.hidden_size, { bias: c.bias }),
    },
    (p, x: Tensor) => p.dense_4h_to_h(nn.gelu(p.dense_h_to_4h(x))), // [T, D]
  );

function block(c: Config) {
  const norm = () => nn.layerNorm(c.hidden_size, c.layer_norm_epsilon);
  const shared = { self_attention: selfAttention(c), mlp: mlp(c) };
  if (c.norms === 2) {
    return nn.layer(
      { ln_attn: norm(), ln_mlp: norm(), ...shared },
      (p, all: Tensor, context: nn.BlockContext) => {
        const attended = p.self_attention(p.ln_attn(all), context); // [n, D]
        const x = nn.asked(all, context);
        return nn.add(x, nn.add(p.mlp(p.ln_mlp(x)), attended));
      },
    );
  }
  if (c.parallel_attn) {
    return nn.layer(
      { input_layernorm: norm(), ...shared },
      (p, x: Tensor, context: nn.BlockContext) => {
        const normed = p.input_layernorm(x); // [T, D]
        const attended = p.self_attention(normed, context); // [n, D]
        return nn.add(nn.asked(x, context), nn.add(p.mlp(nn.asked(normed, context)), attended));
      },
    );
  }
  return nn.layer(
    { input_layernorm: norm(), post_attention_layernorm: norm(), ...shared },
    (p, x: Tensor, context: nn.BlockContext) => {
      const attended = p.self_attention(p.input_layernorm(x), context); // [n, D]
      const h = nn.add(nn.asked(x, context), attended); // [n, D]
      return nn.add(h, p.mlp(p.post_attention_layernorm(h)));
    },
  );
}

function decoder(c: Config) {
  const frequencies = c.alibi
    ? null
    : nn.inverseFrequencies(c.head_dim, c.rope_theta, c.rope_scaling);
  return nn.layer(
    {
      word_embeddings: nn.embedding(c.vocab_size, c.hidden_size),
      h: Array.from({ length: c.num_hidden_layers }, () => block(c)),
      ln_f: nn.layerNorm(c.hidden_size, c.layer_norm_epsilon),
    },
    (p, { ids }: nn.Inputs, context: nn.Context) => {
      const x = p.word_embeddings(ids, context.dtype); // [T, D]
      return p.ln_f(nn.blocks(p.h, x, context, frequencies)); // [n, D]
    },
  );
}

export const falcon = defineFamily({
  modelType: 'falcon',
  architecture: 'FalconForCausalLM',
  config: Config,

  build(c) {
    const transformer = decoder(c);
    const { word_embeddings } = transformer.parts;
    const lm_head = c.tie_word_embeddings
      ? nn.tiedHead(word_embeddings)
      : nn.head(c.hidden_size, c.vocab_size);
    return nn.causalLM({ transformer, lm_head });
  },

  adapterTargets: ['query_key_value', 'dense', 'dense_h_to_4h', 'dense_4h_to_h'],

  tiny: { vocab_size: 97, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4 },
});
