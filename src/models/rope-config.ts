/** @file Rotary settings, of which config.json has had three forms: one out of them. */
import { z } from 'zod';
import { RopeScaling } from '../engine/nn/index.ts';

const Loose = z.looseObject({ rope_type: z.string().optional(), type: z.string().optional() });

/** Fields for a family's config; put through `ropeForm` first. */
export const ropeFields = {
  rope_theta: z.number().positive().default(10000),
  rope_scaling: RopeScaling.default(null),
};

/** `rope_parameters` (transformers 5) and `rope_scaling.type` (transformers 4) as `rope_theta` and `rope_scaling`. */
export function ropeForm(config: unknown): unknown {
  if (config === null || typeof config !== 'object') return config;
  const { rope_parameters, ...rest } = config as Record<string, unknown>;
  const given = Loose.safeParse(rope_parameters ?? rest['rope_scaling']);
  if (!given.success) return rest;
  const { rope_theta, type, ...scaling } = given.data;
  return {
    ...rest,
    ...(rope_theta === undefined ? {} : { rope_theta }),
    rope_scaling: { rope_type: type ?? 'default', ...scaling },
  };
}
