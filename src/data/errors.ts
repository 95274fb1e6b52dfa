/** @file Errors of the data: rows, formats, templates, and what came of them. */
import { defineError, type Place } from '../core/errors.ts';

const list = (names: Iterable<string>): string =>
  [...names].map((name) => `\`${name}\``).join(', ');

// ── rows and formats ──

export const roleOrder = defineError(
  'data/role-order',
  (place: Place, before: string | undefined, got: string) => ({
    message:
      before === undefined
        ? `a conversation cannot begin with role \`${got}\``
        : `role \`${got}\` cannot follow \`${before}\``,
    place,
    help: 'user (or a tool’s result) and assistant (or a call) must take turns; mend or remove this row',
  }),
);

export const unfinished = defineError('data/role-order', (place: Place, last: string) => ({
  message: `the conversation ends with role \`${last}\`, so there is no reply to learn`,
  place,
  help: 'a conversation must end with the assistant’s turn; remove the last message, or the row',
}));

export const unknownRole = defineError(
  'data/unknown-role',
  (place: Place, got: string, known: readonly string[], hint: string) => ({
    message: `\`${got}\` is no role of this data set${hint}`,
    place,
    help: `its roles are ${list(known)}; name others under \`tags\` in dataset_info.json`,
  }),
);

export const missingColumn = defineError(
  'data/missing-column',
  (place: Place, column: string, found: readonly string[], hint: string) => ({
    message: `the row has no column \`${column}\`${hint}; it has ${found.length === 0 ? 'none' : list(found.slice(0, 12))}`,
    place,
    help: 'mend the row, or name the right column under `columns` in dataset_info.json',
  }),
);

export const neverSeen = defineError(
  'data/missing-column',
  (place: Place, column: string, file: string, found: readonly string[], hint: string) => ({
    message: `no row of ${file} has the column \`${column}\`${hint}; the first has ${list(found)}`,
    place,
    help: 'take it out of `columns`, or name the column that is meant',
  }),
);

export const wrongType = defineError(
  'data/wrong-type',
  (place: Place, expected: string, found: string) => ({
    message: `expected ${expected}, found ${found}`,
    place,
    help: undefined,
  }),
);

export const noReply = defineError('data/no-reply', (place: Place) => ({
  message: 'the row has no reply to learn',
  place,
  help: 'fill its reply or remove the row; `allow_unsupervised: true` leaves such rows out and counts them',
}));

export const noPair = defineError('data/no-pair', (place: Place) => ({
  message: 'the row has no chosen and rejected reply to compare',
  place,
  help: 'fill both or remove the row; `allow_unsupervised: true` leaves such rows out and counts them',
}));

export const noTag = defineError('data/no-tag', (place: Place) => ({
  message: 'the row does not say whether its reply is wanted',
  place,
  help: 'set its `kto_tag` column to true or false, or remove the row; `allow_unsupervised: true` leaves such rows out and counts them',
}));

export const wrongData = defineError(
  'data/wrong-kind',
  (place: Place, why: string, help: string) => ({
    message: why,
    place,
    help,
  }),
);

export const mediaLater = defineError('data/media', (place: Place, column: string) => ({
  message: `the row carries ${column}, and models that take ${column} cannot be trained yet`,
  place,
  help: `take \`${column}\` out of \`columns\` in dataset_info.json to train on the text alone`,
}));

export const mediaSet = defineError(
  'data/media-set',
  (place: Place, name: string, column: string) => ({
    message: `data set \`${name}\` holds ${column}, and models that take ${column} cannot be trained yet`,
    place,
    help: 'choose a data set of text; an entry of your own in dataset_info.json without that column trains on the text alone',
  }),
);

export const badToolJson = defineError(
  'data/tool-json',
  (place: Place | undefined, what: string, found: string) => ({
    message: `${what} is not valid: ${found}`,
    place,
    help: 'a call is {"name": …, "arguments": {…}} or a list of them; tools are a JSON list of {"name", "description", "parameters"}',
  }),
);

// ── sources ──

export const unknownDataset = defineError(
  'data/unknown-dataset',
  (name: string, file: string, exists: boolean, hint: string) => ({
    message: exists
      ? `data set \`${name}\` is neither a file nor named in ${file}${hint}`
      : `data set \`${name}\` is no file, and there is no ${file} that could name it${hint}`,
    place: exists ? { file } : undefined,
    help: 'add it to dataset_info.json, give the path of a file, or a hub id (`org/name`); `tunery data list` shows the names that are known',
  }),
);

