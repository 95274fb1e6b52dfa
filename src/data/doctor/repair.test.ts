import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { examine } from './examine.ts';
import type { Finding } from './finding.ts';
import { repair } from './repair.ts';
import { Report } from './report.ts';
import { type Layout, plant, soundRows } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-repair-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function check(path: string) {
  const findings: Finding[] = [];
  const report = new Report({ each: (finding) => findings.push(finding) });
  const [examined] = await examine([{ name: path, files: [path] }], { report });
  if (!examined) throw new Error('nothing was examined');
  return { findings, examined };
}

let files = 0;
const write = (data: string | Buffer, ending: string): string => {
  const path = join(folder, `${++files}${ending}`);
  writeFileSync(path, data);
  return path;
};

const row = (instruction: string, output: string, more = ''): string =>
  `{"instruction": ${JSON.stringify(instruction)}, "input": "", "output": ${JSON.stringify(output)}${more}}`;

const mends = [
  row('Ring.', 'A bell \u0007 rings.'),
  row('Where?', 'In the cafÃ© over there. '),
  row('Hidden?', 'A zero\u200bwidth space.'),
  '{"instruction": "Half?", "input": "", "output": "Half \\ud83d of it."}',
  row('Count.', 'Counted.', ', "score": NaN'),
  '{"instruction": "Twice?", "input": "", "output": "First.", "output": "Second."}',
];
const drops = [
  '{"broken',
  '[]',
  '{}',
  row('Empty?', ''),
  row('Blank?', ' '),
  '{"instruction": "No reply."}',
];
const odd =
  '{"instruction": "Keep it.", "input": "", "output": "As it stands.", "10": 1.0, "2": 12345678901234567890}';

test('a cleaned copy has none of what can be mended, and everything else as it stands', async () => {
  const sound = Array.from({ length: 30 }, soundRows('alpaca', 3));
  const lines = [...sound, ...mends, odd, ...drops, sound[4] ?? ''];
  const path = write(
    `\ufeff${lines.slice(0, 12).join('\r\n')}\r\n${lines.slice(12).join('\n')}\n`,
    '.jsonl',
  );
  const out = join(folder, 'clean.jsonl');
  const before = readFileSync(path);
  const { findings, examined } = await check(path);
  const repaired = repair(path, examined, out);

  expect(readFileSync(path)).toEqual(before);
  const written = readFileSync(out, 'utf8').trimEnd().split('\n');
  expect(written.slice(0, 30)).toEqual(sound);
  expect(written.slice(30)).toEqual([
    '{"instruction":"Ring.","input":"","output":"A bell  rings."}',
    '{"instruction":"Where?","input":"","output":"In the café over there."}',
    '{"instruction":"Hidden?","input":"","output":"A zerowidth space."}',
    '{"instruction":"Half?","input":"","output":"Half  of it."}',
    '{"instruction":"Count.","input":"","output":"Counted.","score":null}',
    '{"instruction":"Twice?","input":"","output":"Second."}',
    odd,
  ]);
  expect(repaired.rows).toEqual({ read: 44, written: 37, left_out: 7 });
  expect(JSON.parse(readFileSync(`${out}.report.json`, 'utf8'))).toEqual(repaired);

  const codes = repaired.changes.map(({ code }) => code).sort();
  const fixable = findings.filter(({ code }) => codes.includes(code));
  expect(codes.length).toBeGreaterThan(12);
  expect(new Set(fixable.map(({ code }) => code))).toEqual(new Set(codes));
  const after = await check(out);
  expect(after.findings.filter(({ code }) => codes.includes(code))).toEqual([]);
});

test('a change to one text leaves key order and numbers alone', async () => {
  const path = write(`${odd.replace('stands.', 'stands.\\u0007')}\n`, '.jsonl');
  const out = join(folder, 'order.jsonl');
  repair(path, (await check(path)).examined, out);
  expect(readFileSync(out, 'utf8')).toBe(
    '{"instruction":"Keep it.","input":"","output":"As it stands.","10":1.0,"2":12345678901234567890}\n',
  );
});

test('from an array to lines and back, in both ways', async () => {
  const rows = Array.from({ length: 5 }, soundRows('sharegpt', 5)).map((text): unknown =>
    JSON.parse(text),
  );
  const path = write(JSON.stringify(rows, null, 2), '.json');
  const [lines, array] = [join(folder, 'rows.jsonl'), join(folder, 'rows.json')];
  const { examined } = await check(path);
  repair(path, examined, lines);
  repair(path, examined, array);
  expect(
    readFileSync(lines, 'utf8')
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  ).toEqual(rows);
  expect(JSON.parse(readFileSync(array, 'utf8'))).toEqual(rows);
});

test('nothing is written over, neither the copy nor the original', async () => {
  const path = write(`${row('Ask.', 'Told. ')}\n`, '.jsonl');
  const { examined } = await check(path);
  expect(() => repair(path, examined, path)).toThrow('already there');
  const out = join(folder, 'there.jsonl');
  writeFileSync(`${out}.report.json`, 'mine');
  expect(() => repair(path, examined, out)).toThrow('already there');
  expect(existsSync(out)).toBe(false);
  expect(() => repair(path, examined, join(folder, 'x.csv'))).toThrow('no ending');
});

test('rows of every layout go through unchanged', async () => {
  for (const layout of [
    'alpaca',
    'sharegpt',
    'openai',
    'ranking',
    'kto',
    'text',
  ] satisfies Layout[]) {
    const { bytes } = plant(layout, [], 9);
    const path = write(bytes, '.jsonl');
    const out = join(folder, `${layout}.jsonl`);
    expect(repair(path, (await check(path)).examined, out).changes).toEqual([]);
    expect(readFileSync(out)).toEqual(bytes);
  }
});

test('what cannot be read of a packed file or a table is left out, and listed', async () => {
  const lines = Array.from({ length: 20 }, soundRows('alpaca', 5));
  const packed = gzipSync(`${lines.join('\n')}\n{"broken\n`);
  const table =
    'instruction,input,output\nWhat?,,That one there.\nToo,many,cells,here\nWho?,,She is.';
  for (const [path, expected] of [
    [write(packed, '.jsonl.gz'), { written: 20, code: 'files/json', lines: [21] }],
    [write(packed.subarray(0, -8), '.jsonl.gz'), { written: 20, code: 'files/gzip', lines: [] }],
    [write(table, '.csv'), { written: 2, code: 'files/table', lines: [3] }],
  ] as const) {
    const { examined } = await check(path);
    const { rows, changes } = repair(path, examined, join(folder, `${++files}.jsonl`));
    expect(rows.written).toBe(expected.written);
    const last = changes.at(-1);
    expect([last?.code, last?.lines]).toEqual([expected.code, expected.lines]);
  }
  const path = write(gzipSync('One text.\nAnother text.\n'), '.txt.gz');
  const { examined } = await check(path);
  const out = join(folder, 'texts.txt');
  repair(path, examined, out);
  expect(readFileSync(out, 'utf8')).toBe('One text.\nAnother text.\n');
});
