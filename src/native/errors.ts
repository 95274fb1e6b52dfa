/** @file Errors of the machine's edge. */
import { defineError } from '../core/errors.ts';

export const addonMissing = defineError('native/addon-missing', (tried: string, why: string) => ({
  message: `the native kernels are not built (${why})`,
  place: { file: tried },
  help: 'run `./tunery --setup` in the clone; it needs cargo 1.89 or later (https://rustup.rs) and a C linker (`cc`)',
}));
