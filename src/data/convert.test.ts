import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../tests/vectors/byte-tokenizer.ts';
import { type JsonObject, parseJson } from '../files/json.ts';
import { toJsonText } from '../files/json-text.ts';
import { readRows } from '../files/rows.ts';
import { datasetEntry, type OnLoss, type Target } from './convert.ts';
import { convertFile } from './convert-file.ts';
import { sourcesToConvert } from './doctor/subjects.ts';
import type { Example } from './example.ts';
import { formatOf, type Source } from './sources.ts';
import { templates } from './templates/index.ts';
import { namedTemplate } from './templates/named.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-convert-'));
afterAll(() => rmSync(folder, { recursive: true }));

const say = (from: string, value: string) => ({ from, value });
const tools =
  '[{"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"at": {"type": "number", "default": 1.50}}}}]';
const rows = {
  plain: {
    conversations: [
      say('system', 'Be brief.'),
      say('human', 'Hi'),
      say('gpt', 'Yo'),
      say('human', 'Bye'),
      say('gpt', 'So long'),
    ],
  },
  tools: {
    conversations: [
      say('human', 'Look at 1.0.'),
      say('function_call', '{"name": "look", "arguments": {"at": 1.0}}'),
      say('observation', '{"seen": 12345678901234567890}'),
      say('gpt', 'Seen.'),
      say('human', 'At both.'),
      say(
        'function_call',
        '[{"name": "look", "arguments": {"at": 1}}, {"name": "look", "arguments": {"at": 2e3}}]',
      ),
      say('observation', 'one\n</tool_response>\n<tool_response>\ntwo'),
      say('gpt', 'Both.'),
    ],
    tools,
  },
  thoughts: {
    conversations: [
      say('human', 'Look.'),
      say('function_call', '<think>\nAt what?\n</think>\n\n{"name": "look", "arguments": {}}'),
      say('observation', '{}'),
      say('gpt', 'Done.'),
    ],
    tools,
  },
};
const pair = {
  conversations: [say('human', 'Which?')],
  chosen: say('gpt', 'This.'),
  rejected: say('gpt', 'That.'),
};
const thumb = { conversations: [say('human', 'Good?'), say('gpt', 'Yes.')], kto_tag: false };
const image = {
  conversations: [say('human', '<image>Who?'), say('gpt', 'She.')],
  images: ['a.jpg'],
  id: 7,
};

