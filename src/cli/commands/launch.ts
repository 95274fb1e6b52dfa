/** @file `tunery launch`: a file for a cluster's queue that trains on its machines. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../../config/load.ts';
import { field } from '../../core/field.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { defineCommand } from '../command.ts';

const options = {
  slurm: field(z.string(), { help: 'The batch file to write, for `sbatch`.' }),
  nodes: field(z.int().min(1).default(1), { help: 'Machines.' }),
  gpus: field(z.int().min(0).default(8), { help: 'GPUs of each; 0 trains on its CPU.' }),
  cpus: field(z.int().min(1).nullable().default(null), {
    help: 'Cores of each; unset leaves it to the cluster.',
  }),
  partition: field(z.string().nullable().default(null), { help: 'The queue.' }),
  time: field(
    z
      .string()
      .regex(/^[\d:-]+$/)
      .default('24:00:00'),
    {
      help: 'How long it may take, as Slurm writes it: `2-00:00:00`.',
    },
  ),
};

export const launchCommand = defineCommand({
  name: 'launch',
  summary:
    'Write a Slurm batch file that trains on the machines of a cluster, saves before its time is over, and goes on when it is queued again.',
  examples: ['tunery launch train.yaml --slurm train.sbatch --nodes 2 --gpus 8 --partition gpu'],
  positionals: [{ name: 'FILE', help: 'a settings file of a training' }],
  takesSettings: true,
  options,

  async run(_job, { positionals: [file = ''], options, settings, print }) {
    // What is wrong with the settings is better said now than after a night in a queue.
    const overrides = [...settings, 'engine=torch'];
    const { job } = loadConfig({ file, overrides, command: 'train' });
    const text = batchFile({
      ...options,
      file: resolve(file),
      settings: overrides,
      name: job.train.output_dir,
    });
    writeFileAtomic(options.slurm, text);
    print(`Wrote ${options.slurm}. To queue it:\n\n  sbatch ${options.slurm}`);
    return undefined;
  },
});

type Batch = {
  readonly nodes: number;
  readonly gpus: number;
  readonly cpus: number | null;
  readonly partition: string | null;
  readonly time: string;
  readonly file: string;
  readonly settings: readonly string[];
  /** The run's folder. */
  readonly name: string;
};

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function batchFile({ nodes, gpus, cpus, partition, time, file, settings, name }: Batch): string {
  const asked = [
    `--job-name=tunery-${name.replaceAll(/[^\w.-]+/g, '-')}`,
    `--nodes=${nodes}`,
    '--ntasks-per-node=1',
    ...(gpus > 0 ? [`--gpus-per-node=${gpus}`] : []),
    ...(cpus === null ? [] : [`--cpus-per-task=${cpus}`]),
    ...(partition === null ? [] : [`--partition=${partition}`]),
    `--time=${time}`,
    '--output=%x-%j.log',
    '--requeue',
    '--signal=TERM@180',
  ];
  const command = [
    file,
    ...settings,
    `nproc_per_node=${Math.max(1, gpus)}`,
    ...(gpus === 0 ? ['use_cpu=true'] : []),
    'resume_from_checkpoint=true',
  ];
  return `#!/usr/bin/env bash
${asked.map((line) => `#SBATCH ${line}`).join('\n')}

# One process of Tunery on each machine leads its ranks. Three minutes before the time is over all save and stop; queued again, the
# run goes on from there.
set -euo pipefail

# Read whole: a pipe that closes after the first line would end a job under pipefail.
read -r MASTER_ADDR <<<"$(scontrol show hostnames "$SLURM_JOB_NODELIST")"
# A port of this job's own, and the one after it.
MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000 * 2))
export MASTER_ADDR MASTER_PORT NNODES="$SLURM_NNODES"

# shellcheck disable=SC2016 # each machine has a number of its own
srun --kill-on-bad-exit=1 bash -c 'NODE_RANK=$SLURM_NODEID exec tunery train "$@"' tunery \\
${command.map((part) => `  ${quoted(part)}`).join(' \\\n')}
`;
}
