/** @file Errors of the tokenizer. */
import { defineError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';

/** The file is not what it should be: broken JSON, a missing part, a merge of unknown tokens. */
export const badTokenizer = defineError(
  'tokenizer/bad-file',
  (file: string, key: string | undefined, what: string) => ({
    message: `the tokenizer cannot be read: ${what}`,
    place: key === undefined ? { file } : { file, key },
    help: 'fetch the file again, or export it once more with `tokenizer.save_pretrained(folder)`',
  }),
);

export const unsupportedModel = defineError(
  'tokenizer/unsupported-model',
  (file: string, kind: string) => ({
    message: `tokenizers of kind ${kind} are not supported yet`,
    place: { file },
    help: 'byte-level BPE (GPT-2, LLaMA 3, Qwen, SmolLM …), BPE with byte fallback (LLaMA 2, Mistral, Yi, Gemma) and Unigram (T5, XLM-R) work',
  }),
);

export const unsupportedPart = defineError(
  'tokenizer/unsupported-part',
  (file: string, part: string, type: string, known: readonly string[]) => ({
    message: `${part} \`${type}\` is not supported${didYouMean(type, known)}`,
    place: { file, key: part },
    help: `supported: ${known.join(', ')}`,
  }),
);

export const unsupportedPattern = defineError(
  'tokenizer/unsupported-pattern',
  (pattern: string, at: number, what: string) => ({
    message: `the pre-tokenizer's pattern has ${what} at character ${at + 1}, which is not supported: ${pattern}`,
    help: 'report the model, so that its pattern can be added',
  }),
);

export const unknownPre = defineError(
  'tokenizer/unknown-pre',
  (file: string, pre: string, known: readonly string[]) => ({
    message: `the GGUF names the pre-tokenizer \`${pre}\`, which is not known${didYouMean(pre, known)}`,
    place: { file, key: 'tokenizer.ggml.pre' },
    help: `known: ${known.join(', ')}; or use the model's Hugging Face folder, whose tokenizer.json says how it splits`,
  }),
);

export const unknownToken = defineError(
  'tokenizer/unknown-token',
  (token: string, role: string, near: Iterable<string>) => ({
    message: `\`${token}\` is to be the ${role} token, but the vocabulary does not hold it${didYouMean(token, near)}`,
  }),
);

export const noUnknown = defineError('tokenizer/no-unknown', (file: string) => ({
  message:
    'a text holds characters that no token stands for, and the tokenizer has no token for unknown ones',
  place: { file, key: 'model.unk_id' },
  help: 'name one as `model.unk_id` in tokenizer.json, or use the tokenizer that the model was trained with',
}));
