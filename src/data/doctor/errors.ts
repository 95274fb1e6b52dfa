/** @file Errors of the data doctor: what it cannot do, as against what it finds. */
import { defineError } from '../../core/errors.ts';

export const badFixEnding = defineError('data/fix-ending', (out: string, isText: boolean) => ({
  message: `\`${out}\` has no ending that a cleaned copy can be written to`,
  place: { file: '--fix' },
  help: `name it .jsonl or .json${isText ? ', or .txt for texts' : ''}`,
}));

export const fixOne = defineError('data/fix-one', (count: number) => ({
  message: `\`--fix\` cleans one file, and there are ${count}`,
  place: { file: '--fix' },
  help: 'clean them one by one: `tunery data check FILE --fix OUT`',
}));

export const fixExists = defineError('data/fix-exists', (path: string) => ({
  message: `\`${path}\` is already there, and nothing is written over`,
  place: { file: path },
  help: 'choose another name for the cleaned copy, or move that file away',
}));