export const outsideFolder = defineError(
  'data/outside-folder',
  (place: Place, path: string, folder: string, real: string) => ({
    message: `\`${path}\` leads out of \`${folder}\`: it is ${real}`,
    place,
    help: `move the file there, or name its path yourself: \`dataset: ${real}\``,
  }),
);

export const badDatasetInfo = defineError(
  'data/dataset-info',
  (place: Place, message: string, help?: string) => ({ message, place, help }),
);

export const noDataFiles = defineError(
  'data/hub-no-files',
  (id: string, folder: string | undefined, found: readonly string[]) => ({
    message: `data set \`${id}\` has no files of rows that can be read${folder === undefined ? '' : ` in \`${folder}\``}; it holds ${found.length === 0 ? 'none at all' : list(found)}`,
    help: 'rows are read from parquet, arrow, json, jsonl, csv, tsv and txt files, those of text also as .gz; a data set that only a script can make must be made first, and named as a file',
  }),
);

export const noSuchSubset = defineError(
  'data/hub-subset',
  (id: string, subset: string | undefined, known: readonly string[], hint: string) => ({
    message:
      subset === undefined
        ? `data set \`${id}\` has several subsets, and none is named`
        : `data set \`${id}\` has no subset \`${subset}\`${hint}`,
    help:
      known.length === 0
        ? 'it has none at all: take `subset` out of its entry in dataset_info.json'
        : `name one as \`subset\` in its entry in dataset_info.json: ${list(known.slice(0, 20))}`,
  }),
);

export const noSuchSplit = defineError(
  'data/hub-split',
  (id: string, split: string, known: readonly string[], hint: string) => ({
    message: /[[\]]/.test(split)
      ? `\`${split}\` asks for a part of a split, which is not supported`
      : `data set \`${id}\` has no split \`${split}\`${hint}`,
    help: `name one as \`split\` in its entry in dataset_info.json: ${list(known)}; \`max_samples\` takes the first rows of it`,
  }),
);

export const hubNotServed = defineError(
  'data/hub-not-served',
  (place: Place, key: string, id: string) => ({
    message: `\`${id}\` lies on openMind’s hub only, which cannot be asked`,
    place,
    help: `name its \`hf_hub_url\` or \`ms_hub_url\` beside \`${key}\`, or a \`file_name\``,
  }),
);

export const isBenchmark = defineError('data/benchmark', (name: string) => ({
  message: `\`${name}\` is a benchmark, not a data set to learn from`,
  help: 'a model that learned its questions would only repeat them; name a data set of instructions or conversations',
}));

export const notReadable = defineError('data/not-readable', (name: string, why: string) => ({
  message: `data set \`${name}\` is known, and cannot be read: ${why}`,
  help: 'choose another (`tunery data list` names them), or bring its rows as a .jsonl or .parquet file',
}));

export const unknownFormat = defineError(
  'data/unknown-format',
  (place: Place, found: readonly string[]) => ({
    message: `the format of these rows is not known; the first has the columns ${list(found.slice(0, 12))}`,
    place,
    help: 'known by themselves: instruction/input/output (alpaca), conversations (sharegpt), messages (openai), text; describe others in dataset_info.json',
  }),
);

export const emptyDataset = defineError('data/empty', (file: string, why: string) => ({
  message: `there are no rows to learn from: ${why}`,
  place: { file },
  help: 'check the file, and `max_samples`, `num_samples` and `val_size`',
}));

export const badSplit = defineError('data/val-size', (wanted: number, rows: number) => ({
  message: `\`val_size\` holds ${wanted} rows back, and there are only ${rows}`,
  place: undefined,
  help: 'lower `val_size`, so that rows to learn from are left',
}));

// ── templates ──

const templateList = 'docs/reference/templates.md lists them';

export const unknownTemplate = defineError(
  'data/unknown-template',
  (name: string, near: string) => ({
    message: `no template is named \`${name}\`${near}`,
    place: { file: 'template' },
    help: `${templateList}; left unset, the model’s own template is used`,
  }),
);

export const noTemplate = defineError('data/no-template', () => ({
  message: 'the model brings no chat template, and `template` is not set',
  place: { file: 'template' },
  help: `name one, as \`chatml\` or \`llama3\`: ${templateList}`,
}));

export const missingToken = defineError(
  'data/missing-token',
  (template: string, token: string, why: string) => ({
    message: `template \`${template}\` needs the token \`${token}\` (${why}), which the model’s vocabulary lacks`,
    place: { file: 'template' },
    help: 'choose a template of this model’s family, or leave `template` unset for the model’s own',
  }),
);

