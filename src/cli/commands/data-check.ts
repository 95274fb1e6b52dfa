/** @file `tunery data check`: every defect of the data, with its place and what to do about it. */
import { z } from 'zod';
import { loadConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run-config.ts';
import { formatPlace, TuneryError } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { fixOne } from '../../data/doctor/errors.ts';
import { examine } from '../../data/doctor/examine.ts';
import type { Severity } from '../../data/doctor/finding.ts';
import { type Repaired, repair } from '../../data/doctor/repair.ts';
import { type Group, Report } from '../../data/doctor/report.ts';
import { checkSettings, type RunFacts, rowChecks } from '../../data/doctor/run-checks.ts';
import { subjectsOf } from '../../data/doctor/subjects.ts';
import type { OpenTemplate } from '../../data/open-template.ts';
import { encodeOptions } from '../../data/prepare.ts';
import { templates } from '../../data/templates/index.ts';
import type { ModelSource } from '../../models/source.ts';
import { openJobTemplate, stopIdsOf } from '../../runs/prepare-job.ts';
import { type Context, defineCommand, exitCodes } from '../command.ts';
import { missingArgument } from '../errors.ts';
import { openSource } from '../open-source.ts';

const whatToCheck = 'a data file, a settings file, or `dataset=…`';
const isSettings = (file: string): boolean => /\.ya?ml$/i.test(file);

export const dataCheckCommand = defineCommand({
  name: 'data check',
  summary:
    'Find every defect of a data set, with its place and what to do; `--fix` writes a cleaned copy.',
  examples: [
    'tunery data check my/chats.jsonl',
    'tunery data check examples/smollm2_lora_sft.yaml',
    'tunery data check dataset=train.jsonl eval_dataset=eval.jsonl --json',
  ],
  positionals: [{ name: 'FILE', help: 'a data file, or a settings file', optional: true }],
  takesSettings: true,
  options: {
    sample: field(z.int().min(1).nullable().default(null), {
      help: 'Look at about so many rows of each file, spread over it, instead of all.',
    }),
    fix: field(z.string().nullable().default(null), {
      help: 'Write a cleaned copy to this file, and what was changed to OUT.report.json; the original stays.',
    }),
  },

  async run(
    _job,
    { positionals: [file], settings, options, json, emit, print, note, color, progress, signal },
  ) {
    const isData = file !== undefined && !isSettings(file);
    const loaded = loadConfig({
      file: isData ? undefined : file,
      overrides: settings,
      command: 'check',
    });
    const { data, method } = loaded.job;
    const report = new Report({ each: json ? emit : undefined });
    const stage = loaded.origins.get('stage')?.kind === 'default' ? undefined : method.stage;
    const find = { folder: data.dataset_dir, stage, report };
    const names = [...(isData ? [file] : []), ...data.dataset];
    if (names.length === 0) throw missingArgument('data check', 'FILE', whatToCheck);
    const subjects = await subjectsOf(names, find);
    const evaluation = await subjectsOf(data.eval_dataset, find);
    const files = subjects.flatMap((subject) => subject.files);
    if (options.fix !== null && files.length !== 1) throw fixOne(files.length);
    const facts = await runFacts(loaded.job, report, { note, progress, signal });
    if (facts) checkSettings(facts, report);
    const examined = await examine(subjects, {
      report,
      evaluation,
      training: facts && rowChecks(facts, method.stage),
      sample: options.sample ?? undefined,
      progress: (rows) => progress(`${rows} rows checked`),
      signal,
    });
    progress(null);
    for (const { name, rows, format } of examined) {
      print(
        `${name}: ${rows} row${rows === 1 ? '' : 's'}${format === undefined ? '' : ` of format ${format}`}`,
      );
    }
    for (const group of report.groups()) print(`\n${paragraph(group, color)}`);
    print(`\n${summary(report)}`);
    const [only] = examined;
    const [path] = files;
    if (options.fix !== null && only && path !== undefined) {
      print(`\n${changesText(repair(path, only, options.fix))}`);
    }
    return report.count('error') > 0 ? exitCodes.failed : undefined;
  },
});

/** The template and tokenizer of the run that the settings describe; undefined where they name no model. */
async function runFacts(
  job: RunConfig,
  report: Report,
  follow: Pick<Context, 'note' | 'progress' | 'signal'>,
): Promise<RunFacts | undefined> {
  const { data, model } = job;
  if (!model.model_name_or_path) return undefined;
  const source = await openSource(model, follow);
  const opened = openOrReport(job, source, report);
  if (!opened) return undefined;
  const named = data.template === null ? undefined : templates[data.template];
  const compared = named && source.chatTemplate !== undefined;
  const own = compared
    ? openJobTemplate({ ...job, data: { ...data, template: null } }, source)
    : undefined;
  return {
    template: opened.template,
    tokenizer: opened.tokenizer,
    own: own?.template,
    generationStopIds: stopIdsOf(source),
    named,
    options: encodeOptions({ data, template: opened.template }),
  };
}

/** A template that cannot be used is a finding too: the rows are looked at all the same. */
function openOrReport(
  job: RunConfig,
  source: ModelSource,
  report: Report,
): OpenTemplate | undefined {
  try {
    return openJobTemplate(job, source);
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const { code, message, help = '', place } = error;
    const kind = { code, severity: 'error', title: 'the template cannot be used', help } as const;
    report.add(kind, message, () => place ?? { file: 'template' });
    return undefined;
  }
}

const colors: Readonly<Record<Severity, string>> = { error: '31', warning: '33', note: '36' };

/** A kind with its count, its first places, and what to do. */
function paragraph({ kind, count, findings }: Group, color: boolean): string {
  const paint = (text: string): string =>
    color ? `\u001b[${colors[kind.severity]}m${text}\u001b[0m` : text;
  const places = findings.map(
    ({ place, message }) => `  --> ${formatPlace(place)}\n      ${message}`,
  );
  const rest = count - findings.length;
  return [
    `${paint(`${kind.severity}[${kind.code}]`)}: ${kind.title}${count > 1 ? ` (${times(count)})` : ''}`,
    ...places,
    ...(rest > 0 ? [`  … and ${rest} more`] : []),
    `  help: ${findings[0]?.help ?? kind.help}`,
    ...(kind.fix ? [`  fix: \`--fix\` ${kind.fix.what}`] : []),
  ].join('\n');
}

function changesText({ out, rows, changes }: Repaired): string {
  const lines = changes.map(({ code, what, count, lines: at }) => {
    const more = count > 5 ? ', …' : '';
    const places = at.length === 0 ? '' : `: line ${at.slice(0, 5).join(', ')}${more}`;
    return `  ${what} [${code}], ${times(count)}${places}`;
  });
  return [
    `${out}: ${rows.written} of ${rows.read} rows written, ${rows.left_out} left out; ${out}.report.json lists the changes`,
    ...lines,
  ].join('\n');
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

function summary(report: Report): string {
  const counts = (['error', 'warning', 'note'] as const).map((severity) => {
    const count = report.count(severity);
    return `${count} ${severity}${count === 1 ? '' : 's'}`;
  });
  return counts.join(', ');
}
