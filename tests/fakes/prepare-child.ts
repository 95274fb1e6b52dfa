/**
 * @file A process that prepares a set, for tests that kill it or run two at once: `prepare-child.ts FOLDER FILE [HOLD]`.
 * While there is a file HOLD, it stands still amid its rows.
 */
import { existsSync } from 'node:fs';
import { openTemplate } from '../../src/data/open-template.ts';
import { prepare } from '../../src/data/prepare.ts';
import { type DataSettings, dataSection } from '../../src/data/settings.ts';
import { byteTokenizer } from '../../src/tokenizer/byte-tokenizer.ts';

const [folder = '', file = '', hold = ''] = process.argv.slice(2);
const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;
const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const tokenizer = byteTokenizer();
const { train } = await prepare({
  stage: 'sft',
  // The spool is on the disk too while the halves are made.
  data: { ...defaults, dataset: [file], val_size: 0.1 },
  ...openTemplate({ name: 'chatml', jinja: undefined, tokenizer }),
  cache: folder,
  progress(rows) {
    say({ rows });
    while (existsSync(hold)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  },
  notice: (line) => say({ notice: line }),
});
say({ digest: train?.digest });
