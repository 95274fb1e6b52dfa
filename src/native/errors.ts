/** @file Errors of the machine's edge. */
import { defineError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

export const addonMissing = defineError('native/addon-missing', (tried: string, why: string) => ({
  message: `the native kernels are not built (${why})`,
  place: { file: tried },
  help: 'run `./tunery --setup` in the clone; it needs cargo 1.89 or later (https://rustup.rs) and a C linker (`cc`)',
}));

export const fileNotMapped = defineError('native/file-not-mapped', (path: string, why: string) => ({
  message: `the file cannot be read: ${why}`,
  place: { file: path },
  help: 'check that the path is right and that you may read the file',
}));

export const outOfMemory = defineError('native/out-of-memory', (bytes: number, why: string) => ({
  message: `the system gave no ${formatBytes(bytes)} of memory (${why})`,
  help: 'use a smaller `micro_batch_tokens` or `cutoff_len`, a smaller model, or close other programs',
}));
