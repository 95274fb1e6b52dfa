/** @file Findings: what the data doctor says of the data, each with its place, its severity and what to do. */
import type { Place } from '../../core/errors.ts';

/** `error`: the row stops a run or teaches nothing. `warning`: it teaches what nobody wants. `note`: worth a look. */
export type Severity = 'error' | 'warning' | 'note';

export const severities: readonly Severity[] = ['error', 'warning', 'note'];

export type Finding = {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly place: Place;
  readonly help: string;
};
