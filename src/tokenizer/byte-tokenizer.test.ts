import { expect, test } from 'vitest';
import { byteTokenizer } from './byte-tokenizer.ts';

const tokenizer = byteTokenizer();

test('an id is a byte, a marker is one id', () => {
  expect([...tokenizer.encode('hé<|im_end|>\n')]).toEqual([104, 0xc3, 0xa9, 258, 10]);
  expect(tokenizer.vocabSize).toBe(259);
  expect(tokenizer.eos).toEqual({ id: 258, token: '<|im_end|>' });
});

test('markers stay text where they are not looked for', () => {
  const ids = tokenizer.encode('<|im_end|>', { parseSpecial: false });
  expect(String.fromCharCode(...ids)).toBe('<|im_end|>');
  expect(tokenizer.countTokens('<|im_end|>', { parseSpecial: false })).toBe(10);
});

test('a stream gives whole characters only', () => {
  const text = '\ufeffa👩‍👩‍👧ก';
  const stream = tokenizer.streamDecoder();
  const parts = [...tokenizer.encode(text)].map((id) => stream.push(id));
  expect(parts.join('') + stream.end()).toBe(text);
  for (const part of parts) expect(part.isWellFormed() && !part.includes('\ufffd')).toBe(true);
  stream.push(0xf0);
  expect(stream.end()).toBe('\ufffd');
});

test('special tokens are left out of shown text', () => {
  const ids = tokenizer.encode('<|im_start|>a<|im_end|>');
  expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('a');
  expect(tokenizer.decode(ids)).toBe('<|im_start|>a<|im_end|>');
  const stream = tokenizer.streamDecoder({ skipSpecialTokens: true });
  expect([...ids].map((id) => stream.push(id)).join('')).toBe('a');
});

test('other special tokens make another tokenizer', () => {
  const other = tokenizer.withTokens({ eos: '<|endoftext|>' });
  expect(other.eos?.id).toBe(256);
  expect(tokenizer.eos?.id).toBe(258);
  expect(other.digest).not.toBe(tokenizer.digest);
  expect(() => tokenizer.withTokens({ eos: '<|im_stop|>' })).toThrow(/<\|im_stop\|>.*eos/);
});
