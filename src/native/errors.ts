/** @file Errors of the machine's edge. */
import { defineError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

export const addonMissing = defineError(
  'native/addon-missing',
  (tried: string, why: string, inClone: boolean) => ({
    message: `the native kernels cannot be loaded (${why})`,
    place: { file: tried },
    help: inClone
      ? 'run `./tunery --setup` in the clone; it needs cargo 1.89 or later (https://rustup.rs) and a C linker (`cc`)'
      : 'build them in a clone of the same version with `./tunery --setup`, and copy its crates/kernels/target/release library to this path',
  }),
);

export const unknownIsa = defineError(
  'native/unknown-isa',
  (isa: string, known: readonly string[]) => ({
    message: `TUNERY_ISA is ${isa}, which is no instruction set of the kernels`,
    help: `take it away, or name one of ${known.join(', ')}`,
  }),
);

export const fileNotMapped = defineError('native/file-not-mapped', (path: string, why: string) => ({
  message: `the file cannot be read: ${why}`,
  place: { file: path },
  help: 'check that the path is right and that you may read the file',
}));

export const outOfMemory = defineError('native/out-of-memory', (bytes: number, why: string) => ({
  message: `the system gave no ${formatBytes(bytes)} of memory (${why})`,
  help: 'use a smaller `micro_batch_tokens` or `cutoff_len`, a smaller model, or close other programs',
}));
