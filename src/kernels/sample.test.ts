import { describe, expect, test } from 'vitest';
import { repetitionPenalty, sampleToken } from './sample.ts';
import { expectClose, numbers } from './testing.ts';

const none = { temperature: 1, topK: 0, topP: 1, minP: 0 };
type Options = typeof none;

const draw = (logits: Float32Array, options: Partial<Options>, random: number): number => {
  const { temperature, topK, topP, minP } = { ...none, ...options };
  return sampleToken.run(logits, temperature, topK, topP, minP, random);
};

/** Every token that can be drawn, with its share of the range. */
function shares(logits: Float32Array, options: Partial<Options>): Map<number, number> {
  const counts = new Map<number, number>();
  const steps = 4000;
  for (let i = 0; i < steps; i++) {
    const id = draw(logits, options, (i + 0.5) / steps);
    counts.set(id, (counts.get(id) ?? 0) + 1 / steps);
  }
  return counts;
}

/** Probabilities 0.4, 0.3, 0.2, 0.1 of tokens 3, 1, 0, 2. */
const logits = Float32Array.from([0.2, 0.3, 0.1, 0.4], Math.log);

describe('what can be drawn, and how often', () => {
  test.each<[string, Partial<Options>, Record<number, number>]>([
    ['nothing cut', {}, { 0: 0.2, 1: 0.3, 2: 0.1, 3: 0.4 }],
    ['half the temperature', { temperature: 0.5 }, { 0: 4 / 30, 1: 9 / 30, 2: 1 / 30, 3: 16 / 30 }],
    ['top-k', { topK: 2 }, { 1: 3 / 7, 3: 4 / 7 }],
    ['top-k of more than all', { topK: 9 }, { 0: 0.2, 1: 0.3, 2: 0.1, 3: 0.4 }],
    // The token that crosses the line stays, as in Hugging Face.
    ['top-p', { topP: 0.75 }, { 0: 2 / 9, 1: 3 / 9, 3: 4 / 9 }],
    ['top-p of nothing', { topP: 0 }, { 3: 1 }],
    ['min-p', { minP: 0.6 }, { 1: 3 / 7, 3: 4 / 7 }],
    ['top-p counts what top-k left', { topK: 2, topP: 0.5 }, { 3: 1 }],
    ['temperature 0', { temperature: 0 }, { 3: 1 }],
  ])('%s', (_, options, expected) => {
    const got = shares(logits, options);
    expect([...got.keys()].sort()).toEqual(Object.keys(expected).map(Number));
    for (const [id, share] of got) expect(share).toBeCloseTo(expected[id], 3);
  });
});

test('equals the twin on any size, with ties, infinities and NaN among the logits', () => {
  for (const size of [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200]) {
    for (const seed of [1, 2, 3]) {
      const some = Float32Array.from(numbers(size, seed, -3, 3), (v, i) =>
        i % 7 === 5 ? Math.round(v) : i % 31 === 30 ? Number.NaN : i % 29 === 28 ? -Infinity : v,
      );
      for (const topK of [0, 1, 2, 3, 20, 199]) {
        for (const random of [0, 0.3, 0.9]) {
          const options = { ...none, topK, temperature: random === 0.3 ? 0 : 1 };
          const { temperature, topP, minP } = options;
          const want = sampleToken.reference(some, temperature, topK, topP, minP, random);
          expect(draw(some, options, random)).toBe(want);
        }
      }
    }
  }
});

test('equals the twin on a real vocabulary’s size', () => {
  const size = 49_152;
  for (const [seed, spread] of [
    [1, 12],
    [2, 3],
    [3, 0.1],
  ]) {
    const exact = numbers(size, seed, -spread, spread);
    const some = Float32Array.from(exact);
    for (const options of [{}, { topK: 50 }, { topP: 0.9 }, { topK: 500, topP: 0.8, minP: 0.05 }]) {
      for (const random of [0, 0.1, 0.5, 0.987]) {
        const { temperature, topK, topP, minP } = { ...none, temperature: 0.7, ...options };
        const want = sampleToken.reference(some, temperature, topK, topP, minP, random);
        expect(draw(some, { ...options, temperature: 0.7 }, random)).toBe(want);
      }
    }
  }
});

test('of equal logits the first wins, and all that equal the k-th stay', () => {
  const equal = Float32Array.of(1, 2, 2, 2);
  expect(draw(equal, { temperature: 0 }, 0)).toBe(1);
  expect([...shares(equal, { topK: 1 }).keys()].sort()).toEqual([1, 2, 3]);
});

test('forbidden tokens and NaN are never drawn; nothing to draw is an error', () => {
  const some = Float32Array.of(Number.NaN, 0, Number.NEGATIVE_INFINITY, 1);
  expect([...shares(some, {}).keys()].sort()).toEqual([1, 3]);
  expect(draw(some, { temperature: 0 }, 0)).toBe(3);
  for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    expect(() => draw(new Float32Array(4).fill(bad), {}, 0)).toThrow(/finite/);
  }
});

test('a repeated token is made less likely, once, whatever its sign', () => {
  const some = Float32Array.of(2, -2, 3, 0);
  repetitionPenalty.run(some, Int32Array.of(0, 1, 1, 0), 1.25);
  expectClose(some, [1.6, -2.5, 3, 0], { relative: 1e-7 });
  const twin = Float64Array.of(2, -2, 3, 0);
  repetitionPenalty.reference(twin, Int32Array.of(0, 1, 1, 0), 1.25);
  expectClose(some, twin, { relative: 1e-7 });
  expect(() => repetitionPenalty.run(some, Int32Array.of(4), 1.25)).toThrow(/token 4/);
});
