/** @file One attempt of a run, in the engine's process: opens the folder, lets the loop run, and closes with the logs of the end. */
import { join } from 'node:path';
import { TuneryError } from '../../core/errors.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { diskFull } from '../../files/errors.ts';
import { checkpointSteps } from '../../train/checkpoint.ts';
import { nonFinite } from '../../train/errors.ts';
import type { TrainHost } from '../../train/host.ts';
import { eventsName } from '../events-file.ts';
import type { Fingerprint } from '../fingerprint.ts';
import { refuseLive } from '../lock.ts';
import { evalResults, trainResults, writeResults } from '../logs.ts';
import { modelCard } from '../model-card.ts';
import { plot } from '../plot.ts';
import { openHost, type ProcessHost, stepLosses } from '../process-host.ts';
import { type Outcome, openRunFolder } from '../run-folder.ts';
import type { TrainContext } from './child.ts';
import type { TrainRequest } from './protocol.ts';

export const jobName = 'job.json';

export type Loop = (host: TrainHost) => Promise<'finished' | 'stopped'>;

/**
 * Loads what the run needs, and runs its loop in the run's folder. What cannot be loaded is said before the folder is
 * touched: no earlier run is moved aside for one that cannot begin. A loop that throws ends the run as failed; the
 * error goes on to the caller.
 */
export async function runInFolder(
  request: TrainRequest,
  fingerprint: Fingerprint,
  totalSteps: number,
  context: TrainContext,
  engine: 'native' | 'torch',
  load: () => Promise<Loop>,
): Promise<Outcome> {
  const { train } = request.job;
  refuseLive(train.output_dir);
  const loop = await load();
  const run = openRunFolder(train, fingerprint, engine);
  let host: ProcessHost;
  try {
    host = openHost(run, train, context);
  } catch (error) {
    run.close('failed');
    throw error;
  }
  context.opened({
    folder: run.folder,
    run_id: run.record.run_id,
    attempt: run.record.attempt,
    events_from: host.eventsFrom,
  });
  try {
    writeFileAtomic(join(run.folder, jobName), `${JSON.stringify(request.job, null, 2)}\n`);
    host.start(totalSteps);
    const outcome = await loop(host);
    if (outcome === 'finished') writeReports(request, host);
    host.end(outcome);
    return outcome;
  } catch (error) {
    const explained = howToGoOn(error, run.folder);
    host.end('failed', explained);
    throw error instanceof TuneryError ? explained : error;
  }
}

/** What only the run's folder can tell of an error: whether there is a checkpoint to go on from. */
function howToGoOn(error: unknown, folder: string): TuneryError {
  if (!(error instanceof TuneryError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new TuneryError('bug', { message, help: 'this is a fault of Tunery: please report it' });
  }
  const { code, message, place, help } = error;
  const [newest] = checkpointSteps(folder);
  const again = 'run it again with `resume_from_checkpoint: true`';
  const goOn = `it goes on from checkpoint-${newest}, which is as it was`;
  const told = (more: string): TuneryError =>
    new TuneryError(code, { message, place, help: more }, { cause: error });
  if (code === diskFull.code) {
    return newest === undefined
      ? told('free space, then run it again: no checkpoint had been written yet')
      : told(`free space, then ${again}: ${goOn}; \`save_total_limit\` keeps fewer of them`);
  }
  if (code === nonFinite.code && newest !== undefined) return told(`${help}; ${again}: ${goOn}`);
  return error;
}

/** What people look at afterwards. */
function writeReports({ job, version }: TrainRequest, host: ProcessHost): void {
  const folder = host.outputDir;
  const before = host.progress();
  if (job.train.do_train) {
    // Its line in trainer_log.jsonl has neither `loss` nor `eval_loss`, as LLaMA-Factory's last one.
    const { epoch, num_input_tokens_seen: _, ...figures } = trainResults(before);
    host.log({ step: before.step, epoch: epoch!, ...figures });
  }
  const progress = host.progress();
  const evaluation = evalResults(progress);
  writeResults(folder, {
    train: job.train.do_train ? trainResults(before) : undefined,
    eval: evaluation,
  });
  const card = modelCard({ job, progress, evaluation, version });
  writeFileAtomic(join(folder, 'README.md'), card);
  if (job.train.plot_loss) writePlots(folder, progress);
}

function writePlots(
  folder: string,
  { log_history: history, step: last }: ReturnType<ProcessHost['progress']>,
): void {
  const losses = stepLosses(join(folder, eventsName)).filter(({ step }) => step <= last);
  const evaluations = history.flatMap(({ step, eval_loss: value }) =>
    value === undefined ? [] : [{ step: Number(step), value }],
  );
  const plots = {
    'training_loss.svg': plot(losses, {
      title: 'Training loss',
      label: 'loss',
      subtitle: 'each optimizer step, per learned token',
    }),
    'training_eval_loss.svg': plot(evaluations, {
      title: 'Evaluation loss',
      label: 'loss',
      subtitle: 'over all evaluation rows, per learned token',
    }),
  };
  for (const [name, svg] of Object.entries(plots)) {
    if (svg !== undefined) writeFileAtomic(join(folder, name), svg);
  }
}
