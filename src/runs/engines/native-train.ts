/** @file One training in the native engine's process: from a Job and Prepared sets to the files of an adapter or a model. */
import type { Prepared } from '../../data/prepared.ts';
import { Memory } from '../../engine/memory.ts';
import { sampleOf, shapesOfPlan } from '../../estimate/shapes-of-job.ts';
import { methods } from '../../methods/index.ts';
import type { LoadedModel } from '../../models/load.ts';
import type { ModelSource } from '../../models/source.ts';
import { instructionSet, setThreads } from '../../native/machine.ts';
import type { Rows } from '../../train/evaluate.ts';
import type { TrainHost } from '../../train/host.ts';
import type { Job } from '../../train/job.ts';
import { loadToTrain, tune } from '../../train/load.ts';
import { train } from '../../train/train.ts';
import type { Outcome } from '../run-folder.ts';
import { accountant } from './account.ts';
import type { TrainContext } from './child.ts';
import { profilingHost } from './profile-run.ts';
import type { TrainRequest } from './protocol.ts';
import { runInFolder } from './run-in-folder.ts';
import { modelSaver, savingModules } from './save-model.ts';
import { identify, openSource } from './train-identity.ts';

/** The model in memory, once: for the process's one training. */
type Loaded = LoadedModel & { readonly source: ModelSource; readonly memory: Memory };
let begun: Promise<Loaded> | undefined;

/** Loads the model of a training that will follow: neither its rows nor its folder have a say in that. */
export async function beginNative(job: Job): Promise<void> {
  begun = openSource(job).then((source) => load(job, source));
  await begun;
}

async function load(job: Job, source: ModelSource): Promise<Loaded> {
  setThreads(job.engine.threads ?? 0);
  const memory = new Memory();
  return { ...(await loadToTrain(job, source, memory)), source, memory };
}

export async function trainNative(request: TrainRequest, context: TrainContext): Promise<Outcome> {
  const { job } = request;
  // What went wrong there goes wrong here too, and is told then.
  const early = await begun?.catch(() => undefined);
  const source = early?.source ?? (await openSource(job));
  const { rows, evaluations, plan, adapters, fingerprint } = await identify(
    request,
    source,
    instructionSet(),
  );
  return runInFolder(request, fingerprint, plan.steps, context, 'native', async () => {
    const loaded = early ?? (await load(job, source));
    const { model, memory } = loaded;
    const tuned = tune(job, loaded, memory, adapters);
    const saveModel = modelSaver(job, source, tuned);
    return async (host) => {
      for (const note of tuned.notes ?? []) host.emit({ type: 'warning', ...note });
      host.emit({ type: 'heartbeat', phase: 'training' });
      const sample = sampleOf(job, shapesOfPlan(plan, rows));
      const { profile: file } = request;
      const account = accountant(
        file ? profilingHost(host, { file, memory, totalSteps: plan.steps }) : host,
        { job, source, memory, sample, timesKernels: !file },
      );
      const emit: TrainHost['emit'] = (event) => {
        account.host.emit(event);
        // Not before the first step, which everybody waits for; by a save's time their files may be another version's.
        if (event.type === 'step-end') savingModules().catch(() => {});
      };
      const { outcome } = await train({
        settings: job.train,
        method: methods[job.method.stage],
        model,
        parameters: tuned.parameters,
        memory,
        rows: rowsOf(rows),
        plan,
        evalSets: evaluations.map(({ name, set }) => ({ name, rows: rowsOf(set) })),
        host: { ...account.host, emit },
        saveModel,
      });
      account.end();
      if (outcome === 'finished' && job.train.do_train) await saveModel(host.outputDir);
      return outcome;
    };
  });
}

const rowsOf = (prepared: Prepared): Rows => ({
  count: prepared.count,
  row: (row) => ({
    row,
    ids: prepared.ids(row),
    labels: prepared.labels(row),
    documents: prepared.documents(row),
  }),
  place: (row) => prepared.places(row)[0],
});
