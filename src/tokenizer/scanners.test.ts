import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ggufKinds } from './gguf-kinds.ts';
import { compilePreTokenizer } from './pre-tokenizers.ts';

const file = new URL('../../tests/golden/tokenizer/ids.json.gz', import.meta.url);
const { listed, drawn } = z
  .object({ listed: z.array(z.string()), drawn: z.array(z.string()) })
  .parse(JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')));

test.each(['gpt-2', 'smollm', 'llama-bpe', 'qwen2'])(
  'the scanner of %s cuts where its pattern cuts',
  (kind) => {
    const { split, scan } = compilePreTokenizer(ggufKinds[kind].preTokenizer, 'test');
    expect(scan).toBeDefined();
    for (const given of [...listed, ...drawn]) {
      const text = given.toWellFormed();
      const pieces: { text: string; start: number }[] = [];
      // Inside a longer text: what follows `end` must not matter.
      const inside = `1${text}a`;
      const codes = Uint16Array.from({ length: inside.length }, (_, i) => inside.charCodeAt(i));
      for (let at = 1; at < inside.length - 1; ) {
        const next = scan!(codes, at, inside.length - 1);
        expect(next).toBeGreaterThan(at);
        pieces.push({ text: inside.slice(at, next), start: at - 1 });
        at = next;
      }
      expect(pieces, JSON.stringify(text)).toEqual(split(text, true));
    }
  },
);

test('other pre-tokenizers have none', () => {
  const bytes = { type: 'ByteLevel', add_prefix_space: true, use_regex: true };
  expect(compilePreTokenizer(bytes, 'test').scan).toBeUndefined();
  const { preTokenizer } = ggufKinds['deepseek-v3'];
  expect(compilePreTokenizer(preTokenizer, 'test').scan).toBeUndefined();
});
