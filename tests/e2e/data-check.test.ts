/** `tunery data check` and `tunery data convert` as users start them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { makePlace } from './cli.ts';

const place = makePlace();
afterAll(place.remove);

const good = '{"instruction": "Which fish are you?", "input": "", "output": "A tuna."}';
writeFileSync(place.at('good.jsonl'), `${good}\n`);
writeFileSync(
  place.at('bad.jsonl'),
  `${good}\n{"instruction": "Where?", "input": "", "output": ""}\n{"instruction": \n`,
);

test('a sound file: one line each for the set and the sum, exit code 0', async () => {
  const { code, out, err } = await place.run('data', 'check', 'good.jsonl');
  expect([code, out, err]).toEqual([
    0,
    'good.jsonl: 1 row of format alpaca\n\n0 errors, 0 warnings, 0 notes\n',
    '',
  ]);
});

test('errors: exit code 1, and every finding as a line of JSON', async () => {
  const { code, out } = await place.run('data', 'check', 'bad.jsonl', '--json');
  expect(code).toBe(1);
  const findings = out
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  expect(findings).toEqual([
    {
      code: 'data/empty-reply',
      severity: 'error',
      message: 'the reply is empty',
      place: { file: 'bad.jsonl', line: 2, column: 50, row: 1, key: 'output' },
      help: 'write the reply, or remove the row: it teaches nothing',
    },
    expect.objectContaining({
      code: 'files/json',
      place: { file: 'bad.jsonl', line: 3, column: 17, row: 2 },
    }),
  ]);
});

test('--fix writes a copy that is sound, and never the original', async () => {
  const before = readFileSync(place.at('bad.jsonl'), 'utf8');
  const { out } = await place.run('data', 'check', 'bad.jsonl', '--fix', 'clean.jsonl');
  expect(out).toContain('clean.jsonl: 1 of 3 rows written, 2 left out');
  expect(readFileSync(place.at('clean.jsonl'), 'utf8')).toBe(`${good}\n`);
  expect(readFileSync(place.at('bad.jsonl'), 'utf8')).toBe(before);
  const again = await place.run('data', 'check', 'bad.jsonl', '--fix', 'clean.jsonl');
  expect(again.code).toBe(1);
  expect(again.err).toContain('`clean.jsonl` is already there, and nothing is written over');
});

test('nothing to check, and a file that is not there', async () => {
  const nothing = await place.run('data', 'check');
  expect(nothing.code).toBe(2);
  expect(nothing.err).toContain('`tunery data check` needs FILE: a data file, a settings file');
  const { code, out } = await place.run('data', 'check', 'goood.jsonl');
  expect(code).toBe(1);
  expect(out).toContain('error[data/unknown-dataset]');
  expect(out).toContain('did you mean `good.jsonl`?');
});

test('evaluation rows among the training rows', async () => {
  const { code, out } = await place.run(
    'data',
    'check',
    'dataset=bad.jsonl',
    'eval_dataset=good.jsonl',
  );
  expect(code).toBe(1);
  expect(out).toContain('the row is the evaluation row at line 1');
});

test('with a model, its template and cutoff_len', async () => {
  const { out } = await place.run(
    'data',
    'check',
    'dataset=good.jsonl',
    'model_name_or_path=random:llama?hidden_size=64',
    'template=default',
    'cutoff_len=20',
  );
  expect(out).toMatch(/cutoff_len. keeps 20/);
  expect(out).toContain('llama-factory/');
});

test('convert writes rows and says how to describe them', async () => {
  const { code, out } = await place.run(
    'data',
    'convert',
    'good.jsonl',
    'chat.json',
    '--to',
    'openai',
  );
  expect(code).toBe(0);
  expect(out).toContain('"formatting": "openai"');
  expect(JSON.parse(readFileSync(place.at('chat.json'), 'utf8'))).toEqual([
    {
      messages: [
        { role: 'user', content: 'Which fish are you?' },
        { role: 'assistant', content: 'A tuna.' },
      ],
    },
  ]);
  const refused = await place.run('data', 'convert', 'bad.jsonl', 'none.jsonl', '--to', 'sharegpt');
  expect(refused.code).toBe(1);
  expect(existsSync(place.at('none.jsonl'))).toBe(false);
});
