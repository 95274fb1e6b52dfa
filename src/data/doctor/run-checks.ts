/** @file What a run would make of the data: the template's own faults once, then each row's tokens against `cutoff_len`. */
import { type Place, TuneryError } from '../../core/errors.ts';
import { checkContent, type EncodeOptions, encodeTurns } from '../encode-example.ts';
import { type Example, isReply } from '../example.ts';
import { type Fault, faults } from '../faults.ts';
import { countTargets } from '../labels.ts';
import { checkTemplate, type TemplateFacts } from '../template-checks.ts';
import type { NamedTemplate } from '../templates/template.ts';
import type { Kind } from './check.ts';
import { beyondCutoff, cutByLength, cutPrompt, refused, unsupervised } from './checks/training.ts';
import type { TrainingCheck } from './examine-row.ts';
import type { Severity } from './finding.ts';
import type { Path } from './locate.ts';
import type { Report } from './report.ts';
import type { RowView } from './view.ts';

export type RunFacts = TemplateFacts & {
  /** The named template of the run; undefined for the model's own. */
  readonly named: NamedTemplate | undefined;
  readonly options: EncodeOptions;
};

/** Of the settings, where no row is to blame. */
const settings: Place = { file: 'template' };

/** Faults after which a model cannot stop; the others are the manner of LLaMA-Factory. */
const grave = ['no-stop-token', 'call-without-stop'];

const kindOfFault = ({ id, title, help }: Fault, severity: Severity): Kind => ({
  code: `llama-factory/${id}`,
  severity,
  title,
  help,
});

/** What can be said of the template before a row is read. */
export function checkSettings(facts: RunFacts, report: Report): void {
  for (const { code, severity, message, help, place } of checkTemplate(facts)) {
    report.add(
      { code, severity, title: 'the template needs a look', help },
      message,
      () => place ?? settings,
    );
  }
  const { named } = facts;
  if (!named) return;
  for (const fault of faults) {
    if (!fault.ofTemplate?.(named)) continue;
    const kind = kindOfFault(fault, grave.includes(fault.id) ? 'warning' : 'note');
    report.add(kind, `template \`${named.name}\`: ${fault.detail}`, () => settings);
  }
}

export function rowChecks({ named, options }: RunFacts): TrainingCheck {
  return (example, view, add) => {
    for (const fault of faults) {
      const index = fault.ofRow?.({ example, template: named });
      if (index !== undefined)
        add(kindOfFault(fault, 'warning'), fault.title, turnPath(view, index));
    }
    try {
      checkContent(example, options, () => {});
      checkLength(example, view, options, add);
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      const { code, message, help } = error;
      add({ ...refused, code, ...(help === undefined ? {} : { help }) }, message);
    }
  };
}

/** The message of an example in its row, whose first may be the system's. */
const turnPath = ({ turns, reply }: RowView, index: number): Path | undefined =>
  turns.filter(({ role }) => role !== 'system')[index]?.path ?? reply?.path;

/** What `overlong` makes of a row that is too long, where it is not cut. */
const tooLong: Readonly<Record<'drop' | 'error', Kind>> = {
  drop: {
    ...cutByLength,
    severity: 'note',
    title: 'a row is longer than `cutoff_len` and left out',
  },
  error: {
    ...cutByLength,
    severity: 'error',
    title: 'a row is longer than `cutoff_len`, and the run refuses it',
  },
};

function checkLength(
  example: Example,
  view: RowView,
  options: EncodeOptions,
  add: Parameters<TrainingCheck>[2],
): void {
  const last = example.messages.at(-1);
  if (!last || !isReply(last.role)) return;
  const { turns, labeled } = encodeTurns(example, options);
  const { labels, kept, truncated } = labeled;
  const length = labels.length + truncated;
  const path = view.reply?.path;
  if (countTargets(labels) === 0) {
    if (truncated > 0) {
      add(
        beyondCutoff,
        `the row has ${length} tokens, and its replies begin after the first ${options.cutoff}`,
        path,
      );
    } else add(unsupervised, 'its replies are no tokens', path);
    return;
  }
  if (truncated === 0) return;
  const cutSource = turns.findIndex(({ source }, i) => kept[i].source < source.length);
  const cutTarget = turns.findIndex(({ target }, i) => kept[i].target < target.length);
  if (options.overlong !== 'truncate') {
    add(
      tooLong[options.overlong],
      `the row has ${length} tokens, \`cutoff_len\` is ${options.cutoff}`,
      path,
    );
    return;
  }
  const size = `the row has ${length} tokens, \`cutoff_len\` keeps ${options.cutoff}`;
  if (cutSource >= 0)
    add(
      cutPrompt,
      `${size}: prompt ${cutSource} loses its end`,
      turnPath(view, 2 * cutSource) ?? path,
    );
  if (cutTarget >= 0) {
    const lost = turns[cutTarget].target.length - kept[cutTarget].target;
    add(cutByLength, `${size}: reply ${cutTarget} loses its last ${lost} tokens`, path);
  }
}
