import { describe, expect, test } from 'vitest';
import { TuneryError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../files/json.ts';
import type { Example } from '../example.ts';
import { type ColumnName, type Format, readingOf, type TagName } from './format.ts';
import { formats } from './index.ts';

const place = { file: 'train.json', line: 381, row: 380 };
const texts = (value: JsonValue | undefined): Record<string, string> | undefined =>
  isJsonObject(value ?? null)
    ? Object.fromEntries(Object.entries(value as JsonObject).map(([key, v]) => [key, String(v)]))
    : undefined;

function convert(info: JsonObject, row: JsonObject): Example {
  const format = formats[typeof info.formatting === 'string' ? info.formatting : 'alpaca']!;
  const reading = readingOf(format, {
    columns: texts(info.columns) as Partial<Record<ColumnName, string>> | undefined,
    tags: texts(info.tags) as Partial<Record<TagName, string>> | undefined,
    ranking: info.ranking === true,
    detailedThinking: info.formatting === 'openai',
  });
  return format.read(row, reading, place);
}

const failure = (info: JsonObject, row: JsonObject): TuneryError => {
  try {
    convert(info, row);
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('places', () => {
  test('a role out of order is named by its key', () => {
    const turns = ['human', 'gpt', 'gpt'].map((from) => ({ from, value: 'x' }));
    const error = failure({ formatting: 'sharegpt' }, { conversations: turns });
    expect(error.code).toBe('data/role-order');
    expect(error.place).toEqual({ ...place, key: 'conversations[2].from' });
    expect(error.message).toBe('role `gpt` cannot follow `gpt`');
  });

  test('a conversation that ends with its prompt', () => {
    const turns = [{ role: 'user', content: 'x' }];
    const error = failure({ formatting: 'openai' }, { messages: turns });
    expect(error.code).toBe('data/role-order');
    expect(error.place?.key).toBe('messages[0].role');
  });

  test('a missing column, and the near one that is there', () => {
    const error = failure({}, { instrucion: 'x', output: 'y' });
    expect(error.code).toBe('data/missing-column');
    expect(error.message).toContain('did you mean `instrucion`?');
  });

  test('a number where a text belongs', () => {
    const error = failure({}, { instruction: 'x', input: '', output: 7 });
    expect(error.place?.key).toBe('output');
    expect(error.message).toBe('expected a text, found `7`');
  });
});

test('openai: calls keep the words beside them, results stay apart as well as joined', () => {
  const example = convert(
    { formatting: 'openai', columns: { messages: 'messages' } },
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Weather' },
            { type: 'text', text: '?' },
          ],
        },
        {
          role: 'assistant',
          content: 'Let me look.',
          tool_calls: [{ type: 'function', function: { name: 'f', arguments: { x: 1 } } }],
        },
        { role: 'tool', content: 'rain' },
        { role: 'tool', content: 'wind' },
        { role: 'assistant', content: 'Bad.' },
      ],
    },
  );
  expect(example.messages.map(({ role }) => role)).toEqual([
    'user',
    'function',
    'observation',
    'assistant',
  ]);
  expect(example.messages[0]?.content).toBe('Weather?');
  expect(example.messages[1]?.words).toBe('Let me look.');
  expect(example.messages[2]?.results).toEqual(['rain', 'wind']);
});

test('openai: parts of thoughts and calls, and `reasoning_content`', () => {
  const part = (type: string, value: string) => ({ type, value });
  const example = convert(
    { formatting: 'openai', columns: { messages: 'messages' } },
    {
      messages: [
        { role: 'user', content: [part('text', 'Weather?')] },
        {
          role: 'assistant',
          content: [
            part('reasoning', 'I look.'),
            part('tool_call', '{"name": "f", "arguments": {"x": 1.0}}'),
            part('tool_call', '{"name": "g", "arguments": {}}'),
          ],
        },
        { role: 'tool', content: [part('text', 'rain')] },
        {
          role: 'assistant',
          reasoning_content: 'So it is wet.',
          content: [part('reasoning', 'Wet.'), part('text', 'Bad.')],
        },
      ],
    },
  );
  expect(example.messages).toEqual([
    { role: 'user', content: 'Weather?' },
    {
      role: 'function',
      content:
        '<think>\nI look.\n</think>\n\n[{"name": "f", "arguments": {"x": 1.0}}, {"name": "g", "arguments": {}}]',
    },
    { role: 'observation', content: 'rain' },
    { role: 'assistant', content: '<think>\nWet.\n</think>\n\nBad.', thoughts: 'So it is wet.' },
  ]);
  const error = failure(
    { formatting: 'openai', columns: { messages: 'messages' } },
    {
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content: [part('tool_call', '{"name": ')] },
      ],
    },
  );
  expect(error.place?.key).toBe('messages[1].content[0]');
});

test('nobody’s system text grows unless it is asked for', () => {
  const reading = readingOf(formats.openai!, {});
  const row = {
    messages: [
      { role: 'user', content: 'u' },
      { role: 'assistant', content: 'a' },
    ],
  };
  const example = formats.openai!.read(row, reading, place);
  expect(example.system).toBe('');
  expect(example.namedSystem).toBeUndefined();

  const named = readingOf(formats.openai!, { detailedThinking: 'named' });
  const grown = formats.openai!.read(row, named, place);
  expect([grown.system, grown.namedSystem]).toEqual(['', 'detailed thinking off']);
});

describe.each(Object.entries(formats))('format %s', (_, format: Format) => {
  test('knows and reads its own example', () => {
    const columns = format.detect(format.example);
    expect(columns).toBeDefined();
    const example = format.read(format.example, readingOf(format, { columns }), place);
    expect(example.messages.length).toBeGreaterThan(0);
    expect(example.place).toEqual(place);
    const others = Object.values(formats).filter((other) => other !== format);
    expect(others.filter((other) => other.detect(format.example))).toEqual([]);
  });
});
