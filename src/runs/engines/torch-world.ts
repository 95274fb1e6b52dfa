/** @file How many processes train a job, and which of them are this machine's. */
import { readdirSync } from 'node:fs';
import type { EngineSettings } from '../../engine/settings.ts';
import { environment } from '../../native/environment.ts';

export type World = {
  /** Processes of this machine, and of all. */
  readonly local: number;
  readonly size: number;
  readonly nodes: number;
  readonly node: number;
  /** Where the first rank listens; unset where all are on this machine. */
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly device: 'cpu' | 'cuda';
};

/** Settings first, then the variables that users of torchrun and LLaMA-Factory know. */
export function worldOf(engine: EngineSettings): World {
  const number = (set: number | null, name: string): number | undefined => {
    const text = environment(name);
    return set ?? (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  };
  const gpus = engine.use_cpu ? 0 : countGpus();
  const local = number(engine.nproc_per_node, 'NPROC_PER_NODE') ?? Math.max(1, gpus);
  const nodes = number(engine.nnodes, 'NNODES') ?? 1;
  return {
    local,
    nodes,
    size: local * nodes,
    // A number that the shell kept from another job says nothing of one machine alone.
    node: nodes === 1 ? 0 : (number(engine.node_rank, 'NODE_RANK') ?? 0),
    address: engine.master_addr ?? environment('MASTER_ADDR'),
    port: number(engine.master_port, 'MASTER_PORT'),
    device: gpus > 0 ? 'cuda' : 'cpu',
  };
}

/** Processes that compute a job's steps together. */
export const ranksOf = (engine: EngineSettings): number =>
  engine.engine === 'torch' ? worldOf(engine).size : 1;

/** NVIDIA's devices that this process may use. */
function countGpus(): number {
  const visible = environment('CUDA_VISIBLE_DEVICES');
  if (visible !== undefined) return visible === '-1' ? 0 : visible.split(',').length;
  try {
    return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}
