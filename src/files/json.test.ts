import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { JsonNumber, jsonKeys, parseJson, pythonFloat, readJson, toPythonJson } from './json.ts';

const parse = (text: string) => parseJson(text, { file: 'x.json' });
const python = (text: string) => toPythonJson(parse(text));

/** Made by `json.dumps(json.loads(text), ensure_ascii=False)` of Python 3.12. */
const dumps: readonly (readonly [string, string])[] = [
  ['[1.0, 1e5, 1E400, -0, -0.0, 1.10]', '[1.0, 100000.0, Infinity, 0, -0.0, 1.1]'],
  [
    '[9223372036854775808, 123456789012345678901234567890]',
    '[9223372036854775808, 123456789012345678901234567890]',
  ],
  [
    '[1e16, 123456789012345.6, 1e-5, 0.0001, 1e22, 1e+21]',
    '[1e+16, 123456789012345.6, 1e-05, 0.0001, 1e+22, 1e+21]',
  ],
  ['{"b":1,"10":2,"a":{"2":0,"1":0}}', '{"b": 1, "10": 2, "a": {"2": 0, "1": 0}}'],
  ['{"a":1,"b":2,"a":3}', '{"a": 3, "b": 2}'],
  ['"é\\u00e9\\u007f\\u0000\\t\\/😀\\ud83d\\ude00"', '"éé\u007f\\u0000\\t/😀😀"'],
  ['[true,false,null,[],{}]', '[true, false, null, [], {}]'],
];

test.each(dumps)('prints %s as Python does', (source, printed) => {
  expect(python(source)).toBe(printed);
});

test('number text is kept, and JSON.stringify keeps it too', () => {
  const value = parse('{"x": 1.0, "y": 9223372036854775808, "z": 12}');
  expect(value).toEqual({
    x: new JsonNumber('1.0'),
    y: new JsonNumber('9223372036854775808'),
    z: 12,
  });
  expect(JSON.stringify(value)).toBe('{"x":1.0,"y":9223372036854775808,"z":12}');
});

test('indent, sorted keys, ASCII and separators are as in json.dumps', () => {
  const value = parse('{"b": [1, {"c": "é"}], "a": [], "é": 1, "😀": 2, "\uffff": 3}');
  expect(toPythonJson(value, { indent: 2, sortKeys: true, ensureAscii: true })).toBe(
    '{\n  "a": [],\n  "b": [\n    1,\n    {\n      "c": "\\u00e9"\n    }\n  ],\n  "\\u00e9": 1,\n  "\\uffff": 3,\n  "\\ud83d\\ude00": 2\n}',
  );
  expect(toPythonJson([1, { a: 2 }], { separators: [',', ':'] })).toBe('[1,{"a":2}]');
});

test('`__proto__` is a key like any other', () => {
  const value = parse('{"__proto__": {"polluted": 1.5}}');
  expect(Object.keys(value as object)).toEqual(['__proto__']);
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
});

test('the exact parser and JSON.parse agree on what is JSON', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      // The fraction in front forces the exact parser.
      const [, exact] = parse(`[1.0, ${text}]`) as [unknown, unknown];
      expect(JSON.parse(JSON.stringify(exact))).toEqual(JSON.parse(text));
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('both parsers refuse the same damaged texts', () => {
  fc.assert(
    fc.property(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', '"', ',', '}', '\\', '1', '\n'),
      (text, n, put) => {
        const at = n % (text.length + 1);
        const broken = text.slice(0, at) + put + text.slice(at + 1);
        const sound = (run: () => unknown) => {
          try {
            run();
            return true;
          } catch {
            return false;
          }
        };
        expect(sound(() => parse(broken))).toBe(sound(() => JSON.parse(broken)));
      },
    ),
    { seed: 7, numRuns: 2000 },
  );
});

test('Python floats are printed as repr prints them', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(pythonFloat(value))).toBe(value);
    }),
    { seed: 7 },
  );
  expect([5e-324, 1.7976931348623157e308, 2 ** 53, 0.1, -1.5e-7].map(pythonFloat)).toEqual([
    '5e-324',
    '1.7976931348623157e+308',
    '9007199254740992.0',
    '0.1',
    '-1.5e-07',
  ]);
});

