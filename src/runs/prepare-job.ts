/** @file The data of a job: its tokenizer and chat template from its model, and the sets that they make of its rows. */
import { join } from 'node:path';
import type { DataHub } from '../data/hub-datasets.ts';
import type { OpenTemplate } from '../data/open-template.ts';
import { openTemplate, type TemplateInput } from '../data/open-template.ts';
import { type PreparedSets, prepare, type Split } from '../data/prepare.ts';
import { tuneryCache } from '../files/hub-cache.ts';
import type { ModelSource } from '../models/source.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Job } from '../train/job.ts';

export type Follow = {
  /** Where one half of the data is enough. */
  readonly only?: Split;
  readonly signal?: AbortSignal;
  readonly progress?: (examples: number) => void;
  /** Told a line that a person should see while it waits. */
  readonly notice?: (line: string) => void;
  /** How hubs are asked for data sets that lie there. */
  readonly hub?: DataHub;
};

export type JobData = {
  readonly sets: PreparedSets;
  /** With the special tokens that the template asks for. */
  readonly tokenizer: Tokenizer;
  readonly opened: OpenTemplate | undefined;
};

/** The chat template of a job; undefined for `pt` on a model that has none. */
export function openJobTemplate(
  job: Pick<Job, 'data' | 'method'>,
  source: ModelSource,
  tokenizer?: Tokenizer,
): OpenTemplate | undefined {
  const input = templateInput(job, source);
  return input && openTemplate({ ...input, tokenizer: tokenizer ?? source.tokenizer() });
}

/** How the template is opened: plain data, which another thread can take. */
function templateInput(
  { data, method }: Pick<Job, 'data' | 'method'>,
  source: ModelSource,
): Omit<TemplateInput, 'tokenizer'> | undefined {
  if (method.stage === 'pt' && data.template === null) return undefined;
  return {
    name: data.template,
    jinja: source.chatTemplate,
    defaultSystem: data.default_system,
    enableThinking: data.enable_thinking,
    variables: data.chat_template_kwargs,
    named: {
      toolFormat: data.tool_format ?? undefined,
      preserveThinking: data.preserve_thinking,
      maskHistory: data.mask_history,
      trainOnPrompt: data.train_on_prompt,
    },
    stopIds: stopIdsOf(source),
  };
}

/** `eos_token_id` of the model's generation config: one id, or several. */
export function stopIdsOf({ generationConfig }: ModelSource): number[] {
  const ids = generationConfig.eos_token_id;
  const list: readonly unknown[] = Array.isArray(ids) ? ids : [ids];
  return list.filter((id) => typeof id === 'number');
}

/** Rows of a stream that are shown where no training says how many it needs. */
const shownRows = 1000;

function rowsToLearn(train: Job['train']): number {
  const { max_steps: steps, per_device_train_batch_size: batch } = train;
  return steps > 0 ? steps * batch * train.gradient_accumulation_steps : shownRows;
}

export async function prepareJob(
  job: Pick<Job, 'data' | 'method' | 'train'>,
  source: ModelSource,
  follow: Follow = {},
): Promise<JobData> {
  const plain = source.tokenizer();
  const opened = openJobTemplate(job, source, plain);
  const tokenizer = opened?.tokenizer ?? plain;
  const sets = await prepare({
    stage: job.method.stage,
    data: job.data,
    tokenizer,
    template: opened?.template,
    recipe: { tokenizer: plain.definition, template: templateInput(job, source) },
    rowsToLearn: rowsToLearn(job.train),
    cache: join(tuneryCache(), 'prepared'),
    ...follow,
  });
  return { sets, tokenizer, opened };
}
