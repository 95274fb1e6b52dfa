/** @file Columns and fields that are missing, misspelled, or hold another kind of value. */
import { didYouMean, suggest } from '../../../core/suggest.ts';
import { isJsonObject } from '../../../files/json.ts';
import { defineCheck } from '../check.ts';
import { namesOf, type RowView } from '../view.ts';

const keysAt = ({ value, gaps }: RowView, i: number): readonly string[] => {
  let at: unknown = value;
  for (const step of gaps[i].path) at = Reflect.get(Object(at), step);
  return isJsonObject(at) ? Object.keys(at) : [];
};

const none = (view: RowView): boolean => Object.keys(view.value).length === 0;

export const missingColumn = defineCheck({
  code: 'data/missing-column',
  severity: 'error',
  title: 'a column is missing',
  help: 'mend the row, or name the right column under `columns` in dataset_info.json',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    if (none(view)) return;
    for (const [i, gap] of view.gaps.entries()) {
      if (gap.kind !== 'column') continue;
      found(`the row has no column \`${gap.name}\`${didYouMean(gap.name, keysAt(view, i))}`);
    }
  },
});

export const missingField = defineCheck({
  code: 'data/missing-field',
  severity: 'error',
  title: 'a message lacks its role or its text',
  help: 'each message needs both; name others under `tags` in dataset_info.json',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    for (const [i, gap] of view.gaps.entries()) {
      if (gap.kind !== 'field') continue;
      found(`the message has no \`${gap.name}\`${didYouMean(gap.name, keysAt(view, i))}`, gap.path);
    }
  },
});

export const wrongType = defineCheck({
  code: 'data/wrong-type',
  severity: 'error',
  title: 'a value is of the wrong kind',
  help: 'write a text there, in quotes',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    for (const gap of view.gaps) {
      if (gap.kind === 'type') found(`expected ${gap.expected}, found ${gap.found}`, gap.path);
    }
  },
});

export const history = defineCheck({
  code: 'data/history',
  severity: 'error',
  title: 'the history is no list of pairs',
  help: 'history is a list of [question, answer]',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    for (const gap of view.gaps) {
      if (gap.kind === 'history')
        found(`expected a pair [question, answer], found ${gap.found}`, gap.path);
    }
  },
});

/** Columns that people carry along beside those that are read. */
const usual =
  /^(_.*|.*_?id|idx|index|uuid|source|dataset|category|topic|lang(uage)?|split|meta(data)?|tags?|score|type|model|url|title)$/i;

export const unknownColumn = defineCheck({
  code: 'data/unknown-column',
  severity: 'warning',
  title: 'a column looks like a misspelled one',
  help: 'rename it; a column that is not known is not read',
  row(view, found) {
    const known = namesOf(view.reading);
    for (const key of Object.keys(view.value)) {
      if (known.includes(key) || usual.test(key)) continue;
      const near = suggest(key, known);
      if (near === undefined || Object.hasOwn(view.value, near)) continue;
      found(`\`${key}\` is no column of this data set (did you mean \`${near}\`?)`, [key]);
    }
  },
});

export const rareColumn = defineCheck({
  code: 'data/rare-column',
  severity: 'note',
  title: 'a column stands in very few rows',
  help: 'it is not read; check whether it was meant to be another',
  set() {
    const seen = new Map<string, { count: number; first: Pick<RowView, 'place'> }>();
    let rows = 0;
    return {
      row(view) {
        rows++;
        const known = namesOf(view.reading);
        for (const key of Object.keys(view.value)) {
          if (known.includes(key)) continue;
          const entry = seen.get(key);
          if (entry) entry.count++;
          else if (seen.size < 10_000) seen.set(key, { count: 1, first: { place: view.place } });
        }
      },
      end(found) {
        for (const [key, { count, first }] of seen) {
          if (rows < 20 || count > rows / 20) continue;
          found(`\`${key}\` stands in ${count} of ${rows} rows, and is not read`, first);
        }
      },
    };
  },
});

export const emptyRow = defineCheck({
  code: 'data/empty-row',
  severity: 'error',
  title: 'a row is empty',
  help: 'remove the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    if (none(view)) found('the row has no column at all');
    else if (view.gaps.length === 0 && view.turns.length === 0 && isBlank(view)) {
      found('all texts of the row are empty');
    }
  },
});

export const isBlank = ({ passages }: RowView): boolean =>
  passages.length > 0 && passages.every(({ text }) => text.trim() === '');
