/** @file A profile's sums by op as a table for people. */

import type { RunEvent } from '../core/events.ts';
import { formatCount } from '../core/units.ts';

type Told = Extract<RunEvent, { type: 'profile' }>;

/** Ops that take less than this share of the time are added up in one line. */
const least = 0.002;

export function profileLines({ file, steps, peak, dropped, ops }: Told): string[] {
  const all = ops.reduce((sum, { seconds }) => sum + seconds, 0);
  const kernels = ops.reduce((sum, each) => sum + each.kernel_seconds, 0);
  const flops = ops.reduce((sum, each) => sum + each.flops, 0);
  const shown = ops.filter(({ seconds }) => seconds >= least * all);
  const rest = all - shown.reduce((sum, { seconds }) => sum + seconds, 0);
  const cell = (text: string, width: number): string => text.padStart(width);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const row = ({ name, calls, seconds, ...sums }: Told['ops'][number]): string =>
    [
      name.padEnd(30),
      cell((calls / steps).toFixed(0), 7),
      cell(((1000 * seconds) / steps).toFixed(1), 9),
      cell(percent(seconds / all), 8),
      cell(sums.flops > 0 ? (sums.flops / seconds / 1e9).toFixed(0) : '', 9),
      cell(sums.flops > 0 ? percent(sums.flops / seconds / 1e9 / peak) : '', 8),
      cell((sums.bytes / steps / 1e6).toFixed(0), 9),
      cell((sums.bytes / seconds / 1e9).toFixed(1), 7),
    ].join(' ');
  return [
    `${'op'.padEnd(30)} ${cell('calls', 7)} ${cell('ms', 9)} ${cell('share', 8)} ${cell('GFLOP/s', 9)} ${cell('of peak', 8)} ${cell('MB', 9)} ${cell('GB/s', 7)}`,
    ...shown.map(row),
    ...(rest > 0
      ? [
          `${'others'.padEnd(30)} ${cell('', 7)} ${cell(((1000 * rest) / steps).toFixed(1), 9)} ${cell(percent(rest / all), 8)}`,
        ]
      : []),
    `a step: ${((1000 * all) / steps).toFixed(0)} ms, ${percent(1 - kernels / all)} outside kernels, ${(flops / all / 1e9).toFixed(0)} GFLOP/s, ${percent(flops / all / 1e9 / peak)} of the peak (${peak.toFixed(0)})`,
    ...(dropped > 0 ? [`${formatCount(dropped)} events found no room in the file`] : []),
    `profile ${file}: open it at https://ui.perfetto.dev`,
  ];
}
