import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseJson } from '../../files/json.ts';
import { JinjaError } from './limits.ts';
import { compileTemplate, renderTemplate } from './template.ts';
import { Callable, fromJson, type Value } from './values.ts';

// Templates and their text by transformers: tests/golden/jinja_expressions.py.
const file = new URL('../../../tests/golden/jinja/expressions.json.gz', import.meta.url);
const Golden = z.object({
  variables: z.record(z.string(), z.unknown()),
  cases: z.array(z.tuple([z.string(), z.string().nullable()])),
});
const golden = Golden.parse(
  parseJson(gunzipSync(readFileSync(file)).toString(), { file: 'expressions.json' }),
);

const given = new Map<string, Value>([
  ...Object.entries(golden.variables).map(([name, value]) => [name, fromJson(value)] as const),
  ['tools', null],
  ['documents', null],
  ['add_generation_prompt', false],
  [
    'raise_exception',
    new Callable('raise_exception', ([message]) => {
      throw new JinjaError(String(message), true);
    }),
  ],
]);

const attempt = (source: string): string | null => {
  try {
    return renderTemplate(compileTemplate(source), given).text;
  } catch (error) {
    if (error instanceof JinjaError) return null;
    throw error;
  }
};

test('what Python writes, and what Python refuses', () => {
  expect(golden.cases.length).toBeGreaterThan(3000);
  const different = golden.cases.flatMap(([source, wanted]) => {
    const got = attempt(source);
    return got === wanted ? [] : [{ source, wanted, got }];
  });
  expect(different).toEqual([]);
});

describe('limits', () => {
  const failure = (source: string): string => {
    const started = performance.now();
    try {
      renderTemplate(compileTemplate(source), given);
    } catch (error) {
      // Minutes on a busy machine would be a hang; each of these takes a second or two.
      expect(performance.now() - started).toBeLessThan(30_000);
      if (error instanceof JinjaError) return error.message;
      throw error;
    }
    throw new Error('nothing was thrown');
  };
  const twice = (times: number, statement: string): string =>
    `{% set ns = namespace(x=seed) %}{% for i in range(${times}) %}${statement}{% endfor %}`;

  test.each([
    [
      'a loop in a loop',
      '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}',
      'without an end',
    ],
    ['a long range', '{% for i in range(10**9) %}{% endfor %}', 'range() of more than 100000'],
    [
      'a text that doubles',
      twice(60, '{% set ns.x = ns.x + ns.x %}').replace('seed', '"ab"'),
      'larger than 16 MB',
    ],
    ['a text that repeats', '{{ "ab" * 10**9 }}', 'larger than 16 MB'],
    [
      'a list that doubles',
      twice(60, '{% set ns.x = ns.x + ns.x %}').replace('seed', '[1]'),
      'more than a million',
    ],
    [
      'replacing by more',
      twice(60, '{% set ns.x = ns.x.replace("a", "aa") %}').replace('seed', '"a"'),
      'larger than 16 MB',
    ],
    [
      'joining by more',
      twice(60, '{% set ns.x = ns.x.join(ns.x) %}').replace('seed', '"ab"'),
      'larger than 16 MB',
    ],
    ['a wide format', '{{ "%999999999d" % 1 }}', 'larger than 16 MB'],
    ['a wide center', '{{ "x" | center(999999999) }}', 'larger than 16 MB'],
    ['a large power', '{{ 9 ** 9 ** 9 ** 9 ** 9 ** 9 }}', 'too large'],
    [
      'output without an end',
      '{% for i in range(99999) %}{{ text * 1000 }}{% endfor %}',
      'larger than 16 MB',
    ],
    [
      'a list within itself, doubled',
      `${twice(30, '{% set ns.x = [ns.x, ns.x] %}').replace('seed', '1')}{{ ns.x }}`,
      'without an end',
    ],
    [
      'the same as JSON',
      `${twice(30, '{% set ns.x = [ns.x, ns.x] %}').replace('seed', '1')}{{ ns.x | tojson }}`,
      'without an end',
    ],
    [
      'two of them compared',
      `${twice(30, '{% set ns.x = [ns.x, ns.x] %}').replace('seed', '1')}{% set y = ns.x %}${twice(30, '{% set ns.x = [ns.x, ns.x] %}').replace('seed', '1')}{{ y == ns.x }}`,
      'without an end',
    ],
    ['a macro that calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', 'too deeply'],
    [
      'a loop that calls itself',
      '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
      'too deeply',
    ],
    ['nested brackets', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`, 'nested too deeply'],
    ['nested lists', `{{ ${'['.repeat(100_000)}${']'.repeat(100_000)} }}`, 'nested too deeply'],
    [
      'nested blocks',
      `${'{% if yes %}'.repeat(30_000)}${'{% endif %}'.repeat(30_000)}`,
      'nested too deeply',
    ],
    ['many signs', `{{ ${'- '.repeat(200_000)}1 }}`, 'nested too deeply'],
    ['many nots', `{{ ${'not '.repeat(200_000)}1 }}`, 'nested too deeply'],
    ['a long sum', `{{ 1${' + 1'.repeat(200_000)} }}`, 'nested too deeply'],
    ['a long chain of filters', `{{ 1${'|e'.repeat(200_000)} }}`, 'nested too deeply'],
    ['ten megabytes', 'x'.repeat(10 << 20), 'larger than 1 MB'],
    ['a tag that is never closed', `{{ ${'a '.repeat(400_000)}`, 'not valid Jinja'],
    ['comments that are never closed', '{# '.repeat(300_000), 'not valid Jinja'],
    ['raw that is never closed', '{% raw %}'.repeat(100_000), 'not valid Jinja'],
    ['a text that is never closed', `{{ "${'\\"'.repeat(400_000)}`, 'not valid Jinja'],
  ])('%s', { timeout: 60_000 }, (_, source, message) => {
    expect(failure(source)).toContain(message);
  });
});
