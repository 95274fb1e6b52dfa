/** @file `tunery config …`: what the settings of a file mean, before anything runs. */
import { checkConfig, verdictLine } from '../../config/check.ts';
import { explainAll, explainKey, explainTable } from '../../config/explain.ts';
import { configLines, loadConfig } from '../../config/load.ts';
import { toJsonSchema } from '../../config/to-json-schema.ts';
import { formatError } from '../../core/errors.ts';
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
    const verdict = checkConfig({ file, overrides: settings, command: 'config' });
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
