/** @file A model folder as Hugging Face lays it out, with a tokenizer of single bytes: kilobytes in all. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { randomModel } from '../../src/models/random-model.ts';
import { byteChars } from '../../src/tokenizer/byte-level.ts';

const chatMl =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Writes the weights of a `random:` model and all that belongs to them. */
export async function writeModelFolder(folder: string, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { config, weights } = await randomModel(name);
  const write = (file: string, value: unknown): void =>
    writeFileSync(join(folder, file), JSON.stringify(value, null, 1));
  write('config.json', config);
  write('tokenizer.json', tokenizer());
  write('tokenizer_config.json', { eos_token: '<|im_end|>', pad_token: '<|endoftext|>' });
  writeFileSync(join(folder, 'chat_template.jinja'), chatMl);
  writeSafetensors(
    join(folder, 'model.safetensors'),
    weights.names().map((each) => {
      const { shape, stored } = weights.get(each);
      return { name: each, dtype: 'F32', shape, bytes: stored().bytes };
    }),
    { format: 'pt' },
  );
}

function tokenizer() {
  const markers = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  const added = { special: true, normalized: false, single_word: false, lstrip: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: markers.map((content, i) => ({ id: 256 + i, content, ...added, rstrip: false })),
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(byteChars.map((char, i) => [char, i])),
      merges: [],
    },
  };
}
