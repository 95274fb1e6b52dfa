/** @file `tunery config …`: what the settings of a file mean, before anything runs. */
import { explainAll, explainKey, explainTable } from '../../config/explain.ts';
import { configLines, loadConfig } from '../../config/load.ts';
import { toJsonSchema } from '../../config/to-json-schema.ts';
import { defineCommand } from '../command.ts';
import { extraArgument } from '../errors.ts';

export const configCheckCommand = defineCommand({
  name: 'config check',
  summary: 'Check a settings file, and say what happens with each key that is only accepted.',
  examples: ['tunery config check examples/smollm2_lora_sft.yaml learning_rate=1e-4'],
  positionals: [{ name: 'FILE', help: 'the settings file' }],
  takesSettings: true,

  async run(_job, { positionals: [file], settings, json, print, emit }) {
    const loaded = loadConfig({ file, overrides: settings, command: 'config' });
    if (json) emit({ notes: loaded.notes, warnings: loaded.warnings });
    else print([...configLines(loaded), `${file} is in order`].join('\n'));
    return undefined;
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
