/** @file Plain text rows, for `stage: pt`: one column of text, no roles. */
import { didYouMean } from '../../core/suggest.ts';
import { missingColumn } from '../errors.ts';
import { textOf } from '../example.ts';
import { defineFormat } from './format.ts';

export const text = defineFormat({
  name: 'text',
  title: 'Plain text to continue',
  columns: { prompt: 'text' },
  example: { text: 'Tuna are fast swimmers of the open sea.' },

  detect(row) {
    return typeof row.text === 'string' ? { prompt: 'text' } : undefined;
  },

  read(row, { columns }, place) {
    const column = columns.prompt ?? 'text';
    if (!Object.hasOwn(row, column)) {
      throw missingColumn(place, column, Object.keys(row), didYouMean(column, Object.keys(row)));
    }
    const content = textOf(row, column, place);
    return { messages: [{ role: 'user', content }], system: '', tools: '', media: {}, place };
  },
});
