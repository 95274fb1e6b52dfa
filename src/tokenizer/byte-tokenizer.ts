/** @file A tokenizer of 256 bytes and a few chat markers, made in memory: for random models and for tests. */
import { plainToken } from './added-tokens.ts';
import { byteChars } from './byte-level.ts';
import { byteLevelDecoder } from './decoders.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** Id b is byte b; then `<|endoftext|>` (bos, pad), `<|im_start|>`, `<|im_end|>` (eos). */
export function byteTokenizer(): Tokenizer {
  const markers = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  return createTokenizer({
    file: 'byte tokenizer',
    tokens: byteChars,
    model: {
      type: 'bpe',
      merges: new Int32Array(0),
      mergeResults: new Int32Array(0),
      ignoreMerges: false,
      unknown: undefined,
      fuseUnknown: false,
      byteFallback: false,
    },
    normalizer: undefined,
    preTokenizer: {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    postProcessor: undefined,
    decoder: byteLevelDecoder,
    added: markers.map((content, i) => ({ ...plainToken(256 + i, content), special: true })),
    special: { bos: '<|endoftext|>', eos: '<|im_end|>', pad: '<|endoftext|>' },
  });
}
