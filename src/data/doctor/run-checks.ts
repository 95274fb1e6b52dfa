/** @file What a run would make of the data: the template's own faults once, then each row's tokens against `cutoff_len`. */
import { type Place, TuneryError } from '../../core/errors.ts';
import { checkContent, type EncodeOptions } from '../encode-example.ts';
import { type Fault, faults } from '../faults.ts';
import type { Stage } from '../stage.ts';
import { checkTemplate, contentChecker, type TemplateFacts } from '../template-checks.ts';
import type { NamedTemplate } from '../templates/template.ts';
import type { Warning } from '../warning.ts';
import type { Kind } from './check.ts';
import { kindsByCode } from './checks/index.ts';
import { namesToken, specialToken } from './checks/markup.ts';
import { refused } from './checks/training.ts';
import type { TrainingCheck } from './examine-row.ts';
import type { Severity } from './finding.ts';
import type { Report } from './report.ts';
import { lengthCheckOf, turnPath } from './row-lengths.ts';

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

/** The fault that a check which needs no run tells of. */
const hasOwnCheck = 'trailing-tool-results';
/** Warnings of a run that are told by that check, or as a fault of the named template. */
const toldElsewhere = [`data/${hasOwnCheck}`, 'data/words-beside-calls'];

const warningKind = ({ code, help }: Warning): Kind => ({
  ...(kindsByCode.get(code) ?? { ...refused, code, severity: 'warning' }),
  help,
});

/** What a stage makes of each row; undefined where it asks nothing of one, as of texts to continue. */
export function rowChecks(
  { named, options, tokenizer }: RunFacts,
  stage: Stage,
): TrainingCheck | undefined {
  const checkLength = lengthCheckOf(stage);
  if (!checkLength) return undefined;
  const controlTokenIn = contentChecker(tokenizer);
  return (example, view, add) => {
    for (const fault of faults) {
      if (fault.id === hasOwnCheck) continue;
      const index = fault.ofRow?.({ example, template: named });
      if (index !== undefined)
        add(kindOfFault(fault, 'warning'), fault.title, turnPath(view, index));
    }
    for (const { text, path } of view.passages) {
      // What looks like one in any vocabulary has been told already.
      const token = namesToken(text) ? undefined : controlTokenIn(text);
      if (token) add({ ...specialToken, help: token.help }, token.message, path, token.at);
    }
    try {
      checkContent(example, options, (warning) => {
        if (!toldElsewhere.includes(warning.code)) add(warningKind(warning), warning.message);
      });
      checkLength(example, view, options, add);
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      const { code, message, help } = error;
      add({ ...refused, code, ...(help === undefined ? {} : { help }) }, message);
    }
  };
}
