/** @file What each rank of a run took in one step, by class, beside what `tunery estimate --gpu` says of that step. */
import { z } from 'zod';
import { shapeOf } from '../../estimate/model-shape.ts';
import { rankInput } from '../../estimate/rank-job.ts';
import { type RankKind, rankMemory, type Strategy } from '../../estimate/ranks.ts';
import { isJsonObject, type JsonObject } from '../../files/json.ts';
import type { LoadedModel } from '../../models/load.ts';
import type { Job } from '../../train/job.ts';
import type { World } from './torch-world.ts';

/** Of one rank: classes in bytes, its largest micro-batch, and how many it computed. */
export const Account = z.object({
  kinds: z.record(z.string(), z.number()),
  cut: z.object({ tokens: z.int(), targets: z.int(), documents: z.int() }),
  cuts: z.int(),
});
export type Account = z.infer<typeof Account>;

export type AccountFile = {
  readonly ranks: readonly {
    readonly predicted: Readonly<Record<RankKind, number>>;
    /** Classes that are measured; the others pass too quickly, or are not PyTorch's. */
    readonly measured: Readonly<Record<string, number>>;
  }[];
};

export type Accounted = {
  readonly job: Job;
  readonly loaded: LoadedModel;
  readonly config: JsonObject;
  readonly task: JsonObject;
  readonly world: World;
};

/** Predicted and measured, for each rank. */
export function accountOf(
  { job, loaded, config, task, world }: Accounted,
  accounts: readonly Account[],
): AccountFile {
  const model = shapeOf(loaded, config);
  const { strategy, offload, bucket } = layoutOf(task);
  const layout = { strategy, offload, ranks: world.size, device: world.device };
  return {
    ranks: accounts.map(({ kinds, ...cuts }) => ({
      predicted: rankMemory({
        ...rankInput(job, model, loaded.family.adapterTargets, layout, cuts),
        bucket,
      }).kinds,
      measured: kinds,
    })),
  };
}

/** How a task lays a model out, in the words of the estimate. */
function layoutOf({ strategy, offload, deepspeed }: JsonObject): {
  readonly strategy: Strategy;
  readonly offload: boolean;
  readonly bucket: number | undefined;
} {
  if (!isJsonObject(deepspeed)) {
    return { strategy: strategy as Strategy, offload: offload === true, bucket: undefined };
  }
  const zero = isJsonObject(deepspeed['zero_optimization']) ? deepspeed['zero_optimization'] : {};
  const { stage = 0, reduce_bucket_size: bucket } = zero;
  return {
    strategy: stage === 0 ? 'ddp' : (`zero${stage}` as Strategy),
    offload: zero['offload_optimizer'] !== undefined,
    bucket: typeof bucket === 'number' ? bucket : undefined,
  };
}
