/** @file Opens what one talks to: the model that the settings mean, the template of its training, and a session in a process. */
import type { OpenTemplate } from '../data/open-template.ts';
import type { InferSettings } from '../generate/backends.ts';
import type { Talk } from '../generate/talk.ts';
import { type ModelSource, type OpenOptions, openModel } from '../models/source.ts';
import type { Job } from '../train/job.ts';
import type { Engine } from './engines/engine.ts';
import { openRemote } from './engines/remote-session.ts';
import { openJobTemplate } from './prepare-job.ts';
import { trainedModel } from './trained-model.ts';

export type OpenTalkOptions = Pick<OpenOptions, 'signal' | 'progress' | 'announce'> & {
  /** Version of Tunery. */
  readonly version: string;
  /** Whether the user set a key. */
  readonly given: (key: string) => boolean;
  /** A text model without a template is opened all the same. */
  readonly templateOptional?: boolean;
  /** Called when the model is about to be loaded. */
  readonly loading?: () => void;
};

export type OpenedTalk = Talk & {
  readonly source: ModelSource;
  /** Lines to show: which model it is, where that may surprise. */
  readonly notes: readonly string[];
  readonly warnings: OpenTemplate['warnings'];
};

export async function openTalk(
  job: Pick<Job, 'engine' | 'model' | 'data' | 'tuning' | 'train'> & {
    readonly infer: InferSettings;
  },
  engine: Engine,
  options: OpenTalkOptions,
): Promise<OpenedTalk> {
  const { model, note } = trainedModel(job, options.given);
  const { signal, progress, announce } = options;
  const source = await openModel(model.model_name_or_path, {
    revision: model.model_revision,
    hubCache: model.cache_dir,
    token: model.hf_hub_token?.reveal() ?? null,
    msToken: model.ms_hub_token?.reveal() ?? null,
    ...(announce && { announce }),
    ...(signal && { signal }),
    ...(progress && { progress }),
  });
  const { data } = job;
  const none = source.chatTemplate === undefined && data.template === null;
  // A text model may be talked to as well, where it has a template: what it was trained on does not matter.
  const opened =
    none && options.templateOptional
      ? undefined
      : openJobTemplate({ data, method: { stage: 'sft' } }, source);
  options.loading?.();
  const { infer } = job;
  const request = { job: { engine: job.engine, model, infer }, version: options.version };
  const session = await openRemote(engine, request, signal);
  return {
    session,
    source,
    template: opened?.template,
    tokenizer: opened?.tokenizer ?? source.tokenizer(),
    notes: [source.note, note].filter((line) => line !== undefined),
    warnings: opened?.warnings ?? [],
  };
}
