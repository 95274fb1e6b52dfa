/** @file One training of the torch engine: this process leads, ranks of PyTorch compute. */
import { rmSync } from 'node:fs';
import { buildModel } from '../../models/load.ts';
import { runLoop } from '../../train/loop.ts';
import type { Outcome } from '../run-folder.ts';
import type { TrainContext } from './child.ts';
import type { TrainRequest } from './protocol.ts';
import { runInFolder } from './run-in-folder.ts';
import { savedTexts } from './save-model.ts';
import { torchLearner } from './torch-learner.ts';
import { adapterForTorch, modelForTorch, scratchFolder } from './torch-model.ts';
import { torchPython } from './torch-python.ts';
import { startRanks } from './torch-ranks.ts';
import { torchTask } from './torch-task.ts';
import { worldOf } from './torch-world.ts';
import { identify, openSource } from './train-identity.ts';

export async function trainTorch(request: TrainRequest, context: TrainContext): Promise<Outcome> {
  const { job, prepared } = request;
  const python = torchPython(job.engine);
  const source = await openSource(job);
  const identity = await identify(request, source, 'torch');
  const { rows, plan, adapters, fingerprint } = identity;
  const scratch = scratchFolder();
  try {
    return await runInFolder(request, fingerprint, plan.steps, context, 'torch', async () => {
      const tuned = adapterForTorch(job, await buildModel(source), adapters, scratch);
      const world = worldOf(job.engine);
      const { task, notes } = torchTask(job, {
        world,
        model: await modelForTorch(source, request.version),
        adapter: tuned.folder,
        rows: prepared.train,
        evaluations: prepared.evaluations,
        config: source.config,
      });
      const texts = savedTexts(job, source, tuned.files);
      return async (host) => {
        for (const message of notes) {
          host.emit({
            type: 'warning',
            code: 'torch/deepspeed',
            message,
            help: 'nothing need be done',
          });
        }
        const ranks = await startRanks({ python, task, world, scratch, host });
        try {
          host.emit({ type: 'heartbeat', phase: 'training' });
          const { place } = { place: (row: number) => rows.places(row)[0] };
          const learner = torchLearner({ settings: job.train, ranks, plan, place, host, texts });
          const { outcome } = await runLoop(job.train, plan, learner, host);
          if (outcome === 'finished' && job.train.do_train) await learner.exportTo(host.outputDir);
          await ranks.end();
          return outcome;
        } finally {
          ranks.kill();
        }
      };
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
