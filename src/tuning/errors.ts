/** @file Errors of what is trained. */
import { defineError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';

export const unknownTarget = defineError(
  'tuning/unknown-target',
  (key: string, name: string, known: readonly string[]) => ({
    message: `\`${key}\` names \`${name}\`, and the model has no such module${didYouMean(name, known)}`,
    help: `it has ${known.map((n) => `\`${n}\``).join(', ')}`,
  }),
);

export const adapterMismatch = defineError(
  'tuning/adapter-mismatch',
  (folder: string, message: string, help: string) => ({ message, place: { file: folder }, help }),
);
