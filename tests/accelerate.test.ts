import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import { withAccelerate } from '../src/runs/engines/accelerate.ts';
import { torchTask } from '../src/runs/engines/torch-task.ts';
import { worldOf } from '../src/runs/engines/torch-world.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-accelerate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The file of two machines that LLaMA-Factory's examples have, in its own values. */
const twoMachines = `compute_environment: LOCAL_MACHINE
debug: false
distributed_type: FSDP
downcast_bf16: 'no'
fsdp_config:
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_backward_prefetch: BACKWARD_PRE
  fsdp_forward_prefetch: false
  fsdp_cpu_ram_efficient_loading: true
  fsdp_offload_params: true
  fsdp_sharding_strategy: FULL_SHARD
  fsdp_state_dict_type: FULL_STATE_DICT
  fsdp_sync_module_states: true
  fsdp_use_orig_params: true
machine_rank: 0
main_training_function: main
mixed_precision: bf16
main_process_ip: 192.168.0.1
main_process_port: 29500
num_machines: 2
num_processes: 16
rdzv_backend: static
same_network: true
tpu_env: []
tpu_use_cluster: false
tpu_use_sudo: false
use_cpu: false
`;

const asFile = (text: string): string => {
  const path = join(folder, 'fsdp_config.yaml');
  writeFileSync(path, text);
  return path;
};

function jobOf(...settings: string[]) {
  const overrides = ['engine=torch', 'model_name_or_path=x', 'dataset=y', 'use_cpu=true'];
  return loadConfig({ command: 'train', overrides: [...overrides, ...settings] }).job;
}

const taskOf = (job: ReturnType<typeof jobOf>) =>
  torchTask(job, {
    world: worldOf(job.engine),
    model: 'm',
    adapter: 'a',
    merged: [],
    rows: 'r',
    evaluations: [],
    config: {},
  });

test('accelerate’s file says the processes, the machines and the sharding', () => {
  const job = jobOf(`fsdp_config=${asFile(twoMachines)}`, 'bf16=true');
  expect(worldOf(job.engine)).toMatchObject({
    ...{ local: 8, size: 16, nodes: 2, node: 0, address: '192.168.0.1', port: 29500 },
  });
  expect(taskOf(job).task).toMatchObject({ strategy: 'fsdp', sharding: 'full', offload: true });
});

test('a setting that is written wins over the file', () => {
  const job = jobOf(
    `fsdp_config=${asFile(twoMachines)}`,
    ...['bf16=true', 'nproc_per_node=2', 'node_rank=1', 'fsdp=shard_grad_op'],
  );
  expect(worldOf(job.engine)).toMatchObject({ local: 2, size: 4, node: 1 });
  expect(taskOf(job).task).toMatchObject({ sharding: 'gradients', offload: false });
});

test.each([
  ['{"reshard_after_forward": false}', { sharding: 'gradients' }],
  ['{"fsdp_sharding_strategy": "HYBRID_SHARD"}', { sharding: 'hybrid' }],
  ['{"fsdp_sharding_strategy": 2}', { sharding: 'gradients' }],
  ['{"sharding_strategy": "NO_SHARD"}', { strategy: 'ddp' }],
  ['{"activation_checkpointing": true}', { strategy: 'fsdp', gradient_checkpointing: true }],
])('Hugging Face’s own map: %s', (map, wanted) => {
  expect(taskOf(jobOf(`fsdp_config=${map}`, 'nproc_per_node=2')).task).toMatchObject(wanted);
});

test.each([
  [
    twoMachines,
    'fp16=true',
    "`mixed_precision` is bf16 in accelerate's file, and the settings have `fp16: true`",
  ],
  [twoMachines, 'bf16=false', '`bf16` is false in the settings'],
  ['distributed_type: TPU\n', 'bf16=true', '`distributed_type: TPU` is none that is known here'],
  ['distributed_type: FSDP\nnum_processes: 3\nnum_machines: 2\n', 'bf16=true', '3 processes'],
  ['distributed_type: FSDP\nnum_processes: many\n', 'bf16=true', '`num_processes`: '],
  ['distributed_type: [\n', 'bf16=true', 'it cannot be read: '],
  ['- 1\n', 'bf16=true', 'it is no map of settings'],
  ['distributed_type: FSDP\nfsdp_config: {fsdp_sharding_strategy: HALF}\n', 'bf16=true', 'HALF'],
  ['distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 2}\n', 'bf16=true', 'plug-in'],
])('a file that cannot be served is told: %#', (text, setting, says) => {
  const { engine, train } = jobOf(`fsdp_config=${asFile(text)}`, setting);
  expect(() => withAccelerate(engine, train)).toThrow(says);
});
