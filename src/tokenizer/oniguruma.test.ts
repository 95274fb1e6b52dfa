import { expect, test } from 'vitest';
import { compileOniguruma } from './oniguruma.ts';

const matches = (pattern: string, text: string): string[] =>
  [...text.matchAll(compileOniguruma(pattern, 'g'))].map(([match]) => match);

test.each([
  ["(?i:'s|'ll)|[^\\s\\p{L}]+", "'S 'LL 'ſ \u0345's", ["'S", "'LL", "'ſ", "\u0345'"]],
  ['a++b|a', 'aaab aa', ['aaab', 'a', 'a']],
  ['a++a', 'aaa', []],
  ['(?>a|ab)c', 'abc ac', ['ac']],
  ['[a-c&&[^b]]+', 'abc', ['a', 'c']],
  ['[[:digit:]x-]+', '1x-٣y', ['1x-٣']],
  ['[^[:space:]]+', 'a b\u0085c', ['a', 'b', 'c']],
  ['\\s+', 'a\u0085\ufeffb', ['\u0085']],
  ['[]a]+', ']a[', [']a']],
  ['[\\]\\[(){}|/&!#-]+', 'x](){}[|/&!#-', ['](){}[|/&!#-']],
  ['^.+$', 'a\rb\nc', ['a\rb', 'c']],
  ['\\Aa|b\\z', 'aab\nb', ['a', 'b']],
  ['b\\Z', 'b\nb\n', ['b']],
  ['a{,2}b', 'aaab', ['aab']],
  ['\\x41\\x{1F600}\\u0042', 'A😀B', ['A😀B']],
  ['\\P{L}+', 'a1é2', ['1', '2']],
  ['\\p{^L}+', 'a1é2', ['1', '2']],
  ['\\p{Han}+', '漢字kana', ['漢字']],
  ['(?<name>a)(b)|c', 'abc', ['ab', 'c']],
  ['(?<=a)b(?!c)', 'abc ab', ['b']],
  ['(?#nothing)a', 'a', ['a']],
  ['(?i:[k-m])x', 'Kx Kx mx nx', ['Kx', 'Kx', 'mx']],
  ['[\\u4e00-\\u4e02-]+', '一丁-', ['一丁-']],
])('%s on %j', (pattern, text, expected) => {
  expect(matches(pattern, text)).toEqual(expected);
});

test.each([
  ['(?<=a', /group without end/],
  ['a)', /too many/],
  ['[a', /class without end/],
  ['\\p{Nonsense}', /property `Nonsense`/],
  ['\\X', /`\\X`/],
  ['(?m:a)', /group/],
  ['*a', /quantifier/],
])('%s is refused by name', (pattern, message) => {
  expect(() => compileOniguruma(pattern, 'g')).toThrow(message);
});
