/** @file `tunery train`: prepares the data, starts the engine, and follows the run to its end. */
import { basename } from 'node:path';
import { z } from 'zod';
import { formatPlace } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { formatCount, formatDuration } from '../../core/units.ts';
import { noSuchSet } from '../../data/errors.ts';
import type { Prepared } from '../../data/prepared.ts';
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import type { ModelSource } from '../../models/source.ts';
import { environment } from '../../native/environment.ts';
import type { RunHandle } from '../../runs/engines/engine.ts';
import { engineOf } from '../../runs/engines/engines.ts';
import { checkpointSteps } from '../../train/checkpoint.ts';
import type { Job } from '../../train/job.ts';
import { trainSection } from '../../train/settings.ts';
import { tuningSection } from '../../tuning/settings.ts';
import { type Context, defineCommand, exitCodes } from '../command.ts';
import { detachedPredictions } from '../errors.ts';
import { comparisonLines } from '../estimate-view.ts';
import { followRun } from '../follow-run.ts';
import { dataHub, openSource } from '../open-source.ts';
import { predictHere } from '../predict.ts';
import { type RunProgress, runProgress } from '../progress.ts';
import { packageVersion } from '../version.ts';

export const trainCommand = defineCommand({
  name: 'train',
  summary:
    'Fine-tune a model. Ctrl+C saves and stops; the same command goes on with `resume_from_checkpoint=true`.',
  examples: [
    'tunery train examples/smollm2_lora_sft.yaml',
    'tunery train examples/smollm2_lora_sft.yaml learning_rate=2e-4 max_steps=50',
    'tunery train examples/smollm2_lora_sft.yaml resume_from_checkpoint=true',
    'tunery train examples/smollm2_lora_sft.yaml --detach',
  ],
  sections: [modelSection, methodSection, tuningSection, dataSection, trainSection, engineSection],
  options: {
    profile: field(z.string().nullable().default(null), {
      help: 'Profile two steps, the second and the third, into this file: a timeline of ops and memory that Perfetto opens, and a table. With `engine: torch` it is the memory of each rank in the second step, by class, beside what was predicted.',
    }),
    detach: field(z.boolean().default(false), {
      help: 'Let the run go on when this terminal closes; `tunery runs watch DIR` follows it.',
    }),
  },

  async run(settings, context) {
    const { engine, model, data, tuning, method, train, generate } = settings;
    const job: Job = { engine, model, data, tuning, method, train, generate };
    const { detach } = context.options;
    if (train.do_predict && detach) throw detachedPredictions();
    if (!train.do_train && !train.do_eval) return predictHere(settings, context);
    const source = await openSource(model, context);
    context.print(`model   ${source.name} (${basename(source.path)})`);
    const begun = engineOf(engine).begin(job, { detached: detach });
    const sets = await readyData(job, source, context).catch((error: unknown) => {
      begun.cancel();
      throw error;
    });
    const handle = begun.train({
      job,
      prepared: {
        train: sets.train?.folder ?? null,
        evaluations: sets.evals.map(({ name, prepared }) => ({ name, folder: prepared.folder })),
      },
      version: packageVersion(),
      detached: detach,
      profile: context.options.profile ?? undefined,
    });
    if (detach) return leave(handle, context);
    const { code, led } = await follow(handle, job, context);
    return code === exitCodes.ok && led && train.do_predict
      ? predictHere(settings, context, { trained: train.do_train })
      : code;
  },
});

type Words = Pick<Context, 'print' | 'note' | 'progress' | 'signal'>;

