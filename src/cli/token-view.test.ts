import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { textsOf } from '../data/token-text.ts';
import type { Token, TokenRow, TokenState } from '../data/tokens.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { textWidth } from './text-width.ts';
import { painted, table } from './token-view.ts';

const tokenizer = byteTokenizer();

function tokensOf(text: string, state: TokenState): Token[] {
  const ids = [...tokenizer.encode(text)];
  const texts = textsOf(ids, tokenizer);
  return ids.map((id, i) => ({ ...texts[i]!, id, state, special: tokenizer.isSpecial(id) }));
}

function row(...documents: readonly (readonly Token[])[]): TokenRow {
  const place = { file: 'rows.json', line: 3, row: 1 };
  return {
    row: 1,
    fed: 5,
    trained: 2,
    truncated: 0,
    documents: documents.map((tokens) => ({ place, tokens })),
  };
}

const lines = (text: string): string[] => stripVTControlCharacters(text).split('\n');

describe('in colors', () => {
  const shown = painted(
    row([
      ...tokensOf('Hi<|im_end|>\n', 'masked'),
      ...tokensOf('Yo<|im_end|>', 'trained'),
      ...tokensOf('gone', 'truncated'),
    ]),
    9,
    80,
  );

  test('every kind has its own look, and the legend names those that occur', () => {
    expect(shown).toContain('\u001b[32mY\u001b[0m');
    expect(shown).toContain('\u001b[1;32m<|im_end|>\u001b[0m');
    expect(shown).toContain('\u001b[2mH\u001b[0m');
    expect(shown).toContain('\u001b[9;31mg\u001b[0m');
    expect(lines(shown)[1]).toBe(
      'learned  learned special  masked  masked special  cut off  ↵ line end',
    );
  });

  test('lines end where the text has them', () => {
    expect(lines(shown).slice(3)).toEqual([
      'rows.json:3 (row 1)',
      'H│i│<|im_end|>│↵',
      'Y│o│<|im_end|>│g│o│n│e│',
    ]);
  });

  test('no line is wider than the terminal, and no token is broken over two', () => {
    const text = 'ab 你好 '.repeat(30);
    const narrow = lines(painted(row(tokensOf(text, 'trained')), 9, 24)).slice(4);
    expect(narrow.length).toBeGreaterThan(5);
    for (const line of narrow) expect(textWidth(line)).toBeLessThanOrEqual(24);
    expect(narrow.join('')).toContain('你₃│好₃│');
  });

  test('documents of a pack are told apart, each with its place and counts', () => {
    const pack = lines(painted(row(tokensOf('a', 'masked'), tokensOf('b', 'trained')), 9, 80));
    expect(pack).toContain('document 1 of 2 · rows.json:3 (row 1) · 1 tokens, 0 learned');
    expect(pack).toContain('document 2 of 2 · rows.json:3 (row 1) · 1 tokens, 1 learned');
  });

  test('what is learned in place of a token stands beside it', () => {
    const [token] = tokensOf('a', 'trained');
    const shows = painted(row([{ ...token!, label: 258, learns: '<|im_end|>' }]), 9, 80);
    expect(lines(shows).at(-1)).toBe('a→<|im_end|>│');
  });

  test('text of a row cannot command the terminal', () => {
    const shows = painted(row(tokensOf('\u001b]0;title\u0007\u009b2J', 'trained')), 9, 80);
    const ours = new RegExp(`${'\u001b'}\\[[\\d;]*m`, 'g');
    expect(shows.replaceAll(ours, '')).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});

test('without colors: one token a line, with no escape in it', () => {
  const text = table(row(tokensOf('é<|im_end|>', 'trained')), 9);
  expect(text).not.toContain('\u001b');
  expect(text.split('\n').slice(2)).toEqual([
    '     0      195  trained                    "\\xc3"  1 of 2 of "é"',
    '     1      169  trained                    "\\xa9"  2 of 2 of "é"',
    '     2      258  trained special            "<|im_end|>"',
  ]);
});

test('a narrow terminal without colors has a narrow table', () => {
  const text = table(row(tokensOf('a<|im_end|>', 'trained')), 9, 48);
  expect(text.split('\n').slice(2)).toEqual([
    '   0       97  learned          "a"',
    '   1      258  learned special  "<|im_end|>"',
  ]);
});

test('widths of texts', () => {
  expect(textWidth('abc é')).toBe(5);
  expect(textWidth('你好！')).toBe(6);
  expect(textWidth('e\u0301')).toBe(1);
  expect(textWidth('👍')).toBe(2);
  expect(textWidth('│·↵')).toBe(3);
});
