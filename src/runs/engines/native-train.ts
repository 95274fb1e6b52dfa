/** @file One training in the native engine's process: from a Job and Prepared sets to the files of an adapter or a model. */
import { invariant } from '../../core/errors.ts';
import { openPrepared, type Prepared } from '../../data/prepared.ts';
import { Memory } from '../../engine/memory.ts';
import { sampleOf, shapesOfPlan } from '../../estimate/shapes-of-job.ts';
import { digestOf } from '../../files/digest.ts';
import { methods } from '../../methods/index.ts';
import { buildModel, type LoadedModel } from '../../models/load.ts';
import { type ModelSource, openModel } from '../../models/source.ts';
import { instructionSet, setThreads } from '../../native/machine.ts';
import type { Rows } from '../../train/evaluate.ts';
import type { Job } from '../../train/job.ts';
import { loadToTrain, tune } from '../../train/load.ts';
import { train } from '../../train/train.ts';
import { placeAdapter, readAdapter, type StoredAdapter } from '../../tuning/peft-adapter.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { planOfJob } from '../plan-of-job.ts';
import type { Outcome } from '../run-folder.ts';
import { accountant } from './account.ts';
import type { TrainContext } from './child.ts';
import { profilingHost } from './profile-run.ts';
import type { TrainRequest } from './protocol.ts';
import { runInFolder } from './run-in-folder.ts';
import { modelSaver } from './save-model.ts';

/** The model in memory, once: for the process's one training. */
type Loaded = LoadedModel & { readonly source: ModelSource; readonly memory: Memory };
let begun: Promise<Loaded> | undefined;

/** Loads the model of a training that will follow: neither its rows nor its folder have a say in that. */
export async function beginNative(job: Job): Promise<void> {
  begun = openSource(job).then((source) => load(job, source));
  await begun;
}

const openSource = ({ model }: Job): Promise<ModelSource> =>
  openModel(model.model_name_or_path, {
    revision: model.model_revision,
    hubCache: model.cache_dir,
  });

async function load(job: Job, source: ModelSource): Promise<Loaded> {
  setThreads(job.engine.threads ?? 0);
  const memory = new Memory();
  return { ...(await loadToTrain(job, source, memory)), source, memory };
}

export async function trainNative(request: TrainRequest, context: TrainContext): Promise<Outcome> {
  const { job, prepared, version } = request;
  // What went wrong there goes wrong here too, and is told then.
  const early = await begun?.catch(() => undefined);
  const source = early?.source ?? (await openSource(job));
  const evaluations = prepared.evaluations.map(({ name, folder }) => ({
    name,
    set: openPrepared(folder),
  }));
  // An evaluation alone has no rows to learn: what it reads decides its identity.
  const rows = prepared.train === null ? evaluations[0]?.set : openPrepared(prepared.train);
  invariant(rows !== undefined, 'a training without rows');
  const adapters = await readAdapters(job.model.adapter_name_or_path, source);
  const plan = planOfJob(job, rows);
  const fingerprint = fingerprintOf({
    job,
    modelDigest: source.digest,
    dataDigest: rows.digest,
    evaluationDigest: digestOfAll(evaluations.map(({ set }) => set.digest)),
    plan: plan.digest,
    adapter: adapters.length === 0 ? null : digestOf(...adapters.map(({ digest }) => digest)),
    code: version,
    isa: instructionSet(),
  });
  return runInFolder(request, fingerprint, plan.steps, context, async () => {
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
      const { outcome } = await train({
        settings: job.train,
        method: methods[job.method.stage],
        model,
        parameters: tuned.parameters,
        memory,
        rows: rowsOf(rows),
        plan,
        evalSets: evaluations.map(({ name, set }) => ({ name, rows: rowsOf(set) })),
        host: account.host,
        saveModel,
      });
      account.end();
      if (outcome === 'finished' && job.train.do_train) await saveModel(host.outputDir);
      return outcome;
    };
  });
}

/** One set's own digest, or that of several together. */
const digestOfAll = (digests: readonly string[]): string | undefined =>
  digests.length > 1 ? digestOf(...digests) : digests[0];

/** Those that training goes on with, held against the model before the run's folder is touched. */
async function readAdapters(
  names: readonly string[],
  source: ModelSource,
): Promise<readonly StoredAdapter[]> {
  if (names.length === 0) return [];
  const { model } = await buildModel(source);
  return names.map((name) => placeAdapter(model, readAdapter(name), source.name).stored);
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
