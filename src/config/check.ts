/** @file What would become of a settings file: it runs, it waits for an engine that is planned, or it is refused. */
import { TuneryError } from '../core/errors.ts';
import { ConfigProblems, engineLater } from './errors.ts';
import { type Loaded, type LoadRequest, readEntries, resolveConfig } from './load.ts';
import { settings } from './run-config.ts';
import type { Entry } from './source.ts';

export type Verdict =
  | { readonly kind: 'runs'; readonly loaded: Loaded }
  | { readonly kind: 'planned' | 'refused'; readonly problems: readonly TuneryError[] };

/** Of the settings themselves; what they name (model, data) is not opened. A file that cannot be read throws. */
export function checkConfig(request: LoadRequest): Verdict {
  return checkEntries(readEntries(request), request.file);
}

export function checkEntries(entries: readonly Entry[], file?: string): Verdict {
  try {
    return { kind: 'runs', loaded: resolveConfig(entries, 'config', file) };
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const problems = error instanceof ConfigProblems ? error.problems : [error];
    const waits = problems.every(({ code }) => code === engineLater.code);
    return { kind: waits ? 'planned' : 'refused', problems };
  }
}

/** `runs`, `runs with engine: torch` (where a setting needs that), `runs with engine: torch (planned)`, or `refused: …`. */
export function verdictLine(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'runs': {
      const origin = verdict.loaded.origins.get('engine');
      const needed = origin?.kind === 'derived' && origin.from.some((key) => settings.has(key));
      return needed ? 'runs with engine: torch' : 'runs';
    }
    case 'planned':
      return 'runs with engine: torch (planned)';
    case 'refused':
      return `refused: ${verdict.problems.map(({ message }) => message).join('; ')}`;
  }
}
