/** @file Opens what chat and the API talk to, with its progress, its notes and its warnings on stderr. */

import type { RunConfig } from '../config/run-config.ts';
import { formatPlace } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';
import { sessionEngineOf } from '../runs/engines/engines.ts';
import { type OpenedTalk, openTalk } from '../runs/open-talk.ts';
import type { Context } from './command.ts';
import { planLine } from './open-source.ts';
import { packageVersion } from './version.ts';

type Words = Pick<Context, 'note' | 'progress' | 'signal' | 'loaded'>;

export async function openTalkHere(
  job: RunConfig,
  { note, progress, signal, loaded }: Words,
  { templateOptional }: { readonly templateOptional: boolean },
): Promise<OpenedTalk> {
  const given = (key: string): boolean =>
    ['file', 'argument'].includes(loaded?.origins.get(key)?.kind ?? 'default');
  const talk = await openTalk(job, sessionEngineOf(job.infer), {
    version: packageVersion(),
    given,
    templateOptional,
    signal,
    announce: (plan) => note(planLine(plan)),
    progress: (bytes, expected) =>
      progress(`fetching the model · ${formatBytes(bytes)} of ${formatBytes(expected)}`),
    loading: () => progress('loading the model …'),
  });
  progress(null);
  for (const line of talk.notes) note(`note: ${line}`);
  for (const { message, place, help } of talk.warnings) {
    note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`);
  }
  const { model, adapters, dtype } = talk.session.about;
  note(`model   ${[model, ...adapters].join(' + ')} (${dtype})`);
  return talk;
}
