/** @file What is wrong with a file or a row before it can be read at all. The reader of raw rows finds these. */
import type { Kind } from '../check.ts';

export const invalidJson: Kind = {
  code: 'files/json',
  severity: 'error',
  title: 'a row is no valid JSON',
  help: 'mend the row there; often a quote, comma or bracket just before is missing or one too many',
  fix: { how: 'drop', what: 'leaves the row out' },
};

export const notUtf8: Kind = {
  code: 'files/not-utf8',
  severity: 'error',
  title: 'the text is not UTF-8',
  help: 'save the file as UTF-8',
  fix: { how: 'drop', what: 'leaves the row out' },
};

export const byteOrderMark: Kind = {
  code: 'files/byte-order-mark',
  severity: 'warning',
  title: 'the file begins with a byte order mark',
  help: 'save it as UTF-8 without one; many programs take it for a part of the first key',
  fix: { how: 'mend', what: 'writes the file without it' },
};

export const lineEnds: Kind = {
  code: 'files/line-ends',
  severity: 'warning',
  title: 'lines end in two ways',
  help: 'the file was joined from two systems; write it with one kind of line end',
  fix: { how: 'mend', what: 'ends every line with a line feed' },
};

export const blankLine: Kind = {
  code: 'files/blank-line',
  severity: 'note',
  title: 'a line between rows is blank',
  help: 'nothing need be done; it is passed over',
  fix: { how: 'mend', what: 'leaves the line out' },
};

export const notANumber: Kind = {
  code: 'files/not-a-number',
  severity: 'error',
  title: 'NaN or Infinity stands where JSON has no such number',
  help: 'write null, or leave the key out; Python writes these, and other readers refuse the file',
  fix: { how: 'mend', what: 'writes null' },
};

export const rowNotObject: Kind = {
  code: 'files/row-not-object',
  severity: 'error',
  title: 'a row is no object',
  help: 'a .json file holds an array of objects, a .jsonl file one object a line',
  fix: { how: 'drop', what: 'leaves the row out' },
};

export const rowTooLarge: Kind = {
  code: 'files/row-too-large',
  severity: 'error',
  title: 'a row is too large to be one',
  help: 'a closing quote or bracket, or a line end, is missing before or in it',
  fix: { how: 'drop', what: 'leaves the row out' },
};

export const emptyFile: Kind = {
  code: 'data/empty',
  severity: 'error',
  title: 'there is no row',
  help: 'check the path, and that the file is not cut off',
};

export const unknownFormat: Kind = {
  code: 'data/unknown-format',
  severity: 'error',
  title: 'the format of the rows is not known',
  help: 'name the columns in dataset_info.json; known by themselves are instruction/input/output, conversations, messages and text',
};
