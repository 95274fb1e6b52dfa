/** @file One training of the torch engine: this process leads, ranks of PyTorch compute. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileAtomic } from '../../files/atomic.ts';
import { digestOf } from '../../files/digest.ts';
import type { JsonObject } from '../../files/json.ts';
import { buildModel } from '../../models/load.ts';
import type { Command, TrainHost } from '../../train/host.ts';
import { runLoop } from '../../train/loop.ts';
import { noMaster, tooFewGpus } from '../errors.ts';
import type { Outcome } from '../run-folder.ts';
import type { TrainContext } from './child.ts';
import type { TrainRequest } from './protocol.ts';
import { runInFolder } from './run-in-folder.ts';
import { savedTexts } from './save-model.ts';
import { type Account, type Accounted, accountOf } from './torch-account.ts';
import { refuseMissing, torchPython } from './torch-environment.ts';
import { torchLearner } from './torch-learner.ts';
import { adapterForTorch, modelForTorch, scratchFolder } from './torch-model.ts';
import { awaitNodes, joinNodes, type Nodes, type NodesInput } from './torch-nodes.ts';
import { type Ranks, startRanks } from './torch-ranks.ts';
import { modulesOf, torchTask } from './torch-task.ts';
import { type World, worldOf } from './torch-world.ts';
import { type Identity, identify, openSource } from './train-identity.ts';

/** Logs of ranks, below the run's folder. */
const logsName = 'logs';

export async function trainTorch(request: TrainRequest, context: TrainContext): Promise<Outcome> {
  const { job } = request;
  const python = torchPython(job.engine);
  const world = worldOf(job.engine);
  if (world.device === 'cuda' && world.local > world.gpus)
    throw tooFewGpus(world.local, world.gpus);
  const meeting = meetingOf(world);
  const source = await openSource(job);
  const identity = await identify(request, source, job.train.fp16 ? 'torch-fp16' : 'torch');
  const scratch = scratchFolder();
  try {
    const made = await makeReady(request, identity, world, scratch);
    // Before an earlier run is moved aside for one that cannot begin.
    await refuseMissing(python, modulesOf(made.task));
    const start = { python, task: made.task, world, scratch };
    if (world.node > 0) {
      const logs = join(job.train.output_dir, logsName);
      return await follow({ ...start, logs }, joining(meeting, identity), context);
    }
    const { fingerprint, plan, rows } = identity;
    return await runInFolder(request, fingerprint, plan.steps, context, 'torch', async () => {
      return async (given) => {
        const command = (): Command => (stop ? 'stop' : given.command());
        const host: TrainHost = { ...given, command };
        for (const message of made.notes) {
          const help = 'nothing need be done';
          host.emit({ type: 'warning', code: 'torch/settings', message, help });
        }
        const logs = join(host.outputDir, logsName);
        const turn = (): Promise<void> => host.turn();
        let ranks: Ranks | undefined;
        let lost: Error | undefined;
        let stop = false;
        const nodes =
          meeting &&
          awaitNodes({
            ...joining(meeting, identity),
            onLost(error) {
              lost ??= error;
              ranks?.fail(error);
            },
            onStop() {
              stop = true;
            },
          });
        try {
          if (nodes && (await gathered(nodes, host)) === 'stopped') return 'stopped';
          ranks = await startRanks({ ...start, logs, turn });
          if (lost) throw lost;
          host.emit({ type: 'heartbeat', phase: 'training' });
          const learner = torchLearner({
            ...{ settings: job.train, ranks, plan, host, texts: made.texts },
            account: accountTo(request.profile, { job, world, ...made.accounted }),
            place: (row) => rows.places(row)[0],
          });
          const { outcome } = await runLoop(job.train, plan, learner, host);
          if (outcome === 'finished' && job.train.do_train) await learner.exportTo(host.outputDir);
          nodes?.close();
          await ranks.end();
          return outcome;
        } finally {
          nodes?.close();
          ranks?.kill();
        }
      };
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Writes what a step took where `--profile` wants it. */
const accountTo = (file: string | undefined, about: Accounted) =>
  file === undefined
    ? undefined
    : (accounts: readonly Account[]): void =>
        writeFileAtomic(file, `${JSON.stringify(accountOf(about, accounts), null, 2)}\n`);

type Meeting = Pick<NodesInput, 'nodes' | 'node' | 'address' | 'port'>;

/** Where several machines meet; undefined for one alone. */
function meetingOf({ nodes, node, address, port }: World): Meeting | undefined {
  if (nodes === 1) return undefined;
  if (address === undefined) throw noMaster('master_addr');
  if (port === undefined) throw noMaster('master_port');
  return { nodes, node, address, port };
}

const joining = (meeting: Meeting | undefined, { fingerprint }: Identity) => ({
  ...(meeting as Meeting),
  identity: digestOf(JSON.stringify(fingerprint)),
});

/** Everything that ranks need before they begin, made from what the native engine would begin with. */
async function makeReady(
  { job, prepared, version }: TrainRequest,
  { source, adapters }: Identity,
  world: World,
  scratch: string,
): Promise<{
  readonly task: JsonObject;
  readonly notes: readonly string[];
  readonly texts: () => Promise<Readonly<Record<string, string>>>;
  readonly accounted: Pick<Accounted, 'loaded' | 'config' | 'task'>;
}> {
  const loaded = await buildModel(source);
  const tuned = adapterForTorch(job, loaded, adapters, scratch);
  const { task, notes } = torchTask(job, {
    world,
    model: await modelForTorch(source, version),
    adapter: tuned.folder,
    merged: tuned.merged,
    rows: prepared.train,
    evaluations: prepared.evaluations,
    config: source.config,
  });
  const accounted = { loaded, config: source.config, task };
  return { task, notes, texts: savedTexts(job, source, tuned.files), accounted };
}

/** Waits for the other machines, and hears a wish to stop meanwhile. */
async function gathered({ ready }: Nodes, host: TrainHost): Promise<'ready' | 'stopped'> {
  const all = ready.then(() => 'ready' as const);
  for (;;) {
    const now = await Promise.race([all, sleep(200, 'waiting' as const)]);
    if (now === 'ready') return now;
    await host.turn();
    if (host.command() === 'stop') return 'stopped';
  }
}

/** On another machine than the first: its ranks do what the first one's leader says, and no file of the run is here. */
async function follow(
  start: Omit<Parameters<typeof startRanks>[0], 'turn'>,
  meeting: Omit<NodesInput, 'onLost'>,
  { mustEnd, mustStop }: TrainContext,
): Promise<Outcome> {
  let ranks: Ranks | undefined;
  let lost: Error | undefined;
  const nodes = joinNodes({
    ...meeting,
    onLost(error) {
      lost ??= error;
      ranks?.fail(error);
    },
  });
  try {
    while ((await Promise.race([nodes.ready.then(() => true), sleep(200)])) !== true) {
      if (mustEnd() || mustStop()) return 'stopped';
    }
    ranks = await startRanks({ ...start, turn: () => Promise.resolve() });
    if (lost) throw lost;
    const ended = ranks.ended.then(() => true);
    let asked = false;
    while ((await Promise.race([ended, sleep(200)])) !== true) {
      if (mustEnd()) return 'stopped';
      // The first machine saves, with the help of the ranks here; then all end.
      if (mustStop() && !asked) nodes.stop();
      asked = mustStop();
    }
    return asked ? 'stopped' : 'finished';
  } catch (error) {
    nodes.fail(error instanceof Error ? error.message : String(error));
    // A moment for that word to leave.
    await sleep(200);
    throw error;
  } finally {
    nodes.close();
    ranks?.kill();
  }
}
