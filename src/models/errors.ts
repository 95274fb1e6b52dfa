/** @file Errors about models: not found, not known, or not whole. */
import { defineError } from '../core/errors.ts';

export const modelNotFound = defineError(
  'models/not-found',
  (name: string, tried: readonly string[], near: string, help?: string) => ({
    message: `no model \`${name}\`${near}; tried ${tried.join(', ')}`,
    help: `give a folder with config.json, *.safetensors and tokenizer.json, a .gguf file, or a hub id${help === undefined ? '' : `; for the hub: ${help}`}`,
  }),
);

export const notAModelFolder = defineError(
  'models/not-a-model-folder',
  (folder: string, what: string) => ({
    message: `\`${folder}\` is no model folder: ${what}`,
    place: { file: folder },
    help: 'a model folder holds config.json, *.safetensors and the tokenizer’s files',
  }),
);

export const badConfig = defineError('models/bad-config', (file: string, what: string) => ({
  message: `the model’s configuration is wrong: ${what}`,
  place: { file },
  help: 'compare it with the config.json of the model’s publisher',
}));

export const unknownFamily = defineError(
  'models/unknown-family',
  (file: string, name: string, near: string, known: readonly string[]) => ({
    message: `models of the kind \`${name}\` are not supported yet${near}`,
    place: { file },
    help: `supported now: ${known.join(', ')}`,
  }),
);

export const unsupportedModel = defineError(
  'models/unsupported',
  (file: string, key: string, what: string) => ({
    message: what,
    place: { file, key },
    help: 'choose another model, or the SafeTensors folder of this one',
  }),
);

export const unsupportedDtype = defineError(
  'models/unsupported-dtype',
  (file: string, tensor: string, dtype: string) => ({
    message: `the weights are stored as ${dtype}, which cannot be read yet`,
    place: { file, key: tensor },
    help: 'supported now: F32, F16, BF16 and bitsandbytes’ blocks in SafeTensors; take the full-precision model',
  }),
);

export const badQuantized = defineError(
  'models/bad-quantized',
  (folder: string, tensor: string, what: string) => ({
    message: `its quantized weights cannot be read: ${what}`,
    place: { file: folder, key: tensor },
    help: 'take the full-precision model, and quantize it here with `quantization_bit: 4`',
  }),
);

export const otherQuantization = defineError(
  'models/other-quantization',
  (folder: string, method: string) => ({
    message: `its weights were quantized with ${method}, which cannot be read yet`,
    place: { file: folder, key: 'quantization_config' },
    help: 'take the full-precision model, and quantize it here with `quantization_bit: 4`; what bitsandbytes has quantized can be read, and GGUF files',
  }),
);

export const noBlocks = defineError('models/no-blocks', (name: string) => ({
  message: `\`quantization_method: gguf\` keeps the blocks of a GGUF file, and \`${name}\` has none`,
  help: 'name a quantized .gguf file, or set `quantization_bit: 4` to quantize this model as it is loaded',
}));

export const badRandomModel = defineError('models/bad-random', (name: string, what: string) => ({
  message: `\`${name}\` describes no model: ${what}`,
  help: 'write it as `random:llama?hidden_size=64&num_hidden_layers=2&seed=0`',
}));

export const wrongShape = defineError(
  'models/wrong-shape',
  (file: string, tensor: string, found: readonly number[], expected: readonly number[]) => ({
    message: `its shape is [${found.join(', ')}], and config.json asks for [${expected.join(', ')}]`,
    place: { file, key: tensor },
    help: 'config.json and the weights belong to different models; take both from one place',
  }),
);
