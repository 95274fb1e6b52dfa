/** @file Settings of export: where the merged model goes, and in what shape. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';

export const exportSection = section('export', 'Export', {
  export_dir: field(z.string().nullable().default(null), {
    help: 'Folder for the exported model.',
    requiredBy: ['export'],
  }),
  export_size: field(z.number().positive().default(5), {
    help: 'Largest file of weights; bigger models are cut into several.',
    unit: 'GB',
  }),
  export_device: field(z.enum(['cpu', 'auto']).default('cpu'), {
    help: 'Where merging is computed; the native engine knows the CPU only.',
    accepted: { auto: 'merging is computed on the CPU' },
    level: 'advanced',
  }),
  export_legacy_format: field(z.boolean().default(false), {
    help: 'Taken for compatibility: weights are always written as SafeTensors.',
    aliases: ['export_lecacy_format'],
    accepted: {
      true: 'SafeTensors are written, as Hugging Face 5 does; pickled `.bin` files never are',
    },
    level: 'advanced',
  }),
});
export type ExportSettings = SectionOf<typeof exportSection>;
