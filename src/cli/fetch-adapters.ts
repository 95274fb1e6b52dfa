/** @file Adapters that are named by hub ids: fetched before the settings that follow from them are resolved. */
import { existsSync } from 'node:fs';
import { formatBytes } from '../core/units.ts';
import { openHub } from '../files/hub.ts';
import { findSnapshot, isHubId } from '../files/hub-cache.ts';
import { fetchAdapter } from '../models/hub-model.ts';
import type { ModelSettings } from '../models/settings.ts';
import type { Context } from './command.ts';
import { planLine } from './open-source.ts';

const takeAdapters: readonly string[] = ['train', 'chat', 'export', 'api', 'predict'];

/** Whether any came: settings have to be resolved anew then. */
export async function fetchAdapters(
  command: string,
  { adapter_name_or_path: names, hf_hub_token: token }: ModelSettings,
  { note, progress, signal }: Pick<Context, 'note' | 'progress' | 'signal'>,
): Promise<boolean> {
  if (!takeAdapters.includes(command)) return false;
  const missing = names.filter(
    (name) =>
      name.includes('/') &&
      isHubId(name) &&
      !existsSync(name) &&
      !findSnapshot({ kind: 'model', id: name }),
  );
  for (const id of missing) {
    await fetchAdapter(openHub({ token: token?.reveal() ?? null }), id, {
      announce: (plan) => note(planLine(plan)),
      progress: (bytes, expected) =>
        progress(`fetching the adapter · ${formatBytes(bytes)} of ${formatBytes(expected)}`),
      signal,
    });
    progress(null);
  }
  return missing.length > 0;
}
