import { afterAll, describe, expect, test } from 'vitest';
import { checks, kindsByCode } from './checks/index.ts';
import { type Defect, type Layout, plant, soundRows } from './testing.ts';
import { findingsOf, makeFolder } from './testing-check.ts';

const { write, remove } = makeFolder();
afterAll(remove);

const alpaca = (fields: object): string =>
  JSON.stringify({
    instruction: 'Name the tallest tower.',
    input: '',
    output: 'It is the tower of the old town.',
    ...fields,
  });
const say = (value: string, from = 'gpt') => ({ from, value });
const chat = (...conversations: readonly object[]): string =>
  JSON.stringify({ conversations, tools: '' });
const ask = say('Which of the towers is the tallest one?', 'human');
const answer = say('It is the tower of the old town.');
const tool = JSON.stringify([
  {
    name: 'look',
    description: 'Looks.',
    parameters: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] },
  },
]);
const call = (text: string, ...rest: readonly object[]): string =>
  JSON.stringify({ conversations: [ask, say(text, 'function_call'), ...rest], tools: tool });
const seen = say('{"height": 40}', 'observation');
const lookCall = { type: 'function', function: { name: 'look', arguments: { at: 'it' } } };
const openai = (...messages: readonly object[]): string => JSON.stringify({ messages });
const pair = (fields: object): string =>
  JSON.stringify({
    conversations: [ask],
    chosen: answer,
    rejected: say('I do not know it.'),
    ...fields,
  });
const long = 'The tower stands in the middle of the old town, and many people visit it. '.repeat(7);

