import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { translateOniguruma } from './oniguruma.ts';
import {
  classOf,
  composedClass,
  LETTER,
  NEWLINE,
  NUMBER,
  normalizationUnits,
  normalizeText,
  numericClass,
  OTHER,
  SPACE,
} from './unicode.ts';

const { classes, forms } = z
  .object({ classes: z.record(z.string(), z.string()), forms: z.record(z.string(), z.string()) })
  .parse(
    JSON.parse(
      readFileSync(
        new URL('../../tests/golden/tokenizer/characters.json', import.meta.url),
        'utf8',
      ),
    ),
  );

const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;

function digest(has: (char: string, code: number) => boolean): string {
  const bits = new Uint8Array(0x110000 / 8);
  for (let code = 0; code < 0x110000; code++) {
    if (!isSurrogate(code) && has(String.fromCodePoint(code), code)) {
      bits[code >> 3] |= 1 << (code & 7);
    }
  }
  return createHash('sha256').update(bits).digest('hex');
}

test.each(Object.keys(classes).filter((name) => name !== 'Digits'))(
  '%s has the characters that Oniguruma gives it',
  (name) => {
    const pattern = new RegExp(`^${translateOniguruma(name)}$`, 'v');
    expect(digest((char) => pattern.test(char))).toBe(classes[name]);
  },
);

test('digits are those of the library', () => {
  const pattern = new RegExp(`^${numericClass}$`, 'v');
  expect(digest((char) => pattern.test(char))).toBe(classes['Digits']);
});

test('the scanners’ classes are the patterns’', () => {
  expect(digest((_, code) => classOf(code) === LETTER)).toBe(classes['\\p{L}']);
  expect(digest((_, code) => classOf(code) === NUMBER)).toBe(classes['\\p{N}']);
  expect(digest((_, code) => [SPACE, NEWLINE].includes(classOf(code)))).toBe(classes['\\s']);
  expect([0x41, 0x31, 0x20, 0x0a, 0x21].map(classOf)).toEqual([
    LETTER,
    NUMBER,
    SPACE,
    NEWLINE,
    OTHER,
  ]);
});

test.each(['NFC', 'NFD', 'NFKC', 'NFKD'] as const)(
  '%s of every code point between a base and two marks',
  (form) => {
    const hash = createHash('sha256');
    for (let code = 0; code < 0x110000; code++) {
      if (isSurrogate(code)) continue;
      hash.update(normalizeText(`a${String.fromCodePoint(code)}\u0323\u0307`, form));
    }
    expect(hash.digest('hex')).toBe(forms[form]);
  },
);

test('normalization works unit by unit', () => {
  const text = 'q\u0307\u0323e\u0301x\u1100\u1161\u11a8가\u11a8ﬁ';
  expect(normalizationUnits(text)).toEqual([
    'q\u0307\u0323',
    'e\u0301',
    'x',
    '\u1100\u1161\u11a8',
    '가\u11a8',
    'ﬁ',
  ]);
  for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const) {
    const parts = normalizationUnits(text).map((unit) => normalizeText(unit, form));
    expect(parts.join('')).toBe(normalizeText(text, form));
  }
});

test('NFC leaves alone what is taken for composed, beside anything of its kind', () => {
  const member = new RegExp(`^${composedClass}$`);
  const joining = new Set<number>();
  for (let code = 0; code < 0x110000; code++) {
    if (isSurrogate(code)) continue;
    const [, ...behind] = String.fromCodePoint(code).normalize('NFD');
    for (const char of behind) joining.add(char.codePointAt(0)!);
  }
  for (let code = 0; code < 0x10000; code++) {
    const char = String.fromCharCode(code);
    if (!member.test(char)) continue;
    expect(char.normalize('NFC'), code.toString(16)).toBe(char);
    expect(/\p{M}/u.test(char), code.toString(16)).toBe(false);
    expect(joining.has(code), code.toString(16)).toBe(false);
  }
});
