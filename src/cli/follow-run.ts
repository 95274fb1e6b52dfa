/** @file Follows a run in the terminal, to its end: for `train`, which started it, and for `runs watch`. */
import type { RunEvent } from '../core/events.ts';
import type { Context } from './command.ts';
import { profileLines } from './profile-view.ts';
import { type RunProgress, runProgress } from './progress.ts';

export type Followed = {
  readonly progress: RunProgress;
  readonly evaluations: readonly Extract<RunEvent, { type: 'eval-end' }>[];
  readonly end: Extract<RunEvent, { type: 'run-end' }> | undefined;
  readonly predicted: Extract<RunEvent, { type: 'estimate' }> | undefined;
  readonly measured: Extract<RunEvent, { type: 'account' }> | undefined;
};

type Words = Pick<Context, 'print' | 'note' | 'emit' | 'progress' | 'json' | 'isTTY'>;

/** Shows events as they come. `every`: steps between two lines where there is no terminal. */
export async function followRun(
  events: AsyncIterable<RunEvent>,
  words: Words,
  every: number,
  progress: RunProgress = runProgress(),
): Promise<Followed> {
  const evaluations: Extract<RunEvent, { type: 'eval-end' }>[] = [];
  let end: Followed['end'];
  let predicted: Followed['predicted'];
  let measured: Followed['measured'];
  // A long step must not look like a standstill.
  const ticking = words.isTTY
    ? setInterval(() => words.progress(progress.line()), 1000).unref()
    : undefined;
  try {
    for await (const event of events) {
      progress.take(event);
      if (event.type === 'eval-end') evaluations.push(event);
      if (event.type === 'run-end') end = event;
      if (event.type === 'estimate') predicted = event;
      if (event.type === 'account') measured = event;
      if (words.json) words.emit(event);
      else show(event, words, every, progress);
    }
  } finally {
    clearInterval(ticking);
    words.progress(null);
  }
  return { progress, evaluations, end, predicted, measured };
}

function show(event: RunEvent, words: Words, every: number, progress: RunProgress): void {
  switch (event.type) {
    case 'warning':
      words.note(`${noteOrWarning(event.code)}: ${event.message}\n  help: ${event.help}`);
      break;
    case 'eval-end': {
      const figures = Object.entries(event.metrics).map(
        ([name, value]) => `${name} ${value.toFixed(4)}`,
      );
      words.print(`step ${event.step} · ${figures.join(' · ')}`);
      break;
    }
    case 'step-end':
      if (words.isTTY) words.progress(progress.line());
      else if (event.step === 1 || event.step % every === 0) words.print(progress.line());
      break;
    case 'profile':
      for (const line of profileLines(event)) words.print(line);
      break;
    case 'checkpoint-saved':
      if (!words.isTTY) words.print(`step ${event.step} · saved ${event.folder}`);
      break;
    default:
      if (words.isTTY) words.progress(progress.line());
  }
}

/** How a run was opened is told as a note; what may be wrong is a warning. */
const noteOrWarning = (code: string): string =>
  /^runs\/(resumed|nothing-to-resume|moved-aside|later-moved-aside|resume-length)$/.test(code)
    ? 'note'
    : 'warning';
