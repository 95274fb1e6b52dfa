/** @file Opens the model that a command's settings name, with a status line while it is fetched. */
import { formatBytes } from '../core/units.ts';
import type { DataHub } from '../data/hub-datasets.ts';
import type { FetchPlan } from '../files/hub-fetch.ts';
import type { ModelSettings } from '../models/settings.ts';
import { type ModelSource, openModel } from '../models/source.ts';
import type { Context } from './command.ts';

export type SourceSettings = Pick<
  ModelSettings,
  'model_name_or_path' | 'model_revision' | 'cache_dir' | 'hf_hub_token' | 'ms_hub_token'
>;

/** `fetching model org/name: 6 files, 269 MB, from huggingface.co` */
export const planLine = ({ repository, files, bytes, host }: FetchPlan): string =>
  `fetching ${repository.kind === 'model' ? 'model' : 'data set'} ${repository.id}: ${files} ${files === 1 ? 'file' : 'files'}, ${formatBytes(bytes)}, from ${host}`;

export type HubSettings = Pick<ModelSettings, 'cache_dir' | 'hf_hub_token' | 'ms_hub_token'>;
type Words = Pick<Context, 'note' | 'progress' | 'signal'>;

/** How a command asks hubs for its data sets: with the settings' tokens, and a status line while it fetches. */
export const dataHub = (settings: HubSettings, { note, progress, signal }: Words): DataHub => ({
  hfToken: settings.hf_hub_token?.reveal() ?? null,
  msToken: settings.ms_hub_token?.reveal() ?? null,
  cache: settings.cache_dir,
  announce: (plan) => note(planLine(plan)),
  note: (text) => note(`note: ${text}`),
  progress: (bytes, expected) =>
    progress(`fetching data · ${formatBytes(bytes)} of ${formatBytes(expected)}`),
  signal,
});

export async function openSource(
  settings: SourceSettings,
  { note, progress, signal }: Words,
): Promise<ModelSource> {
  const source = await openModel(settings.model_name_or_path, {
    revision: settings.model_revision,
    hubCache: settings.cache_dir,
    token: settings.hf_hub_token?.reveal() ?? null,
    msToken: settings.ms_hub_token?.reveal() ?? null,
    announce: (plan) => note(planLine(plan)),
    signal,
    progress: (bytes, expected) =>
      progress(`fetching the model · ${formatBytes(bytes)} of ${formatBytes(expected)}`),
  });
  progress(null);
  if (source.note) note(`note: ${source.note}`);
  return source;
}
