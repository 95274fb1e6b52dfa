/** @file Errors of settings: each names the key, the place, what was expected, and the way out. */
import { defineError, formatError, type Place, TuneryError } from '../core/errors.ts';

const keyList = (keys: readonly string[]): string => keys.map((key) => `\`${key}\``).join(', ');

export const fileMissing = defineError('config/file-missing', (path: string, near?: string) => ({
  message: `there is no file \`${path}\``,
  help: near === undefined ? 'give the path of a YAML or JSON file' : `did you mean \`${near}\`?`,
}));

export const unreadable = defineError('config/unreadable', (path: string, why: string) => ({
  message: `\`${path}\` cannot be read: ${why}`,
  help: 'give the path of a YAML or JSON file that you may read',
}));

export const syntax = defineError('config/syntax', (place: Place, why: string) => ({
  message: why,
  place,
  help: 'a settings file is a list of lines `key: value`',
}));

export const duplicateKey = defineError(
  'config/duplicate-key',
  (place: Place, key: string, before: string) => ({
    message: `\`${key}\` is set twice; the first is ${before}`,
    place,
    help: 'keep one of the two',
  }),
);

export const sameSetting = defineError(
  'config/same-setting',
  (place: Place, alias: string, key: string) => ({
    message: `\`${alias}\` is another name of \`${key}\`, and both are set`,
    place,
    help: `keep \`${key}\` only`,
  }),
);

export const unknownKey = defineError(
  'config/unknown-key',
  (place: Place, key: string, near: string | undefined) => ({
    message: `there is no setting \`${key}\``,
    place,
    help:
      near === undefined
        ? 'docs/reference/settings.md lists every setting; keys that begin with `x-` are free for anchors'
        : `did you mean \`${near}\`?`,
  }),
);

export const wrongType = defineError(
  'config/wrong-type',
  (place: Place, key: string, expected: string, found: string) => ({
    message: `\`${key}\` wants ${expected}, and this is ${found}`,
    place,
    help: `\`tunery config explain ${key}\` tells more`,
  }),
);

export const notSupportedYet = defineError(
  'config/not-supported-yet',
  (place: Place, what: readonly string[], instead: string) => ({
    message: `${keyList(what)} ${what.length === 1 ? 'is' : 'are'} not supported yet`,
    place,
    help: instead,
  }),
);

export const engineLater = defineError(
  'config/engine-planned',
  (place: Place, what: readonly string[], engine: 'torch', instead: string) => ({
    message: `${keyList(what)} will come with \`engine: ${engine}\``,
    place,
    help: instead,
  }),
);

export const conflict = defineError(
  'config/conflict',
  (place: Place | undefined, keys: readonly string[], message: string, help: string) => ({
    message: `${keyList(keys)}: ${message}`,
    place,
    help,
  }),
);

export const missing = defineError(
  'config/missing',
  (key: string, what: string, command: string, file: string | undefined) => ({
    message: `\`tunery ${command}\` needs \`${key}\``,
    place: file === undefined ? undefined : { file },
    help: what,
  }),
);

export const badArgument = defineError('config/argument', (text: string, help: string) => ({
  message: `cannot read the argument \`${text}\``,
  help,
}));

/** Several problems at once, each with its own paragraph: all are told, so that one edit mends them. */
export class ConfigProblems extends TuneryError {
  readonly problems: readonly TuneryError[];

  constructor(problems: readonly TuneryError[]) {
    super('config/several', {
      message: `${problems.length} settings need a change\n\n${problems.map(formatError).join('\n\n')}`,
    });
    this.problems = problems;
  }
}
