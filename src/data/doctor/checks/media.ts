/** @file Images, videos and audios: their files, and the places that the text leaves for them. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JsonValue } from '../../../files/json.ts';
import { defineCheck } from '../check.ts';
import type { RowView } from '../view.ts';

const kinds = [
  ['images', '<image>'],
  ['videos', '<video>'],
  ['audios', '<audio>'],
] as const;

const itemsOf = (
  { value, reading }: RowView,
  name: (typeof kinds)[number][0],
): readonly JsonValue[] => {
  const column = reading.columns[name];
  const given = column === null ? null : (value[column] ?? null);
  return given === null ? [] : Array.isArray(given) ? given : [given];
};

export const mediaCount = defineCheck({
  code: 'data/media-count',
  severity: 'error',
  title: 'a text leaves room for more or fewer files than the row has',
  help: 'write one placeholder for each file',
  row(view, found) {
    for (const [name, word] of kinds) {
      const column = view.reading.columns[name];
      if (column === null) continue;
      const items = itemsOf(view, name);
      const places = view.passages.reduce((sum, { text }) => sum + text.split(word).length - 1, 0);
      if (places === items.length) continue;
      found(`the texts hold ${places} \`${word}\`, and \`${column}\` has ${items.length}`, [
        column,
      ]);
    }
  },
});

/** In a tag of HTML, or in words about one, it is none. */
const aboutTags = /<\/(?:image|video|audio)>|html|svg|xml|\btags?\b|`/i;

export const mediaColumn = defineCheck({
  code: 'data/media-column',
  severity: 'warning',
  title: 'a text leaves room for a file, and the set has no column of them',
  help: 'name the column under `columns` in dataset_info.json (`images`, `videos`, `audios`), or take the word out: it is learned as text',
  passage({ text, path, part }, found, { reading }) {
    if ((part !== 'prompt' && part !== 'reply') || !text.includes('<')) return;
    for (const [name, word] of kinds) {
      const at = reading.columns[name] === null ? text.indexOf(word) : -1;
      if (at < 0 || aboutTags.test(text)) continue;
      found(`\`${word}\` stands in the text, and there is no column of ${name}`, path, at);
    }
  },
});

export const mediaFile = defineCheck({
  code: 'data/media-file',
  severity: 'error',
  title: 'a media file is missing',
  help: 'paths start at the folder of the data; check the path, or put the file there',
  row(view, found) {
    for (const [name] of kinds) {
      const column = view.reading.columns[name];
      for (const [i, item] of itemsOf(view, name).entries()) {
        if (column === null || typeof item !== 'string' || /^[a-z]+:\/\//.test(item)) continue;
        const here = join(dirname(view.place.file), item);
        if (!existsSync(item) && !existsSync(here))
          found(`\`${item}\` does not exist`, [column, i]);
      }
    }
  },
});
