/** @file `tunery runs …`: what ran and runs, and wishes to what runs. */
import { join } from 'node:path';
import { sendCommand } from '../../runs/control-file.ts';
import { notARun } from '../../runs/errors.ts';
import { eventsName, followEvents } from '../../runs/events-file.ts';
import { describeRun, listRuns } from '../../runs/list-runs.ts';
import { lockHolder } from '../../runs/lock.ts';
import type { Command } from '../../train/host.ts';
import { type Context, defineCommand, exitCodes } from '../command.ts';
import { followRun } from '../follow-run.ts';

const folderArgument = { name: 'DIR', help: 'the `output_dir` of a run' };

export const runsListCommand = defineCommand({
  name: 'runs list',
  summary: 'List the runs below a folder, newest first.',
  examples: ['tunery runs list', 'tunery runs list saves/smollm2 --json'],
  positionals: [{ name: 'DIR', help: 'where to look (`saves` if not given)', optional: true }],

  async run(_job, { positionals, json, emit, print }) {
    const [root = 'saves'] = positionals;
    const runs = listRuns(root);
    if (json) {
      for (const run of runs) emit(run);
      return undefined;
    }
    if (runs.length === 0) print(`no runs below ${root}`);
    for (const { folder, state, step, total_steps: total, loss, created } of runs) {
      const figures = `${step}/${total}`.padStart(11);
      const shown = loss === undefined ? '' : `loss ${loss.toFixed(4)}`;
      const when = created.slice(0, 16).replace('T', ' ');
      print(`${when}  ${state.padEnd(8)}  ${figures}  ${shown.padEnd(12)}  ${folder}`);
    }
    return undefined;
  },
});

export const runsWatchCommand = defineCommand({
  name: 'runs watch',
  summary: 'Follow a run from its start to its end. Ctrl+C leaves it alone.',
  examples: ['tunery runs watch saves/smollm2/lora/sft'],
  positionals: [folderArgument],

  async run(_job, context) {
    const folder = known(context.positionals);
    const { attempt } = describeRun(folder) ?? {};
    const over = new AbortController();
    context.signal.addEventListener('abort', () => over.abort());
    // A killed engine writes no last event: its lock tells.
    const looking = setInterval(() => {
      if (!lockHolder(folder)) over.abort();
    }, 1000);
    if (!lockHolder(folder)) over.abort();
    try {
      const { end } = await followRun(untilEnd(folder, attempt ?? 1, over), context, 10);
      if (context.signal.aborted) return exitCodes.ok;
      const how = end?.outcome ?? 'killed';
      const detail = end?.error ? `: ${end.error.message}\n  help: ${end.error.help}` : '';
      context.print(`\n${how}${detail}`);
      return how === 'finished' ? exitCodes.ok : exitCodes.failed;
    } finally {
      clearInterval(looking);
    }
  },
});

async function* untilEnd(folder: string, attempt: number, over: AbortController) {
  for await (const event of followEvents(join(folder, eventsName), over.signal)) {
    if (event.attempt !== attempt) continue;
    yield event;
    if (event.type === 'run-end') return;
  }
}

export const runsStopCommand = wishCommand(
  'runs stop',
  'stop',
  'Have a run save after its present step, and end.',
  'it saves after its present step, and ends',
);

export const runsSaveCommand = wishCommand(
  'runs save',
  'save',
  'Have a run write a checkpoint after its present step, and go on.',
  'it writes a checkpoint after its present step',
);

function wishCommand(
  name: string,
  command: Exclude<Command, 'continue'>,
  summary: string,
  said: string,
) {
  return defineCommand({
    name,
    summary,
    examples: [`tunery ${name} saves/smollm2/lora/sft`],
    positionals: [folderArgument],
    async run(_job, { positionals, print }) {
      const folder = known(positionals);
      sendCommand(folder, command);
      print(`${folder}: ${said}`);
      return undefined;
    },
  });
}

function known([folder = '.']: Context['positionals']): string {
  if (!describeRun(folder)) throw notARun(folder);
  return folder;
}
