import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { seededAdapterWeight } from './named-values.ts';
import { readPrompts, readTrajectory } from './references.ts';

// Digests of what `named_values` of reference.py gives.
test.each([
  ['lora_A', [8, 576], 'b3d143525093a15d0231bb03200a943ea55e83bedb5b8ccf3cd304916a30a43b'],
  ['lora_B', [576, 8], 'a24d97f7f6a75d6b2e113cae3b9222b489d4cdb11c0f3af625ada07f3be8db49'],
] as const)("%s of the seeded adapter has PyTorch's bits", (part, shape, digest) => {
  const name = `base_model.model.model.layers.0.self_attn.q_proj.${part}.weight`;
  const bytes = new Uint8Array(seededAdapterWeight(name, shape).buffer);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
});

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

test.each([
  ['lora-10', 10, 1e-4],
  ['full-10', 10, 2e-5],
  ['lora-50', 50, 1e-4],
  ['full-50', 50, 2e-5],
] as const)('trajectory %s is one that a fault would show in', (name, count, rate) => {
  const { mode, learning_rate, loss, grad_norm, steps } = readTrajectory(name);
  expect(name.startsWith(mode)).toBe(true);
  expect(learning_rate).toBeGreaterThanOrEqual(rate);
  expect([steps.length, loss.length, grad_norm.length]).toEqual([count, count, count]);
  // It learned, or a wrong gradient could hide.
  expect(mean(loss.slice(-5))).toBeLessThanOrEqual(0.8 * mean(loss.slice(0, 5)));
  for (const rows of steps) {
    expect(rows.length).toBe(4);
    // Unequal lengths, or a mean of means would equal the mean.
    expect(new Set(rows.map(({ input_ids }) => input_ids.length)).size).toBeGreaterThan(1);
    for (const { input_ids, labels } of rows) expect(labels.length).toBe(input_ids.length);
  }
});

test('greedy tokens of the prompts are no matter of rounding', () => {
  for (const name of ['base', 'adapted'] as const) {
    const prompts = readPrompts(name);
    expect(prompts.length).toBe(3);
    for (const { lead, noise, best_ids, prompt_ids } of prompts) {
      expect(best_ids.length).toBe(prompt_ids.length);
      expect(noise).toBeLessThan(5e-4);
      expect(lead).toBeGreaterThan(10 * noise);
    }
  }
});
