/**
 * @file The classes `LlamaTokenizer` and `CodeLlamaTokenizer` of transformers 5: whatever the file's own parts say, they
 * mark spaces with `Metaspace`, and `legacy` decides whether the text behind a special token gets a space of its own.
 */
import type { Definition } from './definition.ts';
import type { Part } from './normalizers.ts';
import { spaceMark } from './sentencepiece-normalizer.ts';
import type { TokenizerConfig } from './tokenizer-config.ts';

/** Models whose files name the class wrongly: transformers takes their tokenizer.json as it stands. */
const exceptions: ReadonlySet<string> = new Set([
  ...['arctic', 'chameleon', 'chatlm', 'cohere_asr', 'deepseek_v2', 'deepseek_v3', 'deepseek_vl'],
  ...['deepseek_vl_hybrid', 'deepseek_vl_v2', 'fuyu', 'h2ovl_chat', 'hyperclovax_vlm', 'internlm2'],
  ...[
    'internvl_chat',
    'jamba',
    'janus',
    'llava',
    'llava_next',
    'minicpmv',
    'minimax_m2',
    'modernbert',
  ],
  ...['molmo', 'molmo2', 'nemotron', 'nvfp4', 'opencua', 'openvla', 'phi3', 'phi3_v', 'phimoe'],
  ...['step3_vl', 'step3p5', 'vipllava'],
]);

type LlamaParts = Pick<Definition, 'normalizer' | 'preTokenizer' | 'decoder'>;

const replaceMark: Part = { type: 'Replace', pattern: { String: spaceMark }, content: ' ' };

/**
 * The parts that the class puts in place of a file's; undefined where the config names another class. `modelType` is
 * `model_type` of config.json.
 */
export function llamaParts(
  { tokenizer_class, add_prefix_space, legacy }: TokenizerConfig,
  modelType: string | undefined,
): LlamaParts | undefined {
  const name = tokenizer_class?.replace(/Fast$/, '');
  const code = name === 'CodeLlamaTokenizer';
  if (name !== 'LlamaTokenizer' && !code) return undefined;
  if (modelType !== undefined && exceptions.has(modelType)) return undefined;
  const prefixed = add_prefix_space ?? true;
  const scheme = !prefixed ? 'never' : legacy && !code ? 'always' : 'first';
  return {
    normalizer: undefined,
    preTokenizer: {
      type: 'Metaspace',
      replacement: spaceMark,
      prepend_scheme: scheme,
      split: false,
    },
    decoder: spaceDecoder(prefixed || code ? 1 : 0),
  };
}

/** Tokens to text as SentencePiece does it; so many spaces at its start are not of the text. */
export const spaceDecoder = (leading: number): Part => ({
  type: 'Sequence',
  decoders: [
    replaceMark,
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(leading > 0 ? [{ type: 'Strip', content: ' ', start: leading, stop: 0 }] : []),
  ],
});
