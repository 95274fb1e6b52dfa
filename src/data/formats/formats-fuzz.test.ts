/** @file Every row format on objects that only look like rows: an example comes out, or an error of ours. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TuneryError } from '../../core/errors.ts';
import { type JsonObject, type JsonValue, parseJson } from '../../files/json.ts';
import { columnNames, type Description, readingOf } from './format.ts';
import { formats } from './index.ts';

const place = { file: 'rows.jsonl', line: 1, row: 0 };

/** Words that the formats look for, as keys and as values. */
const word = fc.constantFrom(
  ...columnNames,
  'instruction',
  'input',
  'output',
  'text',
  'conversations',
  'from',
  'value',
  'role',
  'content',
  'human',
  'gpt',
  'user',
  'assistant',
  'system',
  'tool',
  'observation',
  'function_call',
  'tool_calls',
  'function',
  'name',
  'arguments',
  '__proto__',
  'constructor',
);
const leaf = fc.oneof(
  word,
  fc.constantFrom(
    null,
    true,
    false,
    0,
    1.5,
    '',
    '[]',
    '{}',
    '[{"name": "f"}]',
    '{"name":',
    '<image>',
  ),
);
const { value: anything } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(word, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const rows = fc.dictionary(word, anything, { maxKeys: 6, noNullPrototype: true });

const descriptions: fc.Arbitrary<Description> = fc.record(
  {
    columns: fc.dictionary(fc.constantFrom(...columnNames), word, { noNullPrototype: true }),
    tags: fc.constantFrom({ role_tag: 'role', content_tag: 'content', user_tag: 'user' }),
    ranking: fc.boolean(),
    detailedThinking: fc.constantFrom(true, false, 'named' as const),
  },
  { requiredKeys: [] },
);

function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    expect(error.place?.file).toBe(place.file);
  }
}

describe.each(Object.values(formats))('$name', (format) => {
  test('reads, or says what is wrong with it', () => {
    fc.assert(
      fc.property(rows, descriptions, (row, description) => {
        survives(() => format.read(row, readingOf(format, description), place));
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  test('a row like its example, one part of it changed', () => {
    const text = JSON.stringify(format.example);
    const values = [...text.matchAll(/"(?:[^"\\]|\\.)*"(:?)/g)].filter(([, colon]) => colon === '');
    fc.assert(
      fc.property(fc.nat(values.length - 1), anything, descriptions, (which, put, description) => {
        const [found] = values[which]!;
        const at = values[which]!.index;
        const changed = text.slice(0, at) + JSON.stringify(put) + text.slice(at + found.length);
        const row = parseJson(changed, place) as JsonObject;
        survives(() => format.read(row, readingOf(format, description), place));
        survives(() => format.read(row, readingOf(format), place));
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  test('is told from others by any row', () => {
    fc.assert(
      fc.property(rows, (row) => {
        format.detect(row);
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
