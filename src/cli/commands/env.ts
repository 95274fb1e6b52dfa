/** @file `tunery env`: the machine and the versions, for bug reports and bench results. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { formatBytes } from '../../core/units.ts';
import { addon } from '../../native/addon.ts';
import { environment } from '../../native/environment.ts';
import { defineCommand } from '../command.ts';
import { packageVersion } from '../version.ts';

function kernels(): string {
  try {
    const { isaName } = addon();
    return isaName ? String(isaName()) : 'loaded';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export const envCommand = defineCommand({
  name: 'env',
  summary: 'Print the versions and the machine, for a bug report.',
  examples: ['tunery env', 'tunery env --json'],

  async run(_job, { json, print, emit }) {
    const forced = environment('TUNERY_ISA');
    const facts = {
      tunery: packageVersion(),
      node: process.version,
      platform: `${process.platform}-${process.arch} ${release()}`,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memory: formatBytes(totalmem()),
      kernels: kernels(),
      ...(forced === undefined ? {} : { TUNERY_ISA: forced }),
    };
    if (json) emit(facts);
    else for (const [name, value] of Object.entries(facts)) print(`${name.padEnd(10)}  ${value}`);
    return undefined;
  },
});
