/** What is told by more than one row, by the file, or by other files. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { examine } from './examine.ts';
import type { Finding } from './finding.ts';
import { Report } from './report.ts';
import { subjectsOf } from './subjects.ts';
import { soundRows } from './testing.ts';
import { findingsOf, makeFolder } from './testing-check.ts';

const { folder, write, remove } = makeFolder();
afterAll(remove);

const rows = (count: number, seed = 1): string[] =>
  Array.from({ length: count }, soundRows('alpaca', seed));
const row = (instruction: string, output: string, more: object = {}): string =>
  JSON.stringify({ instruction, input: '', output, ...more });
const lines = (findings: readonly Finding[], code: string) =>
  findings.filter((each) => each.code === code).map(({ place }) => place.line);

test('a row that stands twice names the first, also in another file', async () => {
  const [first = '', ...rest] = rows(5);
  const [one, two] = [write(`${first}\n${rest.join('\n')}\n${first}\n`), write(`${rest[1]}\n`)];
  const findings = await findingsOf([one, two]);
  expect(findings.map(({ message }) => message)).toEqual([
    'the row is the same as the one at line 1',
    `the row is the same as the one at line 3 of ${one.name}`,
  ]);
  expect(findings.map(({ place }) => place.line)).toEqual([6, 1]);
});

test('a prompt with two replies is a note, with the same reply a duplicate', async () => {
  const findings = await findingsOf([
    write(
      [row('Which one is it?', 'This one here.'), row('Which one is it?', 'That one there.')].join(
        '\n',
      ),
    ),
  ]);
  expect(findings.map(({ code, place }) => [code, place.line])).toEqual([['data/same-prompt', 2]]);
});

test('a sentence that many replies begin with is told once, with its count', async () => {
  const sound = rows(40);
  const common = rows(10, 2).map((text, i) =>
    row(
      `Number ${i} of the others, please.`,
      `Certainly, I can help you. ${JSON.parse(text).output}`,
    ),
  );
  const findings = await findingsOf([write([...sound, ...common].join('\n'))]);
  expect(findings.map(({ code, message }) => [code, message])).toEqual([
    ['data/repeated-sentence', '10 of 50 replies begin with `Certainly, I can help you.`'],
  ]);
});

test('thumbs that all point one way', async () => {
  const one = Array.from({ length: 5 }, soundRows('kto', 1)).map((text) =>
    text.replace(/"kto_tag":\w+/, '"kto_tag":true'),
  );
  expect((await findingsOf([write(one.join('\n'))])).map(({ message }) => message)).toEqual([
    'all 5 rows are true',
  ]);
});

test('history must be pairs, with the place of the one that is not', async () => {
  const text = row('And then?', 'Then nothing.', { history: [['a', 'b'], ['c']] });
  const [finding] = await findingsOf([write(`${rows(3).join('\n')}\n${text}\n`)]);
  expect(finding?.code).toBe('data/history');
  expect(finding?.place).toMatchObject({
    line: 4,
    column: text.indexOf('["c"]') + 1,
    key: 'history[1]',
  });
});

test('a turn whose calls stand beside an empty text, or as parts, is not empty', async () => {
  const call = { name: 'look', arguments: { at: 'it' } };
  const chat = (ask: string, said: object): string =>
    JSON.stringify({
      messages: [
        { role: 'user', content: ask },
        { role: 'assistant', ...said },
        { role: 'tool', content: 'a tower' },
        { role: 'assistant', content: `It is a tower, ${ask}` },
      ],
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
    });
  const texts = [
    chat('north?', { content: '', tool_calls: [{ type: 'function', function: call }] }),
    chat('south?', { content: [{ type: 'tool_call', value: JSON.stringify(call) }] }),
    chat('west?', { content: '' }),
  ];
  const findings = await findingsOf([write(texts.join('\n'))]);
  expect(lines(findings, 'data/empty-turn')).toEqual([3]);
});

test('a field that no message should have is told once, slips each', async () => {
  const chat = (i: number, more: object): string =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `What is house ${i}?`, name: 'ann' },
        { role: 'assistant', content: `It is number ${i} of them.`, ...more },
      ],
    });
  const findings = await findingsOf([
    write(
      [
        chat(1, { mood: 'good' }),
        chat(2, { mood: 'bad', weight: 1 }),
        chat(3, { wieght: 0, tool_calls: null, mood: null }),
        chat(4, { weight: 0 }),
      ].join('\n'),
    ),
  ]);
  expect(findings.map(({ message, place }) => [message, place.line])).toEqual([
    ['`wieght` is not read (did you mean `weight`?)', 3],
    ['`mood` stands in 2 of 8 messages, and is not read', 1],
    [
      '`weight` stands in 1 of 8 messages, and is not read: a reply of any weight is learned like the others',
      4,
    ],
  ]);
});

describe('languages of a set', () => {
  const speak = (i: number): string =>
    row(`What is the name of house ${i}?`, `The name of that house is number ${i} of them all.`);
  const say = (i: number): string =>
    row(`第${i}号房子叫什么名字？`, `那座房子的名字是第${i}号，在城里。`);
  const set = (english: number, chinese: number): string =>
    [
      ...Array.from({ length: english }, (_, i) => speak(i)),
      ...Array.from({ length: chinese }, (_, i) => say(i)),
    ].join('\n');

  test.each([
    [38, 2, [39, 40]],
    [20, 20, []],
    [28, 12, []],
    [32, 8, []],
  ])('of %i English and %i Chinese rows, those at %j stand out', async (english, chinese, at) => {
    const findings = await findingsOf([write(set(english, chinese))]);
    expect(lines(findings, 'data/other-language')).toEqual(at);
  });
});

test('fields of forms are notes', async () => {
  const findings = await findingsOf([
    write([...rows(3), row('Write a letter.', 'Dear [Recipient Name], it is I.')].join('\n')),
  ]);
  expect(lines(findings, 'data/form-field')).toEqual([4]);
});

test('media: a missing file, and places that no file fills', async () => {
  writeFileSync(join(folder, 'there.jpg'), '');
  const said = (value: string, images: readonly string[]) =>
    JSON.stringify({
      conversations: [
        { from: 'human', value },
        { from: 'gpt', value: 'It is a fish.' },
      ],
      images,
    });
  const texts = [
    said('<image>What is this?', ['there.jpg']),
    said('<image>And this?', ['gone.jpg']),
    said('<image><image>And those?', ['there.jpg']),
  ];
  const findings = await findingsOf([write(texts.join('\n'))]);
  expect(findings.map(({ code, place }) => [code, place.line, place.key])).toEqual([
    ['data/media-file', 2, 'images[0]'],
    ['data/media-count', 3, 'images'],
  ]);
});

describe('evaluation rows among the training rows', () => {
  const long =
    'the old harbor lies behind the second bridge and its lanterns burn from dusk until the last boat has come home in the winter months';
  test('the very same, the same prompt, and most of a text', async () => {
    const evaluation = write(
      [
        row('Where is the harbor?', `Well, ${long}.`),
        row('What is two and two?', 'It is four.'),
      ].join('\n'),
    );
    const training = write(
      [
        ...rows(5),
        row('where is  the HARBOR?', `well, ${long}`),
        row('What is two and two?', 'Five, some say.'),
        row('Tell me of lanterns.', `They say that ${long}.`),
      ].join('\n'),
    );
    const findings = await findingsOf([training], { evaluation: [evaluation] });
    const leaks = findings.filter(({ code }) => code.startsWith('data/leaked'));
    expect(
      leaks.map(({ code, severity, place, message }) => [code, severity, place.line, message]),
    ).toEqual([
      ['data/leaked-row', 'error', 6, 'the row is the evaluation row at line 1'],
      ['data/leaked-text', 'warning', 7, 'the prompt is that of the evaluation row at line 2'],
      [
        'data/leaked-text',
        'warning',
        8,
        expect.stringMatching(/^\d+ % of its text is in the evaluation row at line 1$/),
      ],
    ]);
  });

  test('none where none is', async () => {
    const evaluation = write(
      Array.from({ length: 30 }, soundRows('alpaca', 8))
        .map((text) => text.replaceAll('house', 'yard'))
        .join('\n'),
    );
    expect(await findingsOf([write(rows(30).join('\n'))], { evaluation: [evaluation] })).toEqual(
      [],
    );
  });
});

describe('files', () => {
  test('a byte order mark, mixed line ends, blank lines', async () => {
    const [a, b, c, d] = rows(4);
    const findings = await findingsOf([write(`\ufeff${a}\n${b}\r\n\n${c}\n${d}\n`)]);
    expect(findings.map(({ code, place }) => [code, place.line])).toEqual([
      ['files/byte-order-mark', 1],
      ['files/blank-line', 3],
      ['files/line-ends', 2],
    ]);
  });

  test('carriage returns throughout are nothing to tell', async () => {
    expect(await findingsOf([write(`${rows(4).join('\r\n')}\r\n`)])).toEqual([]);
  });

  test('packed files are read on behind a broken row, and up to where they are cut off', async () => {
    const never = '{"instruction": "never closed, "output": "b"}';
    const texts = [never, ...rows(400), row('Empty?', '')].join('\n');
    const zipped = gzipSync(`${texts}\n`);
    const whole = await findingsOf([write(zipped, '.jsonl.gz')]);
    expect(whole.map(({ code, place }) => [code, place.line])).toEqual([
      ['files/json', 1],
      ['data/empty-reply', 402],
    ]);
    const array = `[\n${texts.replaceAll('\n', ',\n')}\n]\n`;
    const inArray = await findingsOf([write(gzipSync(array), '.json.gz')]);
    expect(inArray.map(({ code, place }) => [code, place.line])).toEqual([
      ['files/json', 2],
      ['data/empty-reply', 403],
    ]);

    const findings: Finding[] = [];
    const report = new Report({ each: (finding) => findings.push(finding) });
    const cut = write(zipped.subarray(0, zipped.length / 2), '.jsonl.gz');
    const [examined] = await examine([cut], { report });
    expect(examined?.rows).toBeGreaterThan(100);
    expect(findings.map(({ code }) => code)).toEqual(['files/json', 'files/gzip', 'files/json']);
    expect(findings[1]?.help).toContain('damaged or incomplete');
  });

  test('a sample of a packed file is as large as one of the file itself', async () => {
    const text = rows(3000).join('\n');
    const count = async (data: string | Buffer, ending: string): Promise<number> => {
      const subject = write(data, ending);
      const [examined] = await examine([subject], { report: new Report(), sample: 200 });
      return examined?.rows ?? 0;
    };
    expect(await count(gzipSync(text), '.jsonl.gz')).toBe(await count(text, '.jsonl'));
  });

  test('a file that is packed and not named so', async () => {
    const findings = await findingsOf([write(gzipSync(rows(3).join('\n')), '.jsonl')]);
    expect(findings[0]).toMatchObject({ code: 'files/wrong-ending', help: expect.any(String) });
  });

  test('a table’s row of too many cells does not hide the others; a quote that never closes ends it', async () => {
    const table = (...lines: readonly string[]): string =>
      ['instruction,input,output', ...lines, 'Your name?,,I am {{name}}.', 'Mine?,,'].join('\n');
    for (const [ending, pack] of [
      ['.csv', (text: string) => text],
      ['.csv.gz', gzipSync],
    ] as const) {
      const found = await findingsOf([write(pack(table('Too,many,cells,here')), ending)]);
      expect(found.map(({ code, place }) => [code, place.line])).toEqual([
        ['files/table', 2],
        ['data/placeholder', 3],
        ['data/wrong-type', 4],
      ]);
    }
    const open = `${table()}\nThe end?,,"never closed`;
    const found = await findingsOf([write(open, '.csv')]);
    expect(found.map(({ code, place }) => [code, place.line])).toEqual([
      ['data/placeholder', 2],
      ['data/wrong-type', 3],
      ['files/table', 4],
    ]);
  });

  test('rows of a file without lines are told by their number', async () => {
    const path = fileURLToPath(
      new URL('../../../tests/golden/rows/plain.parquet', import.meta.url),
    );
    const again = join(folder, 'again.parquet');
    copyFileSync(path, again);
    const twice = (
      await findingsOf([
        { name: path, files: [path] },
        { name: again, files: [again] },
      ])
    ).filter(({ code }) => code === 'data/duplicate-row');
    expect(twice.length).toBeGreaterThan(20);
    expect(twice[0]?.message).toMatch(/ at row \d+$/);
    expect(twice.at(-1)?.message).toBe(`the row is the same as the one at row 3 of ${path}`);
    expect(twice[0]?.place.row).toBeDefined();
  });

  test('a row of 150 MB is told once, and the next one is read', async () => {
    const huge = Buffer.alloc(150e6, 'x');
    const text = Buffer.concat([
      Buffer.from(`${rows(2).join('\n')}\n`),
      huge,
      Buffer.from(`\n${row('Empty?', '')}\n`),
    ]);
    const findings = await findingsOf([write(text)]);
    expect(findings.map(({ code, place }) => [code, place.line])).toEqual([
      ['files/row-too-large', 3],
      ['data/empty-reply', 4],
    ]);
  });

  test('an empty file, and rows of no known format', async () => {
    expect((await findingsOf([write('')])).map(({ code }) => code)).toEqual(['data/empty']);
    const findings = await findingsOf([write('{"a": 1, "b": 2}\n')]);
    expect(findings.map(({ code, message }) => [code, message])).toEqual([
      ['data/unknown-format', 'the first row has the columns `a`, `b`'],
    ]);
  });

  const broken: Readonly<Record<string, string>> = {
    'a comma is missing': '"instruction": "a" "output": "b"',
    'a quote is missing': '"instruction": "a,\n"output": "b"',
    'a bracket is missing': '"instruction": "a", "output": "b", "history": [',
    'a word is no JSON': '"instruction": "a", "output": None',
  };
  test.each(Object.entries(broken))(
    'in an array, reading goes on where %s',
    async (_what, inside) => {
      for (const pretty of [false, true]) {
        const sound = rows(6).map((text) =>
          pretty ? JSON.stringify(JSON.parse(text), null, 2).replaceAll('\n', '\n  ') : text,
        );
        const texts = [
          ...sound.slice(0, 2),
          `{${pretty ? inside.replaceAll(', ', ',\n    ') : inside}}`,
          ...sound.slice(2),
          row('Empty?', ''),
        ];
        const text = `[\n${texts.map((each) => `  ${each}`).join(',\n')}\n]\n`;
        const before = text.slice(
          0,
          text.indexOf('"a"') > 0 ? text.indexOf('"a"') : text.indexOf('"a,'),
        );
        const findings = await findingsOf([write(text, '.json')]);
        const [first, ...others] = findings;
        expect(first?.code).toBe('files/json');
        const at = before.split('\n').length;
        expect(first?.place.line).toBeGreaterThanOrEqual(at);
        expect(first?.place.line).toBeLessThanOrEqual(at + 4);
        expect(others.map(({ code }) => code)).toEqual(['data/empty-reply']);
        expect(others[0]?.place.line).toBe(
          text.slice(0, text.indexOf('Empty?')).split('\n').length,
        );
      }
    },
  );

  test('an array without its end', async () => {
    const findings = await findingsOf([write(`[${rows(3).join(',')}`, '.json')]);
    expect(findings.map(({ code, message }) => [code, message])).toEqual([
      ['files/json', 'the file ends before the closing `]`'],
    ]);
  });
});

test('data sets of very different size', async () => {
  const [large, small] = [
    write(rows(300, 4).join('\n')),
    write(
      rows(3, 5)
        .map((text) => text.replaceAll('house', 'hut'))
        .join('\n'),
    ),
  ];
  const findings = await findingsOf([large, small]);
  expect(findings.map(({ code, place }) => [code, place.file])).toEqual([
    ['data/source-sizes', small.name],
  ]);
});

test('a sample is about as large as asked, the same each time', async () => {
  const subject = write(rows(2000).join('\n'));
  const sample = async (): Promise<number> => {
    const [examined] = await examine([subject], { report: new Report(), sample: 200 });
    return examined?.rows ?? 0;
  };
  expect(await sample()).toBeGreaterThan(120);
  expect(await sample()).toBeLessThan(280);
  expect(await sample()).toBe(await sample());
});

describe('dataset_info.json', () => {
  const at = join(folder, 'described');
  mkdirSync(at);
  writeFileSync(join(at, 'rows.jsonl'), `${rows(3).join('\n')}\n`);
  writeFileSync(
    join(at, 'chats.jsonl'),
    `${Array.from({ length: 3 }, soundRows('sharegpt', 1)).join('\n')}\n`,
  );
  const info = {
    gone: { file_name: 'gone.jsonl' },
    columns: {
      file_name: 'rows.jsonl',
      columns: { prompt: 'instruction', response: 'output', system: 'systm' },
    },
    tags: { file_name: 'chats.jsonl', formatting: 'sharegpt', tags: { assistant_tag: 'bot' } },
    mistyped: { file_name: 'rows.jsonl', formating: 'alpaca' },
  };
  writeFileSync(join(at, 'dataset_info.json'), JSON.stringify(info, null, 2));

  test.each([
    ['gone', 'error', 'gone.jsonl does not exist'],
    ['columns', 'error', 'no row of `columns` has the column `systm`'],
    ['tags', 'error', 'no message of `tags` has the role `bot`'],
    ['mistyped', 'warning', '`formating` means nothing'],
  ])('%s', async (name, severity, message) => {
    const findings: Finding[] = [];
    const report = new Report({ each: (finding) => findings.push(finding) });
    const subjects = await subjectsOf([name], { folder: at, stage: undefined, report });
    await examine(subjects, { report });
    const found = findings.find((finding) => finding.message.includes(message));
    expect(found, findings.map((each) => each.message).join('\n')).toBeDefined();
    expect(found?.severity).toBe(severity);
    expect(found?.place.file).toBe(join(at, 'dataset_info.json'));
    expect(found?.place.line).toBeGreaterThan(1);
  });
});
