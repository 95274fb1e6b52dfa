/** @file `tunery estimate --gpu`: what each rank of the torch engine will take on GPUs that need not be here. */
import type { Gpus } from '../advise/gpus.ts';
import { alone, fastest, type Layout, layouts, placeAll, type Way } from '../advise/ranks.ts';
import { openForEstimate } from '../estimate/dry-source.ts';
import { shapeOf, weightsOf } from '../estimate/model-shape.ts';
import { rankCuts } from '../estimate/rank-cuts.ts';
import { rankInput } from '../estimate/rank-job.ts';
import { type RankInput, trainableOf } from '../estimate/ranks.ts';
import { buildModel } from '../models/load.ts';
import { autoTokens } from '../runs/engines/torch-task.ts';
import type { Job } from '../train/job.ts';
import type { Context } from './command.ts';
import { plannedRows } from './planned-rows.ts';
import { placedLines } from './rank-view.ts';

type Words = Pick<Context, 'print' | 'note' | 'emit' | 'progress' | 'signal' | 'json'>;

export async function estimateRanks(
  given: Job,
  gpus: Gpus,
  context: Words,
): Promise<number | undefined> {
  const { count: ranks, memory } = gpus;
  const job = onGpus(given, ranks);
  const { model_name_or_path: name, model_revision: revision, cache_dir: hubCache } = job.model;
  const source = await openForEstimate(name, { revision, hubCache });
  const loaded = await buildModel(source);
  const model = shapeOf(loaded, source.config);
  const shapes = await plannedRows(job, context);
  context.progress(null);

  const inputOf = (layout: Layout, { settings }: Way): RankInput | undefined => {
    const set = job.train.micro_batch_tokens;
    const own = set === 'auto' ? autoTokens.cuda : set;
    const tokens = Number(settings['micro_batch_tokens'] ?? own);
    // A way that gives the file's own setting, or loosens it, is none.
    if (settings['micro_batch_tokens'] !== undefined && tokens >= own) return undefined;
    const checkpointing = job.train.gradient_checkpointing === true;
    if (settings['gradient_checkpointing'] === true && checkpointing) return undefined;
    const gradient_checkpointing = checkpointing || settings['gradient_checkpointing'] === true;
    return rankInput(
      { ...job, train: { ...job.train, gradient_checkpointing } },
      model,
      loaded.family.adapterTargets,
      { ...layout, ranks, device: 'cuda' },
      rankCuts(shapes, ranks, tokens),
    );
  };
  const tried = layoutsFor(job, ranks);
  const placed = placeAll(inputOf, tried);
  const rows = placed.filter(({ way }) => Object.keys(way.settings).length === 0);
  const best = fastest(placed, memory);
  const settings = best && {
    ...{ engine: 'torch', nproc_per_node: ranks },
    ...best.layout.settings,
    ...best.way.settings,
  };
  const input = inputOf(tried[0]!, { settings: {}, slower: 1 })!;
  const parameters = { all: weightsOf(model), trainable: trainableOf(input) };
  if (context.json) {
    const told = rows.map(({ layout, memory }) => ({ name: layout.name, ...memory }));
    context.emit({
      gpus,
      parameters,
      cut: input.cut,
      layouts: told,
      recommended: settings ?? null,
    });
  } else {
    const named = rows.map(({ layout, memory }) => ({ name: layout.name, memory }));
    const lines = placedLines(gpus, parameters, input.cut, named, best, settings ?? {});
    for (const line of lines) context.print(line);
  }
  return best ? undefined : 1;
}

/** The same training by as many ranks; where no rows are known, each rank has its own. */
function onGpus(job: Job, ranks: number): Job {
  const { engine, train, data } = job;
  const accumulation = train.gradient_accumulation_steps * (data.dataset.length > 0 ? 1 : ranks);
  return {
    ...job,
    engine: { ...engine, engine: 'torch', nproc_per_node: ranks, nnodes: 1 },
    train: { ...train, gradient_accumulation_steps: accumulation },
  };
}

/** bitsandbytes' blocks are not sharded; one rank has FSDP2 share nothing, while DeepSpeed offloads all the same. */
function layoutsFor({ model }: Job, ranks: number): readonly Layout[] {
  const whole = model.quantization_bit !== null;
  const shared = layouts.filter(({ strategy }) => !whole || !['fsdp', 'zero3'].includes(strategy));
  const offloaded = shared.filter(({ strategy, offload }) => offload && strategy !== 'fsdp');
  return ranks > 1 ? shared : [alone, ...offloaded];
}
