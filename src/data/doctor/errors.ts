/** @file Errors of the data doctor: what it cannot do, as against what it finds. */
import { defineError, type Place } from '../../core/errors.ts';

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

export const cannotHold = defineError('data/cannot-hold', (place: Place, what: string) => ({
  message: `the target format has no place for ${what}`,
  place,
  help: 'choose another `--to`, leave such rows out with `--on-loss drop`, or keep it in the turn’s text with `--on-loss keep-json`',
}));

export const outExists = defineError('data/out-exists', (path: string) => ({
  message: `\`${path}\` is already there, and nothing is written over`,
  place: { file: path },
  help: 'choose another name, or move that file away',
}));

export const badOutEnding = defineError('data/out-ending', (path: string) => ({
  message: `\`${path}\` has no ending that rows can be written to`,
  place: { file: path },
  help: 'name it .jsonl or .json',
}));
