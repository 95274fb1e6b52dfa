import { expect, test } from 'vitest';
import { plot, smooth } from './plot.ts';

const text = { title: 'Training loss <of a run>', label: 'loss' };

test('smoothing is LLaMA-Factory’s: an exponential average whose weight grows with the curve', () => {
  // weight = 1.8 · (σ(0.05 · 4) − 0.5) = 0.0897…
  const weight = 1.8 * (1 / (1 + Math.exp(-0.2)) - 0.5);
  expect(smooth([4, 2, 2, 2])).toEqual([
    4,
    expect.closeTo(4 * weight + 2 * (1 - weight), 12),
    expect.closeTo(2 + 2 * weight ** 2, 12),
    expect.closeTo(2 + 2 * weight ** 3, 12),
  ]);
});

test('a plot has both curves, its ticks in round numbers, and its text escaped', () => {
  const svg = plot(
    Array.from({ length: 30 }, (_, i) => ({ step: i + 1, value: 3 / (i + 1) })),
    text,
  )!;
  expect(svg).toContain('Training loss &lt;of a run&gt;');
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg.match(/<circle/g)).toHaveLength(30);
  const ticks = [...svg.matchAll(/<text[^>]*>([\d.]+)<\/text>/g)].map((match) => match[1]);
  expect(ticks).toEqual(expect.arrayContaining(['0.0', '0.5', '3.0', '5', '30']));
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

test.each([
  ['one point', [{ step: 5, value: 1.25 }]],
  ['a flat curve', [1, 2, 3].map((step) => ({ step, value: 0 }))],
  [
    'values that are no numbers',
    [
      { step: 1, value: 2 },
      { step: 2, value: Number.NaN },
    ],
  ],
  ['tiny values', [1, 2].map((step) => ({ step, value: step * 1e-7 }))],
  ['huge values', [1, 2].map((step) => ({ step, value: step * 1e12 }))],
])('%s gives a sound plot', (_, points) => {
  expect(plot(points, text)).not.toMatch(/NaN|undefined|Infinity/);
});

test('a long run is thinned, its spikes kept', () => {
  const points = Array.from({ length: 100_000 }, (_, i) => ({ step: i + 1, value: 1 }));
  points[55_555] = { step: 55_556, value: 9 };
  const svg = plot(points, text)!;
  expect(svg.length).toBeLessThan(100_000);
  expect(svg).toContain('9');
  const heights = /stroke="#9db8e8"[^>]*points="([^"]+)"/
    .exec(svg)![1]!
    .split(' ')
    .map((point) => Number(point.split(',')[1]));
  expect(Math.min(...heights)).toBeLessThan(Math.max(...heights) - 200);
});

test('nothing to draw is no plot', () => {
  expect(plot([], text)).toBeUndefined();
  expect(plot([{ step: 1, value: Number.NaN }], text)).toBeUndefined();
});