export const promptNotLearned = defineError('data/prompt-not-learned', (template: string) => ({
  message: `\`train_on_prompt\` does not work with template \`${template}\`, which learns its stop token where a prompt begins`,
  place: { file: 'template' },
  help: 'take `train_on_prompt` out, or leave `template` unset for the model’s own',
}));

export const templateRaised = defineError(
  'data/template-raised',
  (place: Place | undefined, message: string) => ({
    message: `the model’s chat template refuses this conversation: ${message}`,
    place,
    help: 'change the row to what the template takes, or name another `template`',
  }),
);

export const badTemplate = defineError('data/bad-template', (message: string, help?: string) => ({
  message: `the model’s chat template cannot be used: ${message}`,
  place: { file: 'chat template' },
  help: help ?? 'name a `template` instead',
}));

export const noExactMask = defineError(
  'data/no-exact-mask',
  (place: Place | undefined, why: string) => ({
    message: `what the model should learn cannot be told exactly from its chat template: ${why}`,
    place,
    help: 'name a `template` of the same family, or put {% generation %} … {% endgeneration %} around replies in the model’s template',
  }),
);

// ── what came of them ──

export const tooLong = defineError(
  'data/too-long',
  (place: Place, over: number, cutoff: number) => ({
    message: `the row is ${over} tokens longer than \`cutoff_len\` (${cutoff}), and \`overlong: error\` refuses such rows`,
    place,
    help: 'raise `cutoff_len` or shorten the row; `overlong: truncate` cuts it, `overlong: drop` leaves it out',
  }),
);

export const unsupervised = defineError(
  'data/unsupervised',
  (place: Place, why: string, cutoff: number) => ({
    message: `no token of this row is learned: ${why}`,
    place,
    help: `raise \`cutoff_len\` (now ${cutoff}) or mend the row; \`allow_unsupervised: true\` lets such rows pass`,
  }),
);

export const allMasked = defineError('data/all-masked', (file: string, rows: number) => ({
  message:
    rows === 1
      ? 'no token of the only row is learned'
      : `no token of any of the ${rows} rows is learned`,
  place: { file },
  help: 'look at them with `tunery data tokens FILE.yaml`; replies may be empty, or `cutoff_len` too short',
}));

export const emptyStep = defineError('data/unsupervised', (step: number, rows: string) => ({
  message: `step ${step} has no supervised token (rows ${rows})`,
  place: undefined,
  help: 'mend those rows, or let such steps pass with `allow_unsupervised: true`',
}));

export const badPrepared = defineError('data/prepared', (folder: string, why: string) => ({
  message: `the prepared data cannot be read: ${why}`,
  place: { file: folder },
  help: 'run again with `overwrite_cache: true`',
}));

export const foreignTokenized = defineError(
  'data/tokenized-path',
  (folder: string, isHuggingFace: boolean) => ({
    message: isHuggingFace
      ? '`tokenized_path` is a data set that `datasets` saved, as LLaMA-Factory does: its rows do not say where they came from, and are not read'
      : '`tokenized_path` is a folder that holds something else than prepared sets',
    place: { file: folder },
    help: 'name a folder that does not exist yet: the rows are prepared from `dataset` and saved there',
  }),
);

export const otherTokenized = defineError('data/tokenized-path', (folder: string, why: string) => ({
  message: `the prepared set cannot be taken: ${why}`,
  place: { file: folder },
  help: 'name another folder in `tokenized_path`, or the stage and model that it was made for',
}));

export const noSuchRow = defineError('data/no-such-row', (row: number, rows: number) => ({
  message: `there is no row ${row}: the set has ${rows}, from 0 to ${rows - 1}`,
  help: undefined,
}));

export const noSuchEvalSet = defineError(
  'data/no-such-set',
  (name: string, hint: string, known: readonly string[]) => ({
    message: `there is no evaluation set \`${name}\`${hint}`,
    help: known.length === 0 ? 'set `eval_dataset`' : `there are: ${list(known)}`,
  }),
);

export const rowChanged = defineError('data/row-changed', (place: Place) => ({
  message:
    'the row is not what it was when it was prepared: the file or the template has changed since',
  place,
  help: 'prepare it again: take `tokenized_path` out, or set `overwrite_cache: true`',
}));

export const textNotFound = defineError('data/no-such-row', (text: string) => ({
  message: `none of the rows that were looked at holds \`${text}\``,
  help: 'it is looked for in the text as it is fed, special tokens and all, upper and lower case apart; `--rows 0..` looks at every row',
}));

export const noSuchSet = defineError('data/no-such-set', (key: string) => ({
  message: `there is no such set: \`${key}\` names no data`,
  help: `set \`${key}\``,
}));
