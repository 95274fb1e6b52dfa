/** @file Predictions over an evaluation set, with their progress and their figures: for `tunery predict`, and for a training that ends with them. */
import type { RunConfig } from '../config/run-config.ts';
import { formatCount, formatDuration } from '../core/units.ts';
import { noSuchSet } from '../data/errors.ts';
import { type Predicted, predict } from '../eval/predict.ts';
import { digestOf } from '../files/digest.ts';
import { addResults, type Results } from '../runs/logs.ts';
import { trainedBy } from '../runs/trained-model.ts';
import { adapterDigest } from '../tuning/peft-adapter.ts';
import { type Context, exitCodes } from './command.ts';
import { openData } from './open-data.ts';
import { openTalkHere } from './open-talk.ts';

/** `trained`: the model that a training of these very settings has just left. */
export async function predictHere(
  job: RunConfig,
  context: Context,
  { trained = false }: { readonly trained?: boolean } = {},
): Promise<number> {
  const { signal, progress, print, note, emit, json } = context;
  const model = trained ? trainedBy(job) : job.model;
  const { sets } = await openData({ ...promptsOf(job), model }, context, 'eval');
  const rows = sets.eval;
  if (!rows || rows.count === 0) throw noSuchSet('eval_dataset');
  const talk = await openTalkHere({ ...job, model }, context, { templateOptional: false });
  const { session, tokenizer, template, source } = talk;
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let done: Predicted;
  try {
    const { about } = session;
    const adapters = about.adapters.map(adapterDigest);
    done = await predict({
      ...{ session, tokenizer, rows, signal },
      stopIds: template?.stopIds ?? [],
      settings: job.generate,
      seed: job.train.seed,
      folder: job.train.output_dir,
      model: digestOf(source.digest, ...adapters, about.dtype, job.infer.infer_backend),
      sequences: model.max_num_seqs,
      progress: ({ rows: ready, tokens }) =>
        progress(
          `${formatCount(ready)} of ${formatCount(rows.count)} rows predicted · ${Math.round(tokens / seconds())} tokens/s`,
        ),
    });
  } finally {
    progress(null);
    await session.close();
  }
  if (done.before > 0) {
    note(`note: ${formatCount(done.before)} rows had been predicted before, and stay as they are`);
  }
  if (done.outcome === 'stopped') {
    print(`Stopped after ${done.rows} of ${rows.count} rows, which are in ${done.file}.`);
    print('The same command goes on from there.');
    return exitCodes.stopped;
  }
  if (done.aside !== undefined) note(`note: the predictions of before are in ${done.aside}`);
  const results = resultsOf(done, seconds());
  addResults(job.train.output_dir, 'predict', results);
  if (json) emit({ type: 'predicted', file: done.file, ...results });
  print(
    `Predicted ${formatCount(done.rows)} rows in ${formatDuration(seconds())}: ${done.file}${done.cut > 0 ? ` (${formatCount(done.cut)} replies ended at \`max_new_tokens\`)` : ''}`,
  );
  return exitCodes.ok;
}

/** Names as LLaMA-Factory has them, of what this attempt did. */
function resultsOf({ rows, before, tokens, cut }: Predicted, seconds: number): Results {
  const round = (value: number): number => Number(value.toFixed(4));
  return {
    predict_samples: rows,
    predict_runtime: round(seconds),
    predict_samples_per_second: round((rows - before) / seconds),
    predict_tokens_per_second: round(tokens / seconds),
    predict_length_limited: cut,
  };
}

/** The settings under which the rows to predict are prepared: prompts, all of them in one set. */
function promptsOf(job: RunConfig): Pick<RunConfig, 'data' | 'method' | 'train'> {
  const { data, train } = job;
  return {
    train,
    method: { ...job.method, stage: 'ppo' },
    data: {
      ...data,
      // `val_size` holds rows of `dataset` back, where there is no other set.
      dataset: data.eval_dataset.length > 0 ? [] : data.dataset,
      eval_on_each_dataset: false,
      tokenized_path: null,
    },
  };
}
