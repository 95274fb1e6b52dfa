import { describe, expect, test } from 'vitest';
import { publishedShapes } from '../../../tests/fixtures/known-datasets.ts';
import { parseJson } from '../../files/json.ts';
import { readingOf } from '../formats/format.ts';
import { formats } from '../formats/index.ts';
import { knownDataset, knownNames } from './index.ts';

const place = { file: 'rows.jsonl', row: 0 };

test('every name has a row to be tested with', () => {
  expect(publishedShapes.flatMap(({ names }) => names).sort()).toEqual(knownNames);
});

describe.each(publishedShapes)('$names', ({ names, row, reads, media }) => {
  test.each(names)('%s', (name) => {
    const entry = knownDataset(name)!;
    const reading = readingOf(formats[entry.formatting]!, entry.description);
    const value = parseJson(JSON.stringify(row), place);
    const example = formats[entry.formatting]!.read(value as never, reading, place);
    const { system, messages, chosen, rejected } = example;
    const said = [...messages, chosen, rejected].flatMap((message) => message?.content ?? []);
    expect([system, ...said]).toEqual(reads);
    expect(Object.keys(example.media).length > 0).toBe(media === true);
    if (reading.columns.kto_tag !== null) expect(example.desirable).toBe(true);
    expect(entry.hub?.huggingface ?? entry.hub?.modelscope).toMatch(/^[\w.-]+(\/[\w.-]+)?$/);
  });
});