const fault = (text: string): { place: unknown; message: string } => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof TuneryError) return { place: error.place, message: error.message };
  }
  throw new Error('no error');
};

test.each([
  ['{"a": 1,\n  "b": 2\n  "c": 3}', 3, 3, 'expected `,` or `}`, found `"c": 3}`'],
  ['{"a": 1, }', 1, 10, 'a comma stands before `}`'],
  ['[1, 2', 1, 6, 'expected `,` or `]`, found the end'],
  ["{'a': 1}", 1, 2, "expected a key in double quotes, found `'a': 1}`"],
  ['{"a": NaN}', 1, 7, '`NaN}` is no number in JSON (Python writes it so); null can stand there'],
  ['{"a": None}', 1, 7, '`None}` is Python, not JSON'],
  ['{"a": "one\ntwo"}', 1, 7, 'a text in quotes is not closed on its line'],
  ['{"a": "\\x"}', 1, 8, '`\\x` is no escape'],
  ['{"a": 01}', 1, 8, 'expected `,` or `}`, found `1}`'],
  ['', 1, 1, 'it is empty'],
  ['[1] 2', 1, 5, 'expected the end, found `2`'],
  ['{"a" 1}', 1, 6, 'expected `:` after the key "a", found `1}`'],
])('says where and why: %j', (text, line, column, why) => {
  const { place, message } = fault(text);
  expect(place).toEqual({ file: 'x.json', line, column });
  expect(message).toBe(`not valid JSON: ${why}`);
});

test('a hostile nesting is an error, not a stack overflow', () => {
  expect(fault('['.repeat(100_000)).message).toContain('nested more than 500 deep');
  expect(fault('{"a":'.repeat(100_000)).message).toContain('nested more than 500 deep');
});

test('keys keep their order', () => {
  const value = parse('{"z":0,"3":0,"1":0,"a":0}');
  expect(jsonKeys(value as Record<string, never>)).toEqual(['z', '3', '1', 'a']);
});

const strictly = (text: string) => () => parseJson(text, { file: 'x.json' }, { strict: true });

test('strictly, a key that stands twice in one object is refused, and none that only seems to', () => {
  for (const text of [
    '{"a": 1, "a": 2}',
    '{"b": {"a": 1, "\\u0061" : 2}}',
    '[{"x": "\\": ", "x": 1}]',
    '{"a": 1.0, "a": 2}',
    '{"b\\\\": 1, "a": 1, "a": 2}',
  ]) {
    expect(strictly(text)).toThrow(/stands twice in one object/);
  }
  for (const text of [
    '{"a": {"a": "\\"a\\": 1"}}',
    '{"a\\\\": 1, "a" : 2}',
    '[{"a": 1}, {"a": 1}]',
  ]) {
    expect(strictly(text)()).toEqual(JSON.parse(text));
  }
});

test('strictly, half of a surrogate pair is refused, and a whole one is not', () => {
  expect(strictly('["\\ud83d"]')).toThrow(/`\\ud83d` stands alone/);
  expect(strictly('["\\ude00\\ud83d"]')).toThrow(/`\\ude00` stands alone/);
  expect(strictly('["\\ud83d\\ude00", "\\ud7ff"]')()).toEqual(['😀', '\ud7ff']);
});

test('strictly, millions of lists are refused before they are built', () => {
  expect(strictly(`[${'[],'.repeat(1_000_001)}1]`)).toThrow(/more than 1000000 lists/);
});

test('numbers that only look odd take the quick way and are the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())),
      (numbers) => {
        const text = JSON.stringify({ a: numbers, b: 'at 1.50, -0: 2.0' });
        expect(JSON.stringify(parse(text))).toBe(text);
      },
    ),
    { seed: 7 },
  );
});

test('a configuration has numbers, whatever their text is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-json-'));
  const path = join(folder, 'config.json');
  writeFileSync(path, '{"eps": 1e-05, "parts": [0.0, {"alpha": 16.0}], "name": "x"}');
  expect(readJson(path)).toEqual({ eps: 1e-5, parts: [0, { alpha: 16 }], name: 'x' });
  rmSync(folder, { recursive: true });
});
