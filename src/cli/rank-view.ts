/** @file Memory of each rank on GPUs, as a table for people. */

import { yamlOf } from '../advise/fit.ts';
import type { Gpus } from '../advise/gpus.ts';
import type { Placed } from '../advise/ranks.ts';
import { formatBytes, formatCount } from '../core/units.ts';
import type { RankKind, RankMemory } from '../estimate/ranks.ts';
import { formatElements } from './estimate-view.ts';

/** What each class is, in the order they are shown. */
export const rankKinds: Readonly<Record<RankKind, readonly [head: string, what: string]>> = {
  weights: ['weights', 'this rank’s own'],
  gradients: ['gradients', 'of what learns, as they are kept until the step'],
  optimizer: ['optimizer', 'AdamW’s moments; with ZeRO a second copy of what learns'],
  activations: ['activ.', 'what the backward pass needs of a micro-batch'],
  casts: ['copies', 'weights in two bytes, which autocast makes for a pass'],
  gathered: ['gathered', 'weights that are whole for the layer at work'],
  communication: ['buckets', 'buffers that are sent'],
  passing: ['passing', 'of the loss’s gradient or of the optimizer’s step, whichever is larger'],
  device: ['CUDA', 'context, NCCL, what the allocator cannot use: a rule of thumb'],
};

const cell = (bytes: number): string => (bytes < 5e5 ? '–' : formatBytes(bytes)).padStart(10);

/** A line for each layout. */
export function rankLines(
  rows: readonly { readonly name: string; readonly memory: RankMemory }[],
  memory: number,
): string[] {
  const kinds = Object.keys(rankKinds) as RankKind[];
  const shown = kinds.filter((kind) => rows.some(({ memory }) => memory.kinds[kind] >= 5e5));
  const head = shown.map((kind) => rankKinds[kind][0].padStart(10)).join('');
  return [
    `${'each GPU'.padEnd(15)}${head}      peak`,
    ...rows.map(
      ({ name, memory: { kinds, peak, host } }) =>
        `${name.padEnd(15)}${shown.map((kind) => cell(kinds[kind])).join('')}${cell(peak)}  ${peak <= memory ? 'fits' : 'no'}${host > 0 ? `; ${formatBytes(host)} of the CPU’s` : ''}`,
    ),
  ];
}

export function placedLines(
  gpus: Gpus,
  parameters: { readonly all: number; readonly trainable: number },
  cut: { readonly tokens: number; readonly targets: number },
  rows: readonly { readonly name: string; readonly memory: RankMemory }[],
  best: Placed | undefined,
  settings: Readonly<Record<string, string | number | boolean>>,
): string[] {
  return [
    `GPUs     ${gpus.count} × ${gpus.name} of ${formatBytes(gpus.memory)}`,
    `weights  ${formatElements(parameters.all)}, of which ${formatElements(parameters.trainable)} learn`,
    `at once  ${formatCount(cut.tokens)} tokens, ${formatCount(cut.targets)} learned`,
    '',
    ...rankLines(rows, gpus.memory),
    '',
    ...(best
      ? [
          `# the fastest that fits, ${formatBytes(best.memory.peak)} of each GPU`,
          ...yamlOf(settings),
        ]
      : [
          'nothing fits: take more GPUs or larger ones, `finetuning_type: lora`, `quantization_bit: 4`, or a smaller `cutoff_len`',
        ]),
  ];
}
