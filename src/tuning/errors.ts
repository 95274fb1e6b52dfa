/** @file Errors of what is trained. */
import { join } from 'node:path';
import { defineError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';

export const unknownTarget = defineError(
  'tuning/unknown-target',
  (key: string, name: string, known: readonly string[]) => ({
    message: `\`${key}\` names \`${name}\`, and the model has no such module${didYouMean(name, known)}`,
    help: `it has ${known.map((n) => `\`${n}\``).join(', ')}`,
  }),
);

export const noAdapter = defineError('tuning/no-adapter', (folder: string, what: string) => ({
  message: `no adapter in \`${folder}\`: ${what}`,
  place: { file: folder },
  help: '`adapter_name_or_path` takes a folder with adapter_config.json and adapter_model.safetensors: the `output_dir` of a finished LoRA run, a `checkpoint-N` in it, or what PEFT saved',
}));

export const badAdapterConfig = defineError(
  'tuning/adapter-config',
  (file: string, key: string | undefined, what: string) => ({
    message: `the adapter’s configuration cannot be read: ${what}`,
    place: key === undefined || key === '' ? { file } : { file, key },
    help: 'save the adapter once more with PEFT, or copy its folder again',
  }),
);

export const unsupportedAdapter = defineError(
  'tuning/adapter-unsupported',
  (file: string, key: string, what: string, help: string) => ({
    message: `this adapter cannot be used yet: ${what}`,
    place: { file, key },
    help,
  }),
);

/** An adapter of another model, or one that is not whole. `base` is what it says it belongs to. */
export const adapterMismatch = defineError(
  'tuning/adapter-mismatch',
  (folder: string, key: string, model: string, base: string | null | undefined, what: string) => ({
    message: `the adapter in \`${folder}\` does not fit the model \`${model}\`: ${what}`,
    place: { file: join(folder, 'adapter_model.safetensors'), key },
    help: base
      ? `it was made for \`${base}\`: set \`model_name_or_path\` to that, or \`adapter_name_or_path\` to an adapter of \`${model}\``
      : `set \`adapter_name_or_path\` to an adapter that was trained on \`${model}\``,
  }),
);
