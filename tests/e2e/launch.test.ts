/** @file The batch file of `tunery launch`, run by bash with stand-ins for what a cluster has. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePlace } from './cli.ts';

const place = makePlace();
beforeAll(() => {
  writeFileSync(
    place.at("it's.yaml"),
    'model_name_or_path: m\ndataset: d\noutput_dir: saves/a run\nfsdp: full_shard\n',
  );
  mkdirSync(place.at('bin'));
  const program = (name: string, text: string): void => {
    writeFileSync(place.at('bin', name), `#!/usr/bin/env bash\n${text}\n`);
    chmodSync(place.at('bin', name), 0o755);
  };
  // What `srun` does: the command once on each machine, which has a number.
  program('srun', 'shift; for i in 0 1; do SLURM_NODEID=$i "$@"; done');
  program('scontrol', 'printf "gpu17\\ngpu18\\n"');
  program(
    'tunery',
    'printf "%s|" "$NODE_RANK" "$NNODES" "$MASTER_ADDR" "$MASTER_PORT" "$@" >> log; echo >> log',
  );
});
afterAll(() => place.remove());

test('every machine trains the file, with its number and the first one’s address', async () => {
  const written = await place.run(
    'launch',
    "it's.yaml",
    'learning_rate=1e-4',
    '--slurm',
    'job.sbatch',
    '--nodes',
    '2',
    '--gpus',
    '4',
    '--partition',
    'gpu',
  );
  expect(written, written.err).toMatchObject({ code: 0 });
  expect(written.out).toContain('sbatch job.sbatch');
  const text = readFileSync(place.at('job.sbatch'), 'utf8');
  for (const asked of [
    '--nodes=2',
    '--gpus-per-node=4',
    '--partition=gpu',
    '--signal=TERM@180',
    '--requeue',
    '--job-name=tunery-saves-a-run',
  ]) {
    expect(text).toContain(`#SBATCH ${asked}\n`);
  }
  const { status, stderr } = spawnSync('bash', ['job.sbatch'], {
    cwd: place.folder,
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${place.at('bin')}:${process.env['PATH']}`,
      SLURM_JOB_NODELIST: 'gpu[17-18]',
      SLURM_JOB_ID: '12345',
      SLURM_NNODES: '2',
    },
  });
  expect(status, stderr).toBe(0);
  const given = `2|gpu17|24690|train|${place.at("it's.yaml")}|learning_rate=1e-4|engine=torch|nproc_per_node=4|resume_from_checkpoint=true|`;
  expect(readFileSync(place.at('log'), 'utf8')).toBe(`0|${given}\n1|${given}\n`);
});

test('settings that are wrong are said before anything is queued', async () => {
  const { code, err } = await place.run(
    'launch',
    "it's.yaml",
    'lora_rnk=8',
    '--slurm',
    'wrong.sbatch',
  );
  expect(code).toBe(2);
  expect(err).toMatch(/did you mean `lora_rank`/);
});
