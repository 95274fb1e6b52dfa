/** @file One preparation in a process of its own, for bench/data.ts: `data-prepare.ts MODEL ROWS.json CACHE`. */
import { createHash } from 'node:crypto';
import { openTemplate } from '../src/data/open-template.ts';
import { prepare } from '../src/data/prepare.ts';
import { type DataSettings, dataSection } from '../src/data/settings.ts';
import { openModel } from '../src/models/source.ts';

const [model = '', rows = '', cache = ''] = process.argv.slice(2);
const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

const source = await openModel(model);
const tokenizer = source.tokenizer();
const template = { name: 'smollm2', jinja: source.chatTemplate };
const opened = openTemplate({ ...template, tokenizer });

const begun = performance.now();
const { train } = await prepare({
  stage: 'sft',
  data: { ...defaults, dataset: [rows], template: template.name, preprocessing_num_workers: 2 },
  ...opened,
  recipe: { tokenizer: tokenizer.definition, template },
  cache,
});
const seconds = (performance.now() - begun) / 1000;
console.log('#prepared');

if (!train) throw new Error('no rows were prepared');
const hash = createHash('sha256');
const add = (array: Int32Array): void => {
  hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
};
for (let row = 0; row < train.count; row++) {
  add(train.ids(row));
  add(train.labels(row));
}
const { count, tokens } = train;
console.log(
  `#done ${JSON.stringify({ seconds, rows: count, tokens, digest: hash.digest('hex') })}`,
);
