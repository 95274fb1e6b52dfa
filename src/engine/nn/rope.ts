/** @file Rotary tables: base frequencies, their scalings by name as config.json has them, and the angles of a pass. */
import { z } from 'zod';
import { ropeTable as ropeTableKernel } from '../../kernels/rope.ts';
import { rope as ropeOp } from '../ops/rope.ts';
import { session } from '../session.ts';
import type { Tensor } from '../tensor.ts';

/** `rope_scaling` (or `rope_parameters`) of config.json; null where positions are taken as they are. */
export const RopeScaling = z
  .discriminatedUnion('rope_type', [
    z.object({ rope_type: z.literal('default') }),
    z.object({ rope_type: z.literal('linear'), factor: z.number().positive() }),
    z.object({
      rope_type: z.literal('llama3'),
      factor: z.number().positive(),
      low_freq_factor: z.number().positive(),
      high_freq_factor: z.number().positive(),
      original_max_position_embeddings: z.int().positive(),
    }),
  ])
  .nullable();
export type RopeScaling = z.infer<typeof RopeScaling>;

/** θ^(−2i/E) in f32 as torch computes it, scaled: [E / 2]. */
export function inverseFrequencies(
  width: number,
  theta: number,
  scaling: RopeScaling,
): Float32Array {
  const frequencies = Float32Array.from({ length: width / 2 }, (_, i) =>
    Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / width))),
  );
  if (scaling === null || scaling.rope_type === 'default') return frequencies;
  if (scaling.rope_type === 'linear') return frequencies.map((f) => f / scaling.factor);
  // Llama 3.1: long waves are slowed by the factor, short ones kept, those between blended.
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = scaling;
  return frequencies.map((f) => {
    const wave = (2 * Math.PI) / f;
    if (wave > original_max_position_embeddings / low_freq_factor) return f / factor;
    if (wave < original_max_position_embeddings / high_freq_factor) return f;
    const smooth =
      (original_max_position_embeddings / wave - low_freq_factor) /
      (high_freq_factor - low_freq_factor);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

export type RopeTable = { readonly cos: Tensor; readonly sin: Tensor };

/** cos and sin of every position's angles, [T, E / 2] each; made once for all layers of a pass. */
export function ropeTable(positions: Int32Array, frequencies: Float32Array): RopeTable {
  const { memory } = session();
  const shape = [positions.length, frequencies.length];
  const cos = memory.activations.tensor(shape, 'f32');
  const sin = memory.activations.tensor(shape, 'f32');
  ropeTableKernel.run(positions, frequencies, 1, cos.data, sin.data);
  return { cos, sin };
}

/** x: [T, H, E] → [T, H, E] */
export const rope = (x: Tensor, { cos, sin }: RopeTable): Tensor => ropeOp([x, cos, sin], null);
