/** @file Findings as they come, by kind: how many, and the first places; or each handed on at once. */
import type { Place } from '../../core/errors.ts';
import type { Kind } from './check.ts';
import { type Finding, type Severity, severities } from './finding.ts';

export type Group = {
  readonly kind: Kind;
  readonly count: number;
  /** The first ones. */
  readonly findings: readonly Finding[];
};

export type ReportOptions = {
  /** So many of a kind are kept; the others are counted. */
  readonly keep?: number;
  /** Takes every finding as it is made. */
  readonly each?: ((finding: Finding) => void) | undefined;
};

export class Report {
  readonly #groups = new Map<string, { kind: Kind; count: number; findings: Finding[] }>();
  readonly #keep: number;
  readonly #each: ((finding: Finding) => void) | undefined;

  constructor({ keep = 3, each }: ReportOptions = {}) {
    this.#keep = keep;
    this.#each = each;
  }

  /** `place` is asked for only where the finding is kept or handed on. */
  add(kind: Kind, message: string, place: () => Place, help = kind.help): void {
    const { code, severity } = kind;
    const key = `${severity} ${code}`;
    const group = this.#groups.get(key) ?? { kind, count: 0, findings: [] };
    if (group.count === 0) this.#groups.set(key, group);
    group.count++;
    if (!this.#each && group.findings.length >= this.#keep) return;
    const finding: Finding = { code, severity, message, place: place(), help };
    this.#each?.(finding);
    if (group.findings.length < this.#keep) group.findings.push(finding);
  }

  /** Errors first, the most frequent of each severity before the others. */
  groups(): readonly Group[] {
    const rank = ({ kind }: Group): number => severities.indexOf(kind.severity);
    return [...this.#groups.values()].sort((a, b) => rank(a) - rank(b) || b.count - a.count);
  }

  count(severity: Severity): number {
    return this.groups().reduce(
      (sum, { kind, count }) => sum + (kind.severity === severity ? count : 0),
      0,
    );
  }
}
