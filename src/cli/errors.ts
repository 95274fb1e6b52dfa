/** @file Errors of the command line itself. */
import { defineError } from '../core/errors.ts';

export const unknownCommand = defineError(
  'cli/unknown-command',
  (name: string, near: string | undefined) => ({
    message: `there is no command \`${name}\``,
    help: near === undefined ? '`tunery --help` lists them' : `did you mean \`tunery ${near}\`?`,
  }),
);

/** LLaMA-Factory has it, and nothing here does it yet. */
export const laterCommand = defineError('cli/not-there-yet', (name: string, instead: string) => ({
  message: `\`tunery ${name}\` is not there yet`,
  help: instead,
}));

export const unknownOption = defineError(
  'cli/unknown-option',
  (name: string, command: string, near: string | undefined) => ({
    message: `\`tunery ${command}\` has no option \`${name}\``,
    help:
      near === undefined ? `\`tunery ${command} --help\` lists them` : `did you mean \`${near}\`?`,
  }),
);

export const missingValue = defineError('cli/missing-value', (name: string) => ({
  message: `\`${name}\` needs a value`,
  help: `write \`${name} VALUE\` or \`${name}=VALUE\``,
}));

export const badOption = defineError(
  'cli/bad-option',
  (name: string, wants: string, found: string) => ({
    message: `\`${name}\` wants ${wants}, and this is ${found}`,
  }),
);

export const missingArgument = defineError(
  'cli/missing-argument',
  (command: string, name: string, what: string) => ({
    message: `\`tunery ${command}\` needs ${name}: ${what}`,
    help: `\`tunery ${command} --help\` shows how`,
  }),
);

export const extraArgument = defineError('cli/extra-argument', (command: string, text: string) => ({
  message: `\`tunery ${command}\` does not know what to do with \`${text}\``,
  help: 'settings are written `key=value` or `--key value`',
}));

export const nothingToExport = defineError(
  'cli/nothing-to-export',
  (note: string, folder: string) => ({
    message: `there is nothing to export: ${note}`,
    place: { file: folder },
    help: 'train first; or name what to export, in `adapter_name_or_path`; for the base model alone, leave `dataset` and `output_dir` out',
  }),
);

export const oneOf = defineError('cli/one-of', (command: string, one: string, other: string) => ({
  message: `\`tunery ${command}\` takes either \`${one}\` or \`${other}\``,
  help: `give one of the two; \`tunery ${command} --help\` has examples`,
}));

export const badIds = defineError('cli/bad-ids', (text: string, why: string) => ({
  message: `\`${text}\` is no token id: ${why}`,
  help: 'write `--ids 1,2,3`',
}));

export const noSet = defineError('cli/no-set', (id: string) => ({
  message: `no prepared set in the cache is named \`${id}\``,
  help: '`tunery cache list` names them; the first letters of a name do',
}));

export const manySets = defineError('cli/no-set', (id: string, count: number) => ({
  message: `${count} prepared sets begin with \`${id}\``,
  help: 'give more letters of the name',
}));

export const badSize = defineError('cli/bad-size', (text: string) => ({
  message: `\`${text}\` is no size`,
  help: 'write `500MB` or `20GB`',
}));

export const badGpu = defineError(
  'cli/bad-gpu',
  (text: string, near: string | undefined, known: readonly string[]) => ({
    message: `\`--gpu ${text}\` does not say how many GPUs of which size`,
    help: `${near === undefined ? '' : `did you mean \`${near}\`? `}write \`8xH100-80GB\`, \`8x80GB\` or \`24GB\`; by name alone it knows ${known.join(', ')}`,
  }),
);

export const unknownExtra = defineError(
  'cli/unknown-extra',
  (name: string, known: readonly string[]) => ({
    message: `\`--with\` does not know \`${name}\``,
    help: `it knows ${known.map((each) => `\`${each}\``).join(' and ')}; anything else goes into a Python of your own (\`engine_python\`)`,
  }),
);

export const detachedPredictions = defineError('cli/detached-predictions', () => ({
  message:
    '`do_predict` is done by this command once the run has ended, and `--detach` ends it before',
  help: 'take `do_predict` out, and use `tunery predict` with the same file when the run is done',
}));

export const unknownEngine = defineError('cli/unknown-engine', (name: string) => ({
  message: `there is no engine \`${name}\` to install`,
  help: '`tunery engine install torch`; the native engine is there already',
}));
