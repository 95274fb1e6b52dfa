/** @file `tunery data convert`: a data set as a file of another format. */
import { z } from 'zod';
import { loadConfig } from '../../config/load.ts';
import { formatPlace } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { lossAnswers, targets } from '../../data/convert.ts';
import { convertFile } from '../../data/convert-file.ts';
import { sourcesToConvert } from '../../data/doctor/subjects.ts';
import { defineCommand } from '../command.ts';

export const dataConvertCommand = defineCommand({
  name: 'data convert',
  summary:
    'Write a data set as alpaca, sharegpt or openai rows, with its entry for dataset_info.json.',
  examples: [
    'tunery data convert my/chats.jsonl chats.json --to sharegpt',
    'tunery data convert identity identity.jsonl --to openai dataset_dir=data',
  ],
  positionals: [
    { name: 'IN', help: 'a data file, or a name in dataset_info.json' },
    { name: 'OUT', help: 'the file to write, .json or .jsonl' },
  ],
  takesSettings: true,
  options: {
    to: field(z.enum(targets), { help: 'The format to write.' }),
    on_loss: field(z.enum(lossAnswers).default('error'), {
      help: 'What becomes of a row that the format cannot hold: `error` stops, `drop` leaves it out, `keep-json` writes the turn as its JSON text, and thoughts before a reply as `<think>`.',
    }),
  },

  async run(
    _job,
    {
      positionals: [name = '', out = ''],
      settings,
      options,
      json,
      emit,
      print,
      note,
      progress,
      signal,
    },
  ) {
    const { data } = loadConfig({ overrides: settings, command: 'convert' }).job;
    const sources = await sourcesToConvert(name, data.dataset_dir, ({ message, help, place }) =>
      note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`),
    );
    const done = convertFile(sources, out, {
      to: options.to,
      onLoss: options.on_loss,
      progress: (rows) => progress(`${rows} rows written`),
      signal,
    });
    progress(null);
    if (json) emit(done);
    const left = done.left_out === 0 ? '' : `, ${done.left_out} left out`;
    print(`${done.rows} rows in ${out}${left}. Its entry for dataset_info.json:\n`);
    print(JSON.stringify(done.entry, null, 2));
    return undefined;
  },
});
