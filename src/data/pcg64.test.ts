import { describe, expect, test } from 'vitest';
import { numpyRandom } from './pcg64.ts';

// Of NumPy 2.4.6: `np.random.default_rng(seed)` and then the call that the test names.
const expected = {
  '0': {
    random: [0.6369616873214543, 0.2697867137638703, 0.04097352393619469],
    permutation: [2, 10, 3, 11, 0, 4, 7, 5, 16, 12, 13, 6, 9, 14, 8, 1, 15],
    shuffle: [4, 5, 2, 6, 3, 8, 7, 0, 1],
    integers: [13936, 10435, 8374, 4420, 5043, 671],
    integers63: '5874934615388537135',
  },
  '1': {
    random: [0.5118216247002567, 0.9504636963259353, 0.14415961271963373],
    permutation: [1, 10, 14, 15, 7, 12, 3, 4, 5, 8, 0, 9, 2, 16, 13, 11, 6],
    shuffle: [7, 0, 1, 4, 2, 5, 8, 6, 3],
    integers: [7752, 8385, 12372, 15572, 571, 2361],
    integers63: '4720721261117928063',
  },
  '42': {
    random: [0.7739560485559633, 0.4388784397520523, 0.8585979199113825],
    permutation: [12, 16, 11, 6, 10, 9, 7, 3, 0, 15, 5, 2, 4, 14, 1, 13, 8],
    shuffle: [3, 0, 7, 2, 4, 6, 1, 5, 8],
    integers: [1462, 12680, 10724, 7190, 7094, 14067],
    integers63: '7138484576005690180',
  },
  '1099511627783': {
    random: [0.829812891829413, 0.25530515834910417, 0.15379071585298754],
    permutation: [15, 3, 6, 12, 2, 13, 1, 7, 16, 8, 14, 11, 4, 9, 5, 0, 10],
    shuffle: [2, 7, 8, 6, 3, 4, 1, 5, 0],
    integers: [3383, 13595, 9986, 4182, 278, 2519],
    integers63: '7653673022321004757',
  },
  '1180591620717411303427': {
    random: [0.4203871190878119, 0.2858736967365757, 0.10627311818295038],
    permutation: [6, 3, 15, 4, 12, 14, 10, 5, 9, 8, 11, 7, 1, 16, 13, 0, 2],
    shuffle: [4, 6, 7, 3, 1, 8, 5, 0, 2],
    integers: [2323, 6887, 4427, 4683, 650, 1741],
    integers63: '3877386798848463681',
  },
} as const;

describe.each(Object.entries(expected))('seed %s', (seed, numpy) => {
  const random = () => numpyRandom(BigInt(seed));

  test('random()', () => {
    const { double } = random();
    expect([double(), double(), double()]).toEqual(numpy.random);
  });

  test('permutation(17)', () => expect([...random().permutation(17)]).toEqual(numpy.permutation));

  test('shuffle of a list', () => {
    const list = Array.from({ length: 9 }, (_, i) => i);
    random().shuffle(list);
    expect(list).toEqual(numpy.shuffle);
  });

  test('integers(0, 16384)', () => {
    const { upTo } = random();
    expect(Array.from({ length: 6 }, () => upTo(16383))).toEqual(numpy.integers);
  });

  test('integers(0, 2 ** 63)', () => {
    expect(String(random().below2to63())).toBe(numpy.integers63);
  });
});

test('a long permutation', () => {
  const order = numpyRandom(42).permutation(100_000);
  expect([order[0], order[1], order[50_000], order[99_999]]).toEqual([45262, 49850, 61998, 75400]);
  expect(new Set(order).size).toBe(100_000);
});
