/** @file A process that prepares a set, for tests that kill it or run two at once: `prepare-child.ts FOLDER FILE`. */
import { openTemplate } from '../../src/data/open-template.ts';
import { prepare } from '../../src/data/prepare.ts';
import { type DataSettings, dataSection } from '../../src/data/settings.ts';
import { byteTokenizer } from '../../src/tokenizer/byte-tokenizer.ts';

const [folder = '', file = ''] = process.argv.slice(2);
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
  progress: (rows) => say({ rows }),
  notice: (line) => say({ notice: line }),
});
say({ digest: train?.digest });
