/** @file `tokenized_path`: prepared sets in a folder of the user's own, written once and then taken as they are. */
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeFileAtomic, writeFolderAtomic } from '../files/atomic.ts';
import { readJson } from '../files/json.ts';
import { foreignTokenized, otherTokenized } from './errors.ts';
import type { PreparedSets } from './prepare.ts';
import { openPrepared } from './prepared.ts';
import type { Stage } from './stage.ts';

const listFile = 'sets.json';

const List = z.object({
  schema: z.literal(1),
  train: z.boolean(),
  evals: z.array(z.object({ name: z.string(), folder: z.string() })),
});

/** The sets that lie there; undefined where none do. */
export function readTokenized(
  path: string,
  wanted: { readonly stage: Stage; readonly tokenizer: string },
): PreparedSets | undefined {
  if (!existsSync(path) || readdirSync(path).length === 0) return undefined;
  if (!existsSync(join(path, listFile))) throw foreignTokenized(path, isHuggingFace(path));
  const list = List.parse(readJson(join(path, listFile)));
  const open = (folder: string) => {
    const set = openPrepared(join(path, folder));
    const { stage, tokenizer } = set.manifest;
    if (stage !== wanted.stage) throw otherTokenized(path, `it is of \`stage: ${stage}\``);
    if (tokenizer !== wanted.tokenizer) {
      throw otherTokenized(path, 'it was made with another tokenizer than the model’s');
    }
    return set;
  };
  const train = list.train ? open('train') : undefined;
  const evals = list.evals.map(({ name, folder }) => ({ name, prepared: open(folder) }));
  const sets = [train, ...evals.map(({ prepared }) => prepared)];
  return {
    train,
    evals,
    eval: evals[0]?.prepared,
    warnings: sets.flatMap((set) => set?.warnings ?? []),
    notes: [`the rows are those of ${path}; all other settings of the data are ignored`],
  };
}

/** What `datasets` itself writes beside its arrow files. */
const isHuggingFace = (path: string): boolean =>
  ['dataset_dict.json', 'state.json'].some((name) => existsSync(join(path, name)));

export async function saveTokenized(path: string, { train, evals }: PreparedSets): Promise<void> {
  makeFolder(path);
  const copy = (from: string, name: string) =>
    writeFolderAtomic(
      join(path, name),
      (temporary) => cpSync(from, temporary, { recursive: true }),
      { replace: true },
    );
  if (train) await copy(train.folder, 'train');
  const listed = evals.map(({ name }, i) => ({ name, folder: i === 0 ? 'eval' : `eval-${i + 1}` }));
  for (const [i, { folder }] of listed.entries()) {
    const set = evals[i];
    if (set) await copy(set.prepared.folder, folder);
  }
  // Last, so that a folder with a list holds all that it lists.
  const list = { schema: 1, train: train !== undefined, evals: listed };
  writeFileAtomic(join(path, listFile), `${JSON.stringify(list, null, 1)}\n`);
}
