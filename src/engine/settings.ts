/** @file Settings of where and on how many cores a job computes. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';

export const engineSection = section('engine', 'Engine', {
  engine: field(z.enum(['auto', 'native']).default('auto'), {
    help: 'What computes: `native` is TypeScript with Rust kernels on this machine; `auto` takes the best that is there.',
    why: 'The native engine is the only one so far, so `auto` means `native`.',
    later: {
      torch:
        'the PyTorch engine for GPUs and clusters is not there yet; `engine: native` runs the same file on the CPU',
    },
  }),
  threads: field(z.int().min(1).nullable().default(null), {
    help: 'Threads of the kernels; unset is one for each core. No result depends on it.',
    level: 'advanced',
  }),
});
export type EngineSettings = SectionOf<typeof engineSection>;