/** Data, tokens and warnings are shown before anything is learned. */
async function readyData(job: Job, source: ModelSource, words: Words) {
  const { print, note, progress, signal } = words;
  // Not before the engine loads the model: what makes data ready is a third of all modules.
  const { prepareJob } = await import('../../runs/prepare-job.ts');
  const { sets, opened } = await prepareJob(job, source, {
    signal,
    hub: dataHub(job.model, words),
    progress: (examples) => progress(`${formatCount(examples)} rows tokenized`),
    notice: (line) => note(`note: ${line}`),
  });
  progress(null);
  if (sets.train) print(`data    ${describe(sets.train)}, from ${job.data.dataset.join(', ')}`);
  for (const { name, prepared } of sets.evals) {
    print(`eval    ${describe(prepared)}${sets.evals.length > 1 ? `, from ${name}` : ''}`);
  }
  for (const each of sets.notes) note(`note: ${each}`);
  for (const { message, place, help } of [...(opened?.warnings ?? []), ...sets.warnings]) {
    note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`);
  }
  if (job.train.do_train && !sets.train) throw noSuchSet('dataset');
  return sets;
}

function describe({ count, tokens, targets, manifest }: Prepared): string {
  const number = formatCount;
  const cut = manifest.truncated === 0 ? '' : `, ${number(manifest.truncated)} cut off`;
  return `${number(count)} rows, ${number(tokens)} tokens, ${number(targets)} learned${cut}`;
}

async function leave(handle: RunHandle, { print, json, emit }: Context): Promise<number> {
  const opened = await handle.opened;
  handle.release();
  if (json) emit({ ...opened, pid: handle.pid });
  print(`run     ${opened.folder} (process ${handle.pid}, goes on by itself)`);
  print(
    `\n  ${program()} runs watch ${quoted(opened.folder)}\n  ${program()} runs stop ${quoted(opened.folder)}`,
  );
  return exitCodes.ok;
}

/** `led`: the run's folder is on this machine, which may be one of several. */
async function follow(
  handle: RunHandle,
  job: Job,
  context: Context,
): Promise<{ readonly code: number; readonly led: boolean }> {
  const { print } = context;
  const progress = runProgress();
  const release = context.onInterrupt(interrupts(handle, progress, context));
  // The terminal is going away, or the system is: the engine saves, and this waits for it.
  const stop = (): void => handle.stop();
  process.on('SIGHUP', stop);
  process.on('SIGTERM', stop);
  try {
    const began = performance.now();
    context.progress('loading the model');
    const opened = await handle.opened.catch(() => undefined);
    context.progress(null);
    if (opened) print(`run     ${opened.folder}\n`);
    const every = Math.max(1, Math.round(job.train.logging_steps));
    const { evaluations, predicted, measured } = await followRun(
      handle.events(),
      context,
      every,
      progress,
    );
    const { outcome, error, folder = job.train.output_dir } = await handle.result;
    if (error) throw error;
    const step = progress.last()?.step;
    if (outcome === 'stopped') {
      const [saved] = checkpointSteps(folder);
      const from =
        saved === undefined
          ? 'No checkpoint had been written; to start again'
          : `To go on from checkpoint-${saved}`;
      print(`\nStopped${step === undefined ? '' : ` after step ${step}`}. ${from}:`);
      print(`\n  ${program()} train ${again(context)} resume_from_checkpoint=true`);
      return { code: exitCodes.stopped, led: true };
    }
    if (predicted && measured) {
      print();
      for (const line of comparisonLines(predicted, measured)) print(line);
    }
    if (!opened) {
      print('\nThis machine’s ranks are done; the run lies where machine 0 has it.');
      return { code: exitCodes.ok, led: false };
    }
    const took = formatDuration((performance.now() - began) / 1000);
    if (job.train.do_train) {
      print(
        `\nFinished in ${took}. ${job.tuning.finetuning_type !== 'full' ? 'The adapter' : 'The model'} is in ${folder}. To talk to it:`,
      );
      print(`\n  ${program()} chat ${again(context)}`);
    } else {
      const figures = Object.entries(evaluations.at(-1)?.metrics ?? {});
      print(
        `\nEvaluated in ${took}: ${figures.map(([name, value]) => `${name} ${value.toFixed(4)}`).join(', ')}.`,
      );
    }
    return { code: exitCodes.ok, led: true };
  } finally {
    release();
    process.off('SIGHUP', stop);
    process.off('SIGTERM', stop);
  }
}

/** The first Ctrl+C saves and stops, the second stops now. */
function interrupts(
  handle: RunHandle,
  progress: RunProgress,
  { note }: Pick<Context, 'note'>,
): () => void {
  let asked = false;
  return () => {
    if (asked) {
      note('stopped now; the last checkpoint stays');
      handle.kill();
      return;
    }
    asked = true;
    handle.stop();
    const seconds = progress.untilStepEnds();
    const about = seconds === undefined ? '' : `, about ${formatDuration(Math.max(1, seconds))}`;
    note(`stopping after this step${about}; again: stop now, the last checkpoint stays`);
  };
}

/** The arguments of this command, to type again: chat finds by them what was trained. */
const again = ({ file, settings }: Pick<Context, 'file' | 'settings'>): string =>
  [...(file === undefined ? [] : [file]), ...settings]
    .filter((each) => !/^(resume_from_checkpoint|\w*(hub|auth)_token)=/.test(each))
    .map(quoted)
    .join(' ');

/** As it was called: `./tunery` in a clone. */
const program = (): string => environment('TUNERY_PROGRAM') ?? 'tunery';

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
