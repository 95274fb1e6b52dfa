/** Every op's gradient against finite differences, in f64. */
import { describe, expect, test } from 'vitest';
import { Memory } from '../memory.ts';
import { checkpoint } from '../op.ts';
import { within } from '../session.ts';
import { Tape } from '../tape.ts';
import { checkGradients, ones, tensorOf, wave } from '../testing.ts';
import { add } from './add.ts';
import { attention } from './attention.ts';
import { columns } from './columns.ts';
import { embedding } from './embedding.ts';
import { gelu } from './gelu.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { linearCrossEntropy } from './linear-cross-entropy.ts';
import { loraLinear } from './lora-linear.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { sum } from './sum.ts';
import { swiglu } from './swiglu.ts';
import { takeRows } from './take-rows.ts';

const randomness = {
  seed: 3,
  step: 2,
  rowIds: Int32Array.of(5, 5, 9),
  positions: Int32Array.of(0, 1, 0),
};

describe('gradients', () => {
  test('linear', () => {
    checkGradients(
      (x, w) => linear([x, w, null], null),
      [
        [3, 4],
        [5, 4],
      ],
    );
    checkGradients((x, w, b) => linear([x, w, b], null), [[3, 4], [5, 4], [5]]);
  });

  test('lora-linear', () => {
    const shapes = [[3, 4], [5, 4], [5], [2, 4], [5, 2]];
    const still = { scale: 1.5, dropout: 0, purpose: 1, randomness };
    checkGradients((x, w, bias, a, b) => loraLinear([x, w, bias, a, b], still), shapes);
    const dropped = { ...still, dropout: 0.4 };
    checkGradients((x, w, bias, a, b) => loraLinear([x, w, bias, a, b], dropped), shapes);
  });

  test('norms', () => {
    checkGradients((x, w) => rmsNorm([x, w], 1e-6), [[3, 8], [8]]);
    checkGradients((x, w, b) => layerNorm([x, w, b], 1e-5), [[3, 8], [8], [8]]);
  });

  test('activations', () => {
    checkGradients(
      (gate, up) => swiglu([gate, up], null),
      [
        [3, 5],
        [3, 5],
      ],
    );
    checkGradients((x) => gelu([x], { tanh: false }), [[3, 5]]);
    checkGradients((x) => gelu([x], { tanh: true }), [[3, 5]]);
  });

  test('rope', () => {
    const memory = new Memory();
    const angles = wave(3 * 2);
    const cos = tensorOf(memory, [3, 2], angles.map(Math.cos));
    const sin = tensorOf(memory, [3, 2], angles.map(Math.sin));
    checkGradients((x) => rope([x, cos, sin], null), [[3, 2, 4]]);
    checkGradients((x) => rope([x, cos, sin], null), [[3, 2, 6]]);
  });

  test('rows and columns', () => {
    checkGradients((table) => embedding([table], { indices: Int32Array.of(2, 0, 2) }), [[4, 3]]);
    checkGradients((x) => takeRows([x], { rows: Int32Array.of(0, 3) }), [[4, 2, 3]]);
    checkGradients((x) => columns([x], { from: 1, width: 2 }), [[3, 4]]);
  });

  test('a padding row gets no gradient by being read', () => {
    const memory = new Memory();
    const tape = new Tape(memory);
    const table = tensorOf(memory, [4, 3], wave(12)).detach(true);
    const [grad] = within({ memory, tape }, () => {
      const y = embedding([table], { indices: Int32Array.of(2, 0, 2), padding: 2 });
      return tape.backward([[y, ones(memory, y)]], [table]);
    });
    expect([...(grad?.read() ?? [])]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test('one value used twice', () => {
    checkGradients((x) => add([x, x], null), [[2, 3]]);
    checkGradients((x, w) => add([add([x, rmsNorm([x, w], 1e-6)], null), x], null), [[2, 3], [3]]);
    checkGradients((x) => sum([x], { scale: -2 }), [[2, 3]]);
  });

  test('attention, two documents, grouped queries', () => {
    const documents = {
      queryStarts: Int32Array.of(0, 2, 5),
      keys: { ranges: Int32Array.of(0, 2, 2, 3), starts: Int32Array.of(0, 1, 2) },
      scale: 0.5,
    };
    const shapes = [
      [5, 4, 2],
      [5, 2, 2],
      [5, 2, 2],
    ];
    checkGradients((q, k, v) => attention([q, k, v], { ...documents, slopes: null }), shapes);
    const slopes = Float64Array.of(0.5, 0.25, 0.125, 0.0625) as unknown as Float32Array;
    checkGradients((q, k, v) => attention([q, k, v], { ...documents, slopes }), shapes);
  });

  test('attention, two replies to one prompt', () => {
    const pair = {
      queryStarts: Int32Array.of(0, 2, 4, 5),
      keys: {
        ranges: Int32Array.of(0, 2, 0, 2, 2, 2, 0, 2, 4, 1),
        starts: Int32Array.of(0, 1, 3, 5),
      },
      scale: 0.5,
      slopes: null,
    };
    const shapes = [
      [5, 2, 2],
      [5, 1, 2],
      [5, 1, 2],
    ];
    checkGradients((q, k, v) => attention([q, k, v], pair), shapes);
  });

  test('linear-cross-entropy, in chunks', () => {
    const targets = Int32Array.of(3, 0, 6, 2, 2);
    for (const chunk of [2, 256]) {
      // A frozen head takes the way that keeps no logits, a trained one makes them again.
      const memory = new Memory();
      const head = tensorOf(memory, [7, 4], wave(28));
      checkGradients((h) => linearCrossEntropy([h, head, null], { targets, chunk }), [[5, 4]]);
      checkGradients(
        (h, w) => linearCrossEntropy([h, w, null], { targets, chunk }),
        [
          [5, 4],
          [7, 4],
        ],
      );
      checkGradients(
        (h, w, b) => linearCrossEntropy([h, w, b], { targets, chunk }),
        [[5, 4], [7, 4], [7]],
      );
    }
  });

  test('checkpoint', () => {
    checkGradients(
      (x, w) =>
        checkpoint((x, w) => add([x, rmsNorm([swiglu([x, x], null), w], 1e-6)], null), [x, w]),
      [[3, 4], [4]],
    );
  });
});

describe('selective recomputation', () => {
  test('a chain of cheap ops, one value for two readers, seen in two shapes', () => {
    checkGradients(
      (x, norm, w, v) => {
        const y = rmsNorm([gelu([x], { tanh: false }), norm], 1e-6);
        const z = linear([y.reshape([6, 2]), v, null], null);
        return add([linear([y, w, null], null), z.reshape([3, 4])], null);
      },
      [[3, 4], [4], [4, 4], [2, 2]],
      { selective: true },
    );
  });

  test('keeps what a norm is made of, and not the norm', () => {
    const held = (selective: boolean): number => {
      const memory = new Memory();
      const tape = new Tape(memory, { selective });
      const x = tensorOf(memory, [64, 128], wave(64 * 128)).detach(true);
      const norm = tensorOf(memory, [128], wave(128));
      const w = tensorOf(memory, [1, 128], wave(128)).detach(true);
      const before = memory.account().activations.inUse;
      within({ memory, tape }, () =>
        memory.scope(() => {
          linear([rmsNorm([x, norm], 1e-6), w, null], null);
          return null;
        }),
      );
      const bytes = memory.account().activations.inUse - before;
      tape.clear();
      expect(memory.account().activations.inUse).toBe(before);
      return bytes;
    };
    expect(held(false) - held(true)).toBe(64 * 128 * 8);
  });
});

test('a frozen input gets no gradient and its buffers go back', () => {
  const memory = new Memory();
  const x = tensorOf(memory, [3, 4], wave(12)).detach(true);
  const w = tensorOf(memory, [5, 4], wave(20));
  const tape = new Tape(memory);
  const before = memory.account();
  within({ memory, tape }, () =>
    memory.scope(() => {
      const y = linear([x, w, null], null);
      const [dx, dw] = tape.backward([[y, ones(memory, y)]], [x, w]);
      expect(dx).not.toBeNull();
      expect(dw).toBeNull();
    }),
  );
  expect(memory.account().gradients.inUse).toBe(before.gradients.inUse);
  expect(memory.account().activations.inUse).toBe(before.activations.inUse);
});
