/** @file How many processes train a job, and which of them are this machine's. */
import { countGpus } from '../../engine/choose-engine.ts';
import type { EngineSettings } from '../../engine/settings.ts';
import { environment } from '../../native/environment.ts';
import { withAccelerate } from './accelerate.ts';

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
  /** Of this machine, that may be used. */
  readonly gpus: number;
};

/** Settings first, then the variables that users of torchrun and LLaMA-Factory know. */
export function worldOf(settings: EngineSettings): World {
  const { engine } = withAccelerate(settings);
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
    gpus,
  };
}

/** Processes that compute a job's steps together. */
export const ranksOf = (engine: EngineSettings): number =>
  engine.engine === 'torch' ? worldOf(engine).size : 1;