/** One row for each kind of defect, in the layout in which it can occur. */
const defects: Readonly<Partial<Record<Layout, readonly Defect[]>>> = {
  alpaca: [
    { code: 'files/json', row: '{"instruction": "a", "output": "b",}', points: '}' },
    { code: 'files/json', row: '{"instruction": "never closed, "output": "b"}' },
    {
      code: 'files/not-utf8',
      row: Buffer.from('{"instruction": "caf\xe9 x", "output": "b"}', 'latin1'),
    },
    {
      code: 'files/not-a-number',
      row: '{"instruction": "Count.", "input": "", "output": "One.", "score": NaN}',
      points: 'NaN',
    },
    { code: 'files/row-not-object', row: '["a", "b"]' },
    {
      code: 'data/duplicate-key',
      row: '{"instruction": "Say one.", "output": "x y", "output": "One."}',
      points: '"output": "One',
    },
    {
      code: 'data/lone-surrogate',
      row: '{"instruction": "Say it.", "input": "", "output": "Half \\ud83d of it."}',
      points: '\\ud83d',
    },
    {
      code: 'data/number-text',
      row: '{"instruction": "Tell.", "input": "", "output": "Told.", "id": 12345678901234567890}',
      points: '12345678901234567890',
    },
    { code: 'data/missing-column', row: '{"instruction": "Name it.", "input": ""}' },
    {
      code: 'data/unknown-column',
      row: '{"instruction": "Name the king.", "imput": "of old", "output": "He has no name."}',
      points: '"of old"',
    },
    { code: 'data/wrong-type', row: alpaca({ output: 7 }), points: '7}' },
    { code: 'data/wrong-type', row: alpaca({ output: null }), points: 'null' },
    { code: 'data/wrong-type', row: alpaca({ instruction: ['a list'] }), points: '["a list"]' },
    { code: 'data/empty-row', row: '{}' },
    { code: 'data/empty-row', row: '{"instruction": "", "input": " ", "output": ""}' },
    { code: 'data/empty-prompt', row: alpaca({ instruction: '' }), points: '""' },
    {
      code: 'data/empty-reply',
      row: alpaca({ instruction: 'Say nothing.', output: '' }),
      points: '""}',
    },
    {
      code: 'data/blank-reply',
      row: alpaca({ instruction: 'Say little.', output: ' \n ' }),
      points: '" \\n "',
    },
    {
      code: 'data/placeholder',
      row: alpaca({ output: 'My name is {{name}}, at your service.' }),
      points: '{{name}}',
    },
    {
      code: 'data/placeholder',
      row: alpaca({ output: 'You are welcome. [INSERT LINK HERE] has more.' }),
      points: '[INSERT',
    },
    {
      code: 'data/media-column',
      row: alpaca({ instruction: '<image>Which tower is this one?' }),
      points: '<image>',
    },
    { code: 'data/placeholder', row: alpaca({ output: 'TODO: write this one.' }), points: 'TODO' },
    {
      code: 'data/placeholder',
      row: alpaca({ output: 'Lorem ipsum dolor sit amet, and so on.' }),
      points: 'Lorem',
    },
    {
      code: 'data/placeholder',
      row: alpaca({ output: 'Dear <name>, thank you for your words.' }),
      points: '<name>',
    },
    {
      code: 'data/control-character',
      row: alpaca({ output: 'A bell \u0007 rings.' }),
      points: '\\u0007',
    },
    {
      code: 'data/invisible-character',
      row: alpaca({ output: 'A zero\u200bwidth space.' }),
      points: '\u200b',
    },
    {
      code: 'data/invisible-character',
      row: alpaca({ output: 'Turned \u202e around.' }),
      points: '\u202e',
    },
    {
      code: 'data/mojibake',
      row: alpaca({ output: 'They met in a cafÃ© by the sea.' }),
      points: 'Ã©',
    },
    {
      code: 'data/mojibake',
      row: alpaca({ output: 'It isnâ€™t so far from here.' }),
      points: 'â€™',
    },
    {
      code: 'data/replacement-character',
      row: alpaca({ output: 'A lost \ufffd sign.' }),
      points: '\ufffd',
    },
    {
      code: 'data/html-entity',
      row: alpaca({ output: 'Salt &amp; pepper go well.' }),
      points: '&amp;',
    },
    {
      code: 'data/escaped-text',
      row: alpaca({ output: 'First line.\\nSecond line of it.' }),
      points: '\\\\nSecond',
    },
    {
      code: 'data/html-tag',
      row: alpaca({ output: 'First line.<br>Second line.' }),
      points: '<br>',
    },
    { code: 'data/null-text', row: alpaca({ output: 'nan' }), points: '"nan"' },
    {
      code: 'data/private-character',
      row: alpaca({ output: 'A bullet \ue000 of a PDF.' }),
      points: '\ue000',
    },
    { code: 'data/leading-space', row: alpaca({ output: '  It begins late.' }), points: '  It' },
    {
      code: 'data/code-fence',
      row: alpaca({ output: 'Here it is:\n```\nprint(1)' }),
      points: '```',
    },
    {
      code: 'data/special-token',
      row: alpaca({ output: 'It ends here.<|im_end|>' }),
      points: '<|im_end|>',
    },
    {
      code: 'data/special-token',
      row: alpaca({ instruction: '[INST] Speak of the sea. [/INST]' }),
      points: '[INST]',
    },
    {
      code: 'data/role-marker',
      row: alpaca({ output: 'It is so.\nHuman: And then?' }),
      points: 'Human:',
    },
    {
      code: 'data/thinking-tag',
      row: alpaca({ output: '<think>It must be the first. The first one.' }),
      points: '<think>',
    },
    {
      code: 'data/prompt-is-reply',
      row: alpaca({ instruction: 'Say after me.', output: 'Say after me.' }),
      points: '"Say after me."}',
    },
    {
      code: 'data/repetition-loop',
      row: alpaca({ output: `It goes ${'on and on '.repeat(12)}`.trim() }),
      points: 'on and',
    },
    {
      code: 'data/boilerplate',
      row: alpaca({ output: 'As an AI language model, I have no towers.' }),
      points: 'As an AI',
    },
    {
      code: 'data/trailing-space',
      row: alpaca({ output: 'It stands at the gate.  ' }),
      points: '  "',
    },
    { code: 'data/cut-reply', row: alpaca({ output: `${long}After that the tower was` }) },
    {
      code: 'data/outlier',
      row: alpaca({
        output: Array.from({ length: 900 }, (_, i) => `Point ${i} is made.`).join(' '),
      }),
    },
    { code: 'data/short-reply', row: alpaca({ output: '…' }), points: '"…"' },
    {
      code: 'data/reply-language',
      row: alpaca({
        instruction: 'How tall is the tower in the town?',
        output: '这座塔在老城的中间，很多人来看它。',
      }),
    },
    {
      code: 'data/other-language',
      row: alpaca({
        instruction: '这座塔有多高？请你告诉我。',
        output: '这座塔很高，在老城的中间。',
      }),
    },
    { code: 'data/rare-column', row: alpaca({ remark: 'once', output: 'It was remarked upon.' }) },
  ],
  sharegpt: [
    { code: 'data/no-messages', row: chat(), points: '[]' },
    { code: 'data/missing-column', row: '{"conversation": []}' },
    { code: 'data/missing-field', row: chat(ask, { from: 'gpt' }), points: '{"from":"gpt"}' },
    {
      code: 'data/missing-field',
      row: chat(ask, { value: 'Nobody says this.' }),
      points: '{"value":"Nob',
    },
    { code: 'data/unknown-role', row: chat(ask, say('It is I.', 'gtp')), points: '"gtp"' },
    { code: 'data/role-order', row: chat(answer, ask, answer), points: '"gpt"' },
    {
      code: 'data/role-order',
      row: chat(ask, say('And which is the second one?', 'human'), answer),
      points: '"human","value":"And',
    },
    {
      code: 'data/last-word',
      row: chat(ask, answer, say('And the second one?', 'human')),
      points: '"human","value":"And',
    },
    {
      code: 'data/system-place',
      row: chat(ask, answer, say('Be brief.', 'system'), ask, answer),
      points: '"system"',
    },
    {
      code: 'data/empty-turn',
      row: chat(ask, say(''), say('And the second one?', 'human'), answer),
      points: '{"from":"gpt","value":""}',
    },
    { code: 'data/wrong-type', row: chat(ask, { from: 'gpt', value: 40 }), points: '40' },
    {
      code: 'data/tool-json',
      row: JSON.stringify({ conversations: [ask, answer], tools: '[{"name": "look"' }),
    },
    {
      code: 'data/tool-json',
      row: call('{"name": "look", "arguments": {"at": "it"}', seen, answer),
    },
    { code: 'data/tool-json', row: call('{"name": "look"}', seen, answer) },
    {
      code: 'data/unknown-tool',
      row: call('{"name": "lok", "arguments": {"at": "it"}}', seen, answer),
    },
    { code: 'data/tool-arguments', row: call('{"name": "look", "arguments": {}}', seen, answer) },
    {
      code: 'data/tool-arguments',
      row: call('{"name": "look", "arguments": {"at": "it", "how": "well"}}', seen, answer),
    },
    {
      code: 'data/tool-arguments',
      row: call('{"name": "look", "arguments": {"at": 7}}', seen, answer),
    },
    {
      code: 'data/call-without-result',
      row: call('{"name": "look", "arguments": {"at": "him"}}', ask, answer),
    },
    {
      code: 'data/result-without-call',
      row: chat(ask, answer, seen, answer),
      points: '"observation"',
    },
    {
      code: 'data/no-tools',
      row: chat(ask, say('{"name": "look", "arguments": {}}', 'function_call'), seen, answer),
    },
  ],
  openai: [
    {
      code: 'data/tool-id',
      row: openai(
        { role: 'user', content: 'Look.' },
        {
          role: 'assistant',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: {} } }],
        },
        { role: 'tool', content: '{}', tool_call_id: 'b' },
        { role: 'assistant', content: 'I have looked.' },
      ),
      points: '"b"',
    },
    {
      code: 'data/tool-json',
      row: openai(
        { role: 'user', content: 'Look at it.' },
        {
          role: 'assistant',
          tool_calls: [{ type: 'function', function: { name: 'look', arguments: '{"at":' } }],
        },
      ),
    },
    {
      code: 'data/unknown-role',
      row: openai({ role: 'human', content: 'Who?' }, { role: 'assistant', content: 'I am.' }),
      points: '"human"',
    },
    {
      code: 'data/unknown-field',
      row: openai(
        { role: 'user', content: 'Where to?' },
        { role: 'assistant', reasoning_contnt: 'Hm.', content: 'To the tower.' },
      ),
      points: '"Hm."',
    },
    {
      code: 'data/control-character',
      row: openai(
        { role: 'user', content: 'Who rings?' },
        { role: 'assistant', reasoning_content: 'A \u0007 bell.', content: 'The bell rings.' },
      ),
      points: '\\u0007',
    },
    {
      code: 'data/trailing-tool-results',
      row: openai(
        { role: 'user', content: 'Look there.' },
        { role: 'assistant', content: '', tool_calls: [lookCall] },
        { role: 'tool', content: 'a tower' },
      ),
      points: '"tool","content":"a tower"',
    },
    {
      code: 'data/last-word',
      row: openai(
        { role: 'user', content: 'Look up.' },
        { role: 'assistant', content: '', tool_calls: [lookCall] },
        { role: 'tool', content: 'a tower' },
        { role: 'assistant', content: 'It is up there.' },
        { role: 'user', content: 'And?' },
      ),
      points: '"user","content":"And?"',
    },
  ],
  ranking: [
    { code: 'data/same-choice', row: pair({ rejected: answer }) },
    { code: 'data/empty-choice', row: pair({ rejected: say('') }) },
    {
      code: 'data/ranking-role',
      row: pair({ chosen: say('It is tall.', 'human') }),
      points: '"human","value":"It is',
    },
    { code: 'data/missing-column', row: JSON.stringify({ conversations: [ask], chosen: answer }) },
    { code: 'data/last-word', row: pair({ conversations: [ask, answer] }) },
  ],
  kto: [
    {
      code: 'data/kto-tag',
      row: JSON.stringify({
        messages: [
          { role: 'user', content: 'Yes?' },
          { role: 'assistant', content: 'No, not now.' },
        ],
        kto_tag: 'true',
      }),
      points: '"true"',
    },
  ],
};

