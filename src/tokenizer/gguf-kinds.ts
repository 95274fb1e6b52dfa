/** @file Pre-tokenizers by the names that GGUF files give them (`tokenizer.ggml.pre`), spelled as tokenizer.json spells them. */
import type { Part } from './normalizers.ts';
import { gpt2Pattern, llama3Pattern, qwen2Pattern } from './pre-tokenizers.ts';

export type GgufKind = {
  readonly normalizer?: Part;
  readonly preTokenizer: Part;
  readonly ignoreMerges?: true;
  /** Where the file does not say `tokenizer.ggml.add_bos_token`. */
  readonly addBos?: true;
};

const bytes = (useRegex: boolean): Part => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const split = (pattern: string): Part => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});
const inTurn = (...patterns: readonly string[]): Part => ({
  type: 'Sequence',
  pretokenizers: [...patterns.map(split), bytes(false)],
});
const digitsFirst: Part = {
  type: 'Sequence',
  pretokenizers: [{ type: 'Digits', individual_digits: true }, bytes(true)],
};
const nfc: Part = { type: 'NFC' };

const gpt2: GgufKind = { preTokenizer: bytes(true) };
const llama3: GgufKind = { preTokenizer: inTurn(llama3Pattern), ignoreMerges: true, addBos: true };
const qwen2: GgufKind = { normalizer: nfc, preTokenizer: inTurn(qwen2Pattern) };
const singleDigits: GgufKind = { preTokenizer: digitsFirst };

const han = '[一-龥ࠀ-一가-퟿]+';

const caseAware = (number: string, contraction: string): string => {
  const [upper, lower] = ['\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}', '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}'];
  return [
    `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${contraction}`,
    `[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${contraction}`,
    number,
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*',
    '\\s*[\\r\\n]+',
    '\\s+(?!\\S)',
    '\\s+',
  ].join('|');
};

const deepseekV3: GgufKind = {
  preTokenizer: inTurn(
    '\\p{N}{1,3}',
    '[一-龥぀-ゟ゠-ヿ]+',
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ),
};

/** Sorted by name. The patterns are those of the models' own tokenizer.json files, where these exist. */
export const ggufKinds: Readonly<Record<string, GgufKind>> = {
  'chatglm-bpe': { preTokenizer: inTurn(llama3Pattern) },
  codeshell: singleDigits,
  'command-r': singleDigits,
  dbrx: { preTokenizer: inTurn(llama3Pattern) },
  'deepseek-coder': {
    preTokenizer: inTurn('[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', han, '\\p{N}'),
  },
  'deepseek-r1-qwen': qwen2,
  'deepseek-v3': deepseekV3,
  default: {
    preTokenizer: inTurn('[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2Pattern, '\\p{N}+', '[0-9][0-9][0-9]'),
  },
  exaone: singleDigits,
  falcon: {
    preTokenizer: inTurn('[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2Pattern, '[0-9][0-9][0-9]'),
  },
  falcon3: llama3,
  glm4: { preTokenizer: inTurn(llama3Pattern) },
  'gpt-2': gpt2,
  'gpt-4o': {
    preTokenizer: inTurn(caseAware('\\p{N}{1,3}', "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")),
  },
  jais: gpt2,
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  llama4: {
    preTokenizer: inTurn(caseAware('\\p{N}{1,3}', "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")),
    addBos: true,
  },
  'minerva-7b': singleDigits,
  mpt: gpt2,
  olmo: gpt2,
  'phi-2': gpt2,
  qwen2,
  refact: singleDigits,
  'smaug-bpe': { preTokenizer: inTurn(llama3Pattern) },
  smollm: singleDigits,
  stablelm2: { preTokenizer: inTurn(qwen2Pattern) },
  starcoder: singleDigits,
  tekken: { preTokenizer: inTurn(caseAware('\\p{N}', '')), ignoreMerges: true, addBos: true },
};
