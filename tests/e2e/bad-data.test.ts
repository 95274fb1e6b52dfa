/** @file What a person gets to read whose data file is damaged, hostile or not what its name says. The real program. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { makePlace, type Place } from './cli.ts';

const yaml = (dataset: string): string => `
model_name_or_path: random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1
stage: sft
finetuning_type: lora
dataset: ${dataset}
dataset_dir: data
template: chatml
max_steps: 1
per_device_train_batch_size: 1
output_dir: out
`;

const good = '{"instruction": "Who are you?", "output": "I am Tuna."}\n';
const parquet = readFileSync(
  fileURLToPath(new URL('../golden/rows/snappy.parquet', import.meta.url)),
);
const info = (fileName: string): string => `{\n  "mine": { "file_name": "${fileName}" }\n}\n`;

type Case = {
  readonly dataset: string;
  /** What lies under it; a function makes what is no file. */
  readonly content?: string | Uint8Array | ((path: string, place: Place) => void);
  readonly more?: Readonly<Record<string, string>>;
  readonly error: string;
};

const cases: Readonly<Record<string, Case>> = {
  'a parquet file by another name': {
    dataset: 'rows.json',
    content: parquet,
    error: `error[files/wrong-ending]: by its first bytes \`rows.json\` is a parquet file, but it is not named so
  --> rows.json
  help: let its name end in .parquet`,
  },
  'a parquet file that is cut off': {
    dataset: 'rows.parquet',
    content: parquet.subarray(0, 3000),
    error: `error[files/parquet]: not a sound parquet file: it is cut off: \`PAR1\` is not at its end
  --> rows.parquet
  help: the file is damaged, incomplete or hostile; download or copy it again`,
  },
  'a gzip file that is cut off': {
    dataset: 'rows.jsonl.gz',
    content: gzipSync(good).subarray(0, 40),
    error: `error[files/gzip]: not a sound gzip file: it ends too early
  --> rows.jsonl.gz
  help: the file is damaged or incomplete; download or copy it again`,
  },
  'a number that JSON has not': {
    dataset: 'rows.jsonl',
    content: `${good}{"instruction": "How much?", "output": "x", "score": NaN}\n`,
    error: `error[files/json]: not valid JSON: \`NaN}\` is no number in JSON (Python writes it so); null can stand there
  --> rows.jsonl:2:54 (row 1)
  help: mend the file there; often a quote, comma or bracket just before is missing or one too many`,
  },
  'a key that stands twice': {
    dataset: 'rows.json',
    content: `[${good.trim()},\n {"instruction": "Who?",\n  "output": "I.", "output": "You."}]`,
    error: `error[files/json]: not valid JSON: the key "output" stands twice in one object
  --> rows.json:3:19 (row 1)
  help: mend the file there; often a quote, comma or bracket just before is missing or one too many`,
  },
  'half of a surrogate pair': {
    dataset: 'rows.jsonl',
    content: '{"instruction": "Smile", "output": "\\ud83d"}\n',
    error: `error[files/json]: not valid JSON: in this text \`\\ud83d\` stands alone: it is half of a surrogate pair
  --> rows.jsonl:1:36 (row 0)
  help: mend the file there; often a quote, comma or bracket just before is missing or one too many`,
  },
  'bytes that are not UTF-8': {
    dataset: 'rows.jsonl',
    content: Buffer.concat([Buffer.from(`${good}{"instruction": "`), Buffer.from([0xff, 10])]),
    error: `error[files/not-utf8]: the text is not UTF-8
  --> rows.jsonl:2 (row 1)
  help: save the file as UTF-8`,
  },
  'a million brackets': {
    dataset: 'rows.jsonl',
    content: `${good}{"instruction": ${'['.repeat(1e6)}`,
    error: `error[files/json]: not valid JSON: nested more than 500 deep
  --> rows.jsonl:2:517 (row 1)
  help: mend the file there; often a quote, comma or bracket just before is missing or one too many`,
  },
  'a gzip bomb': {
    dataset: 'rows.jsonl.gz',
    content: gzipSync(Buffer.alloc(100e6)),
    error: `error[files/row-too-large]: one row is larger than 64.0 MB
  --> rows.jsonl.gz:1
  help: a closing quote, a bracket or a line break may be missing; cut the row up if it is meant to be so long`,
  },
  'a table with a quote that never closes': {
    dataset: 'rows.csv',
    content: 'instruction,output\nHi,Hello\n"Who,I\n',
    error: `error[files/table]: not a sound table: a quote is never closed
  --> rows.csv:3:1
  help: mend the file there; a cell with a separator, a quote or a line break stands in double quotes, a quote in it is written twice`,
  },
  'a pipe': {
    dataset: 'rows.jsonl',
    content: (path) => execFileSync('mkfifo', [path]),
    error: `error[files/not-a-file]: \`rows.jsonl\` is a pipe, not a file
  --> rows.jsonl
  help: name a file; data are read more than once, so write what a pipe gives into a file first`,
  },
  'a pipe that dataset_info.json names': {
    dataset: 'mine',
    more: { 'data/dataset_info.json': info('rows.jsonl') },
    content: (_, place) => execFileSync('mkfifo', [place.at('data/rows.jsonl')]),
    error: `error[files/not-a-file]: \`data/rows.jsonl\` is a pipe, not a file
  --> data/rows.jsonl
  help: name a file; data are read more than once, so write what a pipe gives into a file first`,
  },
  'a link out of dataset_dir': {
    dataset: 'mine',
    more: { 'data/dataset_info.json': info('link.jsonl'), 'secret.jsonl': good },
    content: (_, place) => symlinkSync(place.at('secret.jsonl'), place.at('data/link.jsonl')),
    error: `error[data/outside-folder]: \`data/link.jsonl\` leads out of \`data\`: it is <here>/secret.jsonl
  --> data/dataset_info.json:2:3: mine
  help: move the file there, or name its path yourself: \`dataset: <here>/secret.jsonl\``,
  },
  'a path out of dataset_dir': {
    dataset: 'mine',
    more: { 'data/dataset_info.json': info('../secret.jsonl'), 'secret.jsonl': good },
    error: `error[data/outside-folder]: \`secret.jsonl\` leads out of \`data\`: it is <here>/secret.jsonl
  --> data/dataset_info.json:2:3: mine
  help: move the file there, or name its path yourself: \`dataset: <here>/secret.jsonl\``,
  },
};

function lay(place: Place, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(place.at(name)), { recursive: true });
    writeFileSync(place.at(name), content);
  }
}

test.concurrent.for(Object.entries(cases))('%s', async ([, { dataset, content, more, error }]) => {
  const place = makePlace();
  try {
    lay(place, { 'run.yaml': yaml(dataset), ...more });
    if (typeof content === 'function') content(place.at(dataset), place);
    else if (content !== undefined) lay(place, { [dataset]: content });
    const ended = await place.run('train', 'run.yaml');
    expect(ended.err.replaceAll(place.folder, '<here>')).toBe(`${error}\n`);
    expect(ended).toMatchObject({ code: 1, signal: null, hung: false });
    expect(existsSync(place.at('out'))).toBe(false);
  } finally {
    place.remove();
  }
});

test('a byte order mark and the line ends of Windows are no fault', async () => {
  const place = makePlace();
  try {
    lay(place, {
      'run.yaml': yaml('rows.jsonl'),
      'rows.jsonl': `\ufeff${good.replace('\n', '\r\n')}`,
    });
    const ended = await place.run('train', 'run.yaml');
    expect(ended).toMatchObject({ code: 0, err: '' });
  } finally {
    place.remove();
  }
});
