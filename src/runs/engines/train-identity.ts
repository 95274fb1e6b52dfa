/** @file What a training is, whoever computes it: its model, rows, plan and adapters, and the fingerprint of them all. */
import { invariant } from '../../core/errors.ts';
import type { Plan } from '../../data/plan.ts';
import { openPrepared, type Prepared } from '../../data/prepared.ts';
import { digestOf } from '../../files/digest.ts';
import { buildModel } from '../../models/load.ts';
import { type ModelSource, openModel } from '../../models/source.ts';
import type { Job } from '../../train/job.ts';
import { placeAdapter, readAdapter, type StoredAdapter } from '../../tuning/peft-adapter.ts';
import { type Fingerprint, fingerprintOf } from '../fingerprint.ts';
import { planOfJob } from '../plan-of-job.ts';
import type { TrainRequest } from './protocol.ts';

export type Identity = {
  readonly source: ModelSource;
  readonly rows: Prepared;
  readonly evaluations: readonly { readonly name: string; readonly set: Prepared }[];
  readonly plan: Plan;
  readonly adapters: readonly StoredAdapter[];
  readonly fingerprint: Fingerprint;
};

export const openSource = ({ model }: Pick<Job, 'model'>): Promise<ModelSource> =>
  openModel(model.model_name_or_path, {
    revision: model.model_revision,
    hubCache: model.cache_dir,
  });

/** `isa`: what computes it, where that decides the last bits. */
export async function identify(
  { job, prepared, version }: TrainRequest,
  source: ModelSource,
  isa: string,
): Promise<Identity> {
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
    isa,
  });
  return { source, rows, evaluations, plan, adapters, fingerprint };
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
