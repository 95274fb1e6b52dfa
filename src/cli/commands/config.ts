/** @file `tunery config …`: what the settings of a file mean, before anything runs. */
import { checkConfig, type Verdict, verdictLine } from '../../config/check.ts';
import { explainAll, explainKey, explainTable } from '../../config/explain.ts';
import { configLines, loadConfig } from '../../config/load.ts';
import { toJsonSchema } from '../../config/to-json-schema.ts';
import { formatError, TuneryError } from '../../core/errors.ts';
import { checkNames } from '../../data/check-names.ts';
import { buildModel } from '../../models/load.ts';
import { isAtHand, openModel } from '../../models/source.ts';
import { defineCommand, exitCodes } from '../command.ts';
import { extraArgument, missingArgument } from '../errors.ts';

export const configCheckCommand = defineCommand({
  name: 'config check',
  summary:
    'Check settings: whether they run, and what happens with each key that is only accepted.',
  examples: [
    'tunery config check examples/smollm2_lora_sft.yaml learning_rate=1e-4',
    'tunery config check --stage sft --do_train --dataset identity --template qwen --model_name_or_path Qwen/Qwen2.5-0.5B',
  ],
  positionals: [{ name: 'FILE', help: 'the settings file', optional: true }],
  takesSettings: true,

  async run(_job, { positionals: [file], settings, json, print, note, emit }) {
    if (file === undefined && settings.length === 0) {
      throw missingArgument(
        'config check',
        'FILE',
        'the settings file (or settings, as `key=value`)',
      );
    }
    const verdict = await opened(checkConfig({ file, overrides: settings, command: 'config' }));
    const line = verdictLine(verdict);
    const runs = verdict.kind === 'runs';
    const notes = runs ? configLines(verdict.loaded) : [];
    const problems = runs ? [] : verdict.problems;
    if (json) {
      const { notes = [], warnings = [] } = runs ? verdict.loaded : {};
      const told = problems.map(({ code, message, place, help }) => ({
        code,
        message,
        place,
        help,
      }));
      emit({ verdict: line, notes, warnings, problems: told });
    } else {
      for (const problem of problems) note(`${formatError(problem)}\n`);
      print([...notes, `${file ?? 'these settings'}: ${line}`].join('\n'));
    }
    return runs ? exitCodes.ok : exitCodes.usage;
  },
});

/** What the settings name can refuse them too, where it lies on this machine; where it does not, a note says so. */
async function opened(verdict: Verdict): Promise<Verdict> {
  if (verdict.kind !== 'runs') return verdict;
  const { data, method, model } = verdict.loaded.job;
  const { problems: faults, unknown } = checkNames(data, method.stage);
  const problems = [...faults];
  const notes = [...verdict.loaded.notes];
  if (unknown.length > 0) {
    const names = unknown.map((name) => `\`${name}\``).join(', ');
    const message = `${names}: not known here; the run looks in \`${data.dataset_dir}\`, and for \`org/name\` on the hub`;
    notes.push({ keys: ['dataset'], message });
  }
  const name = model.model_name_or_path;
  const options = { revision: model.model_revision, hubCache: model.cache_dir };
  if (name === undefined) return verdict;
  if (isAtHand(name, options)) {
    try {
      await buildModel(await openModel(name, options));
    } catch (error) {
      if (!(error instanceof TuneryError)) throw error;
      problems.push(error);
    }
  } else {
    const message = `\`${name}\` is not on this machine: whether its family is there is seen when it is fetched`;
    notes.push({ keys: ['model_name_or_path'], message });
  }
  if (problems.length > 0) return { kind: 'refused', problems };
  return { kind: 'runs', loaded: { ...verdict.loaded, notes } };
}

export const configExplainCommand = defineCommand({
  name: 'config explain',
  summary: 'Print every setting in force and where it came from, or all about one.',
  examples: [
    'tunery config explain examples/smollm2_lora_sft.yaml',
    'tunery config explain examples/smollm2_lora_sft.yaml learning_rate',
    'tunery config explain lora_alpha lora_rank=16',
  ],
  positionals: [
    { name: 'FILE', help: 'the settings file', optional: true },
    { name: 'KEY', help: 'one setting', optional: true },
  ],
  takesSettings: true,

  async run(_job, { positionals, settings, json, print, emit }) {
    const file = positionals.find((text) => /[./\\]/.test(text));
    const [key, extra] = positionals.filter((text) => text !== file);
    if (extra !== undefined) throw extraArgument('config explain', extra);
    const loaded = loadConfig({ file, overrides: settings, command: 'config' });
    if (key === undefined) {
      if (json) for (const row of explainAll(loaded)) emit(row);
      else print([explainTable(loaded), ...configLines(loaded)].join('\n\n'));
      return undefined;
    }
    const text = explainKey(key, loaded);
    if (json) emit(explainAll(loaded).find((row) => row.key === key) ?? { key, text });
    else print(text);
    return undefined;
  },
});

export const configSchemaCommand = defineCommand({
  name: 'config schema',
  summary: 'Print the JSON Schema of settings files, for editors.',
  examples: ['tunery config schema > tunery.schema.json'],

  async run(_job, { write }) {
    write(`${JSON.stringify(toJsonSchema(), null, 2)}\n`);
    return undefined;
  },
});
