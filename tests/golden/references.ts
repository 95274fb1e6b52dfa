/** @file The references on a real model, typed: trajectories, and what the base says. Written by `npm run golden -- smollm2`. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`trajectory/${name}.json`, import.meta.url), 'utf8'));

const Row = z.object({
  /** Row of data/identity.json. */
  row: z.int(),
  input_ids: z.array(z.int()),
  /** As long as `input_ids`, -100 where nothing is learned. */
  labels: z.array(z.int()),
});
export type ReferenceRow = z.infer<typeof Row>;

const Trajectory = z.object({
  mode: z.enum(['lora', 'full']),
  learning_rate: z.number(),
  weight_decay: z.number(),
  max_grad_norm: z.number(),
  /** Of each step, before it: sum of cross-entropies / targets. */
  loss: z.array(z.number()),
  /** Before clipping. */
  grad_norm: z.array(z.number()),
  steps: z.array(z.array(z.int())),
  rows: z.array(Row),
});

export type ReferenceTrajectory = Omit<z.infer<typeof Trajectory>, 'rows' | 'steps'> & {
  readonly steps: readonly (readonly ReferenceRow[])[];
};

/** transformers and PEFT in f32, AdamW, constant rate; `lora` starts from the seeded adapter (named-values.ts). */
export function readTrajectory(name: 'lora-10' | 'full-10' | 'lora-50' | 'full-50' | 'nf4-50') {
  const { rows, steps, ...rest } = Trajectory.parse(read(name));
  const named: ReferenceTrajectory = { ...rest, steps: steps.map((s) => s.map((i) => rows[i])) };
  return named;
}

const Prompts = z.object({
  prompts: z.array(
    z.object({
      prompt: z.string(),
      /** The prompt as one user turn, through the model's own template. */
      prompt_ids: z.array(z.int()),
      /** The ten best next tokens after each position, and their logits. */
      best_ids: z.array(z.array(z.int())),
      best_logits: z.array(z.array(z.number())),
      /** After the last position: the logits of tokens 0, stride, 2 · stride, … */
      stride: z.int(),
      sample: z.array(z.number()),
      /** What f32 differs by from f64, at worst. */
      noise: z.number(),
      greedy_ids: z.array(z.int()),
      greedy_text: z.string(),
      /** The smallest distance between the best token and the next, at any of the greedy steps. */
      lead: z.number(),
    }),
  ),
});

/** Logits and 64 greedy tokens of three prompts: of the base model, or with the seeded adapter. */
export const readPrompts = (name: 'base' | 'adapted') => Prompts.parse(read(name)).prompts;
