import { expect, test } from 'vitest';
import { type FilterValues, parseFilter } from './filter-expression.ts';

const values: FilterValues = {
  prompt: 'What is 2 + 2?',
  reply: 'It is "four".',
  rejected: '',
  system: '',
  text: 'What is 2 + 2?\nIt is "four".',
  dataset: 'sums',
  turns: 1,
};

test.each([
  ['turns == 1', true],
  ['turns >= 2', false],
  ['length(reply) > 5 and length(reply) <= 13', true],
  ['contains(reply, "\\"four\\"")', true],
  ["contains(prompt, '2 + 2')", true],
  ['not contains(text, "\\n")', false],
  ['dataset == "sums" and (turns > 3 or system == "")', true],
  ['turns > 3 or turns > 4 and turns > 5', false],
  ['not not turns', true],
  ['system', false],
  ['length("día") == 3', true],
] as const)('%s is %s', (text, expected) => {
  const parsed = parseFilter(text);
  expect('test' in parsed && parsed.test(values)).toBe(expected);
});

test.each([
  ['', 'ends where a value is expected'],
  ['turns >', 'ends where a value is expected'],
  ['turn > 1', '`turn` is none of'],
  ['constructor', '`constructor` is none of'],
  ['turns > 1 turns', '`turns` stands after the end'],
  ['contains(reply)', 'expected `,`, found `)`'],
  ['length(reply', 'expected `)`, found the end'],
  ['turns = 1', 'is not understood'],
  ['reply == "open', 'is not understood'],
  ['process.exit()', 'is not understood'],
  ['('.repeat(1000), 'nested too deep'],
] as const)('%s is refused', (text, expected) => {
  const parsed = parseFilter(text);
  expect('fault' in parsed && parsed.fault).toContain(expected);
});