let files = 0;
const fresh = (ending = '.jsonl'): string => join(folder, `${++files}${ending}`);
const write = (list: readonly object[]): string => {
  const path = fresh();
  writeFileSync(path, list.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
};

/** The name of a converted file in a dataset_info.json of its own. */
function described(path: string, entry: JsonObject): string {
  writeFileSync(join(folder, 'dataset_info.json'), toJsonText({ [`set${files}`]: entry }));
  return existsSync(path) ? `set${files}` : '';
}

const open = (name: string): Promise<Source[]> => sourcesToConvert(name, folder, () => {});

async function convert(name: string, to: Target, onLoss: OnLoss = 'error') {
  const out = fresh();
  const done = convertFile(await open(name), out, { to, onLoss });
  return { ...done, name: described(out, done.entry) };
}

const tokenizer = byteTokenizer(['<|im_start|>', '<|im_end|>'], '<|im_start|>', '<|im_end|>');
const template = namedTemplate(templates.qwen!, tokenizer);

async function examples(name: string): Promise<Example[]> {
  const [source] = await open(name);
  if (!source) throw new Error('no source');
  return source.files.flatMap((file) =>
    [...readRows(file)].map(({ value, place }) =>
      formatOf(source).read(value, source.reading, place),
    ),
  );
}

const idsOf = (example: Example): unknown =>
  template.encode(example).map(({ source, target }) => [[...source], [...target]]);

describe('sharegpt to openai and back', () => {
  test.each(Object.entries(rows))('%s rows give the same ids', async (_name, row) => {
    const path = write([row]);
    const there = await convert(path, 'openai');
    const back = await convert(there.name, 'sharegpt');
    const [before, after] = [await examples(path), await examples(back.name)];
    expect(after.map(idsOf)).toEqual(before.map(idsOf));
    expect(after.map(({ system }) => system)).toEqual(before.map(({ system }) => system));
  });

  test('pairs, thumbs, media and other columns come back', async () => {
    for (const row of [pair, thumb, image]) {
      const there = await convert(write([row]), 'openai');
      const back = await convert(there.name, 'sharegpt');
      expect(JSON.parse(readFileSync(back.out, 'utf8'))).toEqual(row);
    }
  });
});

test('numbers and the order of keys are written as they were read', async () => {
  const path = fresh();
  const row =
    '{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}],"meta":{"10":1.0,"2":12345678901234567890,"b":1e5}}';
  writeFileSync(path, `${row}\n`);
  const { out } = await convert(path, 'sharegpt');
  expect(readFileSync(out, 'utf8')).toBe(`${row}\n`);
});

test('alpaca holds history, system, pairs and thumbs', async () => {
  const { out, entry } = await convert(write([rows.plain]), 'alpaca');
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({
    instruction: 'Bye',
    input: '',
    output: 'So long',
    system: 'Be brief.',
    history: [['Hi', 'Yo']],
  });
  expect(entry.columns).toEqual({
    prompt: 'instruction',
    query: 'input',
    response: 'output',
    system: 'system',
    history: 'history',
  });
  const ranked = await convert(write([pair]), 'alpaca');
  expect(JSON.parse(readFileSync(ranked.out, 'utf8'))).toEqual({
    instruction: 'Which?',
    input: '',
    chosen: 'This.',
    rejected: 'That.',
  });
  expect(ranked.entry.ranking).toBe(true);
  const back = await convert(ranked.name, 'sharegpt');
  expect(JSON.parse(readFileSync(back.out, 'utf8'))).toEqual(pair);
});

test('what a format cannot hold is refused with its row, left out, or kept as JSON', async () => {
  const path = write([rows.plain, rows.tools]);
  await expect(convert(path, 'alpaca')).rejects.toMatchObject({
    code: 'data/cannot-hold',
    place: { line: 2, key: 'messages[1]' },
  });
  const dropped = await convert(path, 'alpaca', 'drop');
  expect([dropped.rows, dropped.left_out]).toEqual([1, 1]);
  const kept = await convert(path, 'alpaca', 'keep-json');
  const [, row] = readFileSync(kept.out, 'utf8').split('\n');
  expect(parseJson(row ?? '', { file: 'row' })).toMatchObject({
    history: [
      ['Look at 1.0.', '{"name": "look", "arguments": {"at": 1.0}}'],
      expect.anything(),
      expect.anything(),
    ],
    tools,
  });
});

test('words beside a call have no place in sharegpt, thoughts have', async () => {
  const call = { type: 'function', function: { name: 'look', arguments: {} } };
  const row = (content: string) => ({
    messages: [
      { role: 'user', content: 'Look.' },
      { role: 'assistant', content, tool_calls: [call] },
    ],
  });
  await expect(convert(write([row('I look.')]), 'sharegpt')).rejects.toThrow(
    'words beside a tool call',
  );
  const { out } = await convert(write([row('<think>\nAt it.\n</think>\n\n')]), 'sharegpt');
  expect(readFileSync(out, 'utf8')).toContain('<think>\\nAt it.\\n</think>\\n\\n[{');
});

test('thoughts beside a reply stay in openai rows, and are refused or kept in the text elsewhere', async () => {
  const call = { type: 'function', function: { name: 'look', arguments: {} } };
  const row = {
    messages: [
      { role: 'user', content: 'Look.' },
      { role: 'assistant', content: null, reasoning_content: 'I should look.', tool_calls: [call] },
      { role: 'tool', content: 'A tower.' },
      { role: 'assistant', content: 'A tower it is.', reasoning_content: 'That was easy.' },
    ],
  };
  const path = write([row]);
  const same = await convert(path, 'openai');
  expect(JSON.parse(readFileSync(same.out, 'utf8'))).toEqual(row);
  await expect(convert(path, 'sharegpt')).rejects.toMatchObject({
    code: 'data/cannot-hold',
    message: expect.stringContaining('`reasoning_content`'),
    place: { line: 1, key: 'messages[1]' },
  });
  const kept = await convert(path, 'sharegpt', 'keep-json');
  expect(JSON.parse(readFileSync(kept.out, 'utf8'))).toMatchObject({
    conversations: [
      {},
      {
        from: 'function_call',
        value: expect.stringMatching(/^<think>\nI should look\.\n<\/think>/),
      },
      {},
      { from: 'gpt', value: '<think>\nThat was easy.\n</think>\n\nA tower it is.' },
    ],
  });
  const [, ...plain] = row.messages.slice(2);
  const short = write([{ messages: [row.messages[0], ...plain] }]);
  await expect(convert(short, 'alpaca')).rejects.toMatchObject({ code: 'data/cannot-hold' });
  expect(readFileSync((await convert(short, 'alpaca', 'keep-json')).out, 'utf8')).toContain(
    '"output":"<think>\\nThat was easy.',
  );
});

test('a failed conversion leaves nothing, and nothing is written over', async () => {
  const [source] = [await open(write([rows.plain, rows.tools]))];
  const out = fresh('.json');
  expect(() => convertFile(source, out, { to: 'alpaca', onLoss: 'error' })).toThrow('no place');
  expect(existsSync(out)).toBe(false);
  writeFileSync(out, 'mine');
  expect(() => convertFile(source, out, { to: 'openai', onLoss: 'error' })).toThrow(
    'already there',
  );
  expect(() => convertFile(source, `${out}.csv`, { to: 'openai', onLoss: 'error' })).toThrow(
    'no ending',
  );
});

test('an array is sound JSON, with a row a line', async () => {
  const out = fresh('.json');
  convertFile(await open(write([rows.plain, thumb])), out, { to: 'sharegpt', onLoss: 'error' });
  const text = readFileSync(out, 'utf8');
  expect(JSON.parse(text)).toHaveLength(2);
  expect(text.split('\n')).toHaveLength(5);
});

test('an entry names only the columns that are there', () => {
  expect(datasetEntry('openai', 'x.jsonl', new Set(['messages', 'tools', 'id']))).toMatchObject({
    file_name: 'x.jsonl',
    formatting: 'openai',
    columns: { messages: 'messages', tools: 'tools' },
    tags: { user_tag: 'user' },
  });
});
