/** @file Estimates in the native engine's process: what it takes beside its pools is then its own. */
import type { CostModel } from '../../estimate/cost-model.ts';
import { openForEstimate } from '../../estimate/dry-source.ts';
import { type Estimate, estimate } from '../../estimate/estimate.ts';
import { keepRates } from '../../estimate/kept-rates.ts';
import type { Sample } from '../../estimate/sample.ts';
import type { ModelSource } from '../../models/source.ts';
import { setThreads } from '../../native/machine.ts';
import type { Job } from '../../train/job.ts';
import { openJobTemplate } from '../prepare-job.ts';
import type { SessionMethods } from './engine.ts';

export type EstimateRequest = { readonly job: Job; readonly sample: Sample };

export async function openEstimator(): Promise<{ about: unknown; methods: SessionMethods }> {
  const sources = new Map<string, Promise<ModelSource>>();
  // What was timed for one set of settings serves the next.
  let model: CostModel | undefined;
  let process: number | undefined;
  return {
    about: null,
    methods: {
      async estimate(params): Promise<Estimate> {
        // Both ends are of one version, and the parent's settings have been parsed.
        const { job, sample } = params as EstimateRequest;
        setThreads(job.engine.threads ?? 0);
        const { model_name_or_path: name, model_revision, cache_dir } = job.model;
        const options = { revision: model_revision, hubCache: cache_dir };
        const source = sources.get(name) ?? openForEstimate(name, options);
        sources.set(name, source);
        // What the process of a training holds beside: its code, and the tokenizer that it saves.
        await import('./native-train.ts');
        openJobTemplate(job, await source);
        const done = await estimate(job, await source, sample, { model, process });
        model = done.model;
        // Kernels that were timed touched memory.
        process ??= done.estimate.memory.kinds.process;
        keepRates(model);
        return done.estimate;
      },
    },
  };
}
