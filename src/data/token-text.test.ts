import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { cellsOf, textsOf, visible } from './token-text.ts';

const tokenizer = byteTokenizer();
const texts = (text: string) => textsOf(tokenizer.encode(text), tokenizer);

describe('characters that are spread over tokens', () => {
  test('are joined, and each token still shows its bytes', () => {
    expect(texts('aé')).toEqual([
      { text: 'a' },
      { text: '\\xc3', joined: { text: 'é', at: 0, of: 2 } },
      { text: '\\xa9', joined: { text: 'é', at: 1, of: 2 } },
    ]);
    expect(texts('你').map(({ joined }) => joined?.text)).toEqual(['你', '你', '你']);
  });

  test('bytes that never become one stay bytes, and what follows is whole again', () => {
    const ids = [0xe4, 0xbd, ...tokenizer.encode('ok é')];
    expect(textsOf(ids, tokenizer).map(({ text }) => text)).toEqual([
      '\\xe4',
      '\\xbd',
      'o',
      'k',
      ' ',
      '\\xc3',
      '\\xa9',
    ]);
  });

  test('are one cell where all their tokens are of one kind, bytes where they are not', () => {
    const tokens = texts('é').map((token, i) => ({ ...token, i }));
    expect(cellsOf(tokens, () => '').map(({ text }) => text)).toEqual(['é']);
    expect(cellsOf(tokens, ({ i }) => String(i)).map(({ text }) => text)).toEqual([
      '\\xc3',
      '\\xa9',
    ]);
  });

  test('an id that means nothing writes nothing', () => {
    expect(textsOf([9999], tokenizer)).toEqual([{ text: '' }]);
  });
});

test('what shows nothing gets a sign, and nothing reaches the terminal that could command it', () => {
  expect(visible(' word')).toBe(' word');
  expect(visible(' ')).toBe('·');
  expect(visible('  two ')).toBe('··two·');
  expect(visible('a\r\n\tb')).toBe('a␍↵␉b');
  expect(visible('\u001b[31m\u0007\u007f\u009b')).toBe('␛[31m␇␡⟨U+009B⟩');
  expect(visible('a\u202eb\u200b\ufeff\u00a0\u3000')).toBe('a⟨U+202E⟩b⟨U+200B⟩⟨U+FEFF⟩⍽⟨U+3000⟩');
  expect(visible('né 你 👍🏽 עברית')).toBe('né·你·👍🏽·עברית');
});
