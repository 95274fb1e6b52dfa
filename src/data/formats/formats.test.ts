import { describe, expect, test } from 'vitest';
import { vectorsOf } from '../../../tests/llamafactory-vectors.ts';
import { TuneryError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../files/json.ts';
import type { Example } from '../example.ts';
import { type ColumnName, type Format, readingOf, type TagName } from './format.ts';
import { formats } from './index.ts';

const place = { file: 'train.json', line: 381, row: 380 };
const list = (value: JsonValue | undefined): readonly JsonValue[] =>
  Array.isArray(value) ? value : [];
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

/** An example as LLaMA-Factory's converter writes it: prompt, then no, one or two replies. */
function aligned(example: Example): unknown {
  const plain = example.messages.map(({ role, content }) => ({ role, content }));
  const empty = { role: 'assistant', content: '' };
  let prompt = plain;
  let response: unknown[] = [];
  if (example.chosen && example.rejected) response = [example.chosen, example.rejected];
  else if (plain.length % 2 === 0 && plain.length > 0) {
    prompt = plain.slice(0, -1);
    const reply = plain.at(-1)!;
    if (example.desirable === undefined) response = [reply];
    else response = example.desirable ? [reply, empty] : [empty, reply];
  }
  const { images = null, videos = null, audios = null } = example.media;
  return {
    _prompt: prompt,
    _response: response,
    _system: example.system,
    _tools: example.tools,
    _images: images,
    _videos: videos,
    _audios: audios,
  };
}

const rows = vectorsOf('convert')
  .flatMap((v) => list(v.rows))
  .filter(isJsonObject);

describe('LLaMA-Factory’s converter', () => {
  test.each(rows.map((row, i) => [i, row] as const))('row %i', (_, row) => {
    const info = row.info as JsonObject;
    const example = row.example as JsonObject;
    // What it warns of and drops, or fails on, is an error here, with its place.
    if (row.warnings !== undefined || row.error !== undefined) {
      expect(() => convert(info, example)).toThrow(TuneryError);
    } else {
      expect(aligned(convert(info, example))).toEqual(row.output);
    }
  });
});

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

test('nobody’s system text grows unless it is asked for', () => {
  const reading = readingOf(formats.openai!, {});
  const row = {
    messages: [
      { role: 'user', content: 'u' },
      { role: 'assistant', content: 'a' },
    ],
  };
  expect(formats.openai!.read(row, reading, place).system).toBe('');
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