/** Kinds whose rows are told by others, or by more than one row: they have tests of their own below. */
const elsewhere = [
  'data/duplicate-row',
  'data/same-prompt',
  'data/repeated-sentence',
  'data/kto-one-class',
  'data/history',
  'data/form-field',
  'data/media-count',
  'data/media-file',
];

test('each kind of finding is provoked by a test', () => {
  const planted = new Set(Object.values(defects).flatMap((list) => list.map(({ code }) => code)));
  expect(planted.size).toBeGreaterThan(40);
  for (const { code } of checks) expect([...planted, ...elsewhere], code).toContain(code);
});

describe.each(Object.entries(defects))('%s rows', (layout, list) => {
  test.each([1, 2, 3])('each defect is found at its line and column, seed %i', async (seed) => {
    const { bytes, planted } = plant(layout as Layout, list, seed);
    const lines = bytes.toString('utf8').split('\n');
    const findings = await findingsOf([write(bytes)]);
    for (const { code, line, points } of planted) {
      const mine = findings.filter((finding) => finding.place.line === line);
      const found = mine.find((finding) => finding.code === code);
      expect(
        found,
        `${code} at line ${line}: ${lines[line - 1]}; found ${mine.map((each) => each.code)}`,
      ).toBeDefined();
      expect(found?.help).not.toBe('');
      if (points === undefined) continue;
      const column = (found?.place.column ?? 0) - 1;
      expect(lines[line - 1]?.slice(column, column + points.length), code).toBe(points);
    }
    for (const { code, severity, place, message } of findings) {
      expect(kindsByCode.has(code), code).toBe(true);
      if (severity !== 'error') continue;
      const expected = planted.some((each) => each.line === place.line && each.code === code);
      expect(expected, `${code} at ${place.line}: ${message}`).toBe(true);
    }
  });
});

test('sound rows of every layout have no finding', async () => {
  for (const layout of ['alpaca', 'sharegpt', 'openai', 'ranking', 'kto', 'text'] as const) {
    const sound = soundRows(layout, 7);
    const rows = Array.from({ length: 200 }, sound);
    expect(await findingsOf([write(rows.join('\n'))]), layout).toEqual([]);
    expect(await findingsOf([write(`[\n  ${rows.join(',\n  ')}\n]`, '.json')]), layout).toEqual([]);
    const pretty = JSON.stringify(
      rows.map((row): unknown => JSON.parse(row)),
      null,
      2,
    );
    expect(await findingsOf([write(pretty, '.json')]), layout).toEqual([]);
  }
});
