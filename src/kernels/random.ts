/** @file Numbers to begin a parameter with: element i is a function of seed, purpose and i. */
import { type FloatArray, kernel } from './kernel.ts';
import { philox } from './philox.ts';

const key = (seed: number, purpose: number) => [seed, purpose] as const;

/** The four words of the block that holds elements i … i + 3. */
const blockAt = (i: number, words: readonly [number, number]) =>
  philox([(i / 4) % 2 ** 32, Math.floor(i / 2 ** 34), 0, 0], words);

/** Uniform in [low, high). */
export const randomUniform = kernel(
  'randomUniform',
  (seed: number, purpose: number, low: number, high: number, y: FloatArray): void => {
    for (let i = 0; i < y.length; i += 4) {
      const numbers = blockAt(i, key(seed, purpose)).map((w) => low + (w / 2 ** 32) * (high - low));
      for (let j = i; j < Math.min(i + 4, y.length); j++) y[j] = numbers[j - i];
    }
  },
);

/** Two normal numbers from two words. Box & Muller 1958. */
function normalPair(a: number, b: number): readonly [number, number] {
  const radius = Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32));
  const angle = (b / 2 ** 32) * 2 * Math.PI;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** Normal with this mean and standard deviation. */
export const randomNormal = kernel(
  'randomNormal',
  (seed: number, purpose: number, mean: number, std: number, y: FloatArray): void => {
    for (let i = 0; i < y.length; i += 4) {
      const [a, b, c, d] = blockAt(i, key(seed, purpose));
      const numbers = [...normalPair(a, b), ...normalPair(c, d)];
      for (let j = i; j < Math.min(i + 4, y.length); j++) y[j] = mean + std * numbers[j - i];
    }
  },
);
