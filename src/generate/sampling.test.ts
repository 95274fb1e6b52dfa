import { expect, test } from 'vitest';
import { chooseToken, drawAt, greedy, samplingOf } from './sampling.ts';
import type { GenerateSettings } from './settings.ts';

test('draws are uniform, and each is named by its seed and its position', () => {
  const draws = Array.from({ length: 4000 }, (_, i) => drawAt(7, i));
  expect(new Set(draws).size).toBe(4000);
  expect(draws.every((x) => x >= 0 && x < 1)).toBe(true);
  const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  expect(drawAt(7, 12)).toBe(draws[12]);
  expect(drawAt(8, 12)).not.toBe(draws[12]);
  // Seeds are whole numbers, not 32 bits of them.
  expect(drawAt(7 + 2 ** 32, 12)).not.toBe(draws[12]);
});

test('a token is drawn as often as it is likely', () => {
  const logits = Float32Array.from([0.5, 0.25, 0.25], Math.log);
  const counts = [0, 0, 0];
  for (let seed = 0; seed < 2000; seed++) {
    counts[chooseToken(logits, Int32Array.of(0), { ...greedy, temperature: 1 }, seed)] += 1 / 2000;
  }
  for (const [i, share] of [0.5, 0.25, 0.25].entries()) {
    expect(Math.abs(counts[i] - share)).toBeLessThan(0.04);
  }
});

test('the penalty comes before everything else, and greedy takes no draw', () => {
  const logits = () => Float32Array.of(1, 1.5, 0.9);
  expect(chooseToken(logits(), Int32Array.of(0, 1), greedy, 0)).toBe(1);
  expect(chooseToken(logits(), Int32Array.of(1), { ...greedy, repetition_penalty: 2 }, 0)).toBe(0);
  expect(chooseToken(logits(), Int32Array.of(0, 1), { ...greedy, repetition_penalty: 2 }, 0)).toBe(
    2,
  );
});

test('`do_sample: false` is temperature 0', () => {
  const settings: GenerateSettings = {
    do_sample: false,
    temperature: 0.95,
    top_p: 0.7,
    top_k: 50,
    min_p: 0.1,
    num_beams: 1,
    max_new_tokens: 10,
    max_length: 10,
    repetition_penalty: 1.1,
    skip_special_tokens: true,
  };
  const cuts = { top_p: 0.7, top_k: 50, min_p: 0.1, repetition_penalty: 1.1 };
  expect(samplingOf(settings)).toEqual({ temperature: 0, ...cuts });
  expect(samplingOf({ ...settings, do_sample: true })).toEqual({ temperature: 0.95, ...cuts });
});
