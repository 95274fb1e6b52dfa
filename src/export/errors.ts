/** @file Errors of export. */
import { defineError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

export const exportFolderInUse = defineError(
  'export/folder-in-use',
  (folder: string, what: string) => ({
    message: `\`export_dir\` is \`${folder}\`, which already holds ${what}`,
    place: { file: folder },
    help: 'choose another `export_dir`, or move that folder away; only an earlier export, with nothing added to it, is replaced',
  }),
);

export const exportNoSpace = defineError(
  'export/disk-full',
  (folder: string, needed: number, free: number | undefined) => ({
    message: `no space left to export to \`${folder}\`: ${formatBytes(needed)} needed${free === undefined ? '' : `, ${formatBytes(free)} free`}`,
    place: { file: folder },
    help: 'free space, set `export_dir` to another disk, or set `infer_dtype: bfloat16` for half the size; nothing was written',
  }),
);

export const notFinite = defineError('export/not-finite', (weight: string, dtype: string) => ({
  message: `the merged weight \`${weight}\` has numbers that ${dtype} cannot hold`,
  help: 'set `infer_dtype: bfloat16` or `float32`; if that does not help, the adapter or the model is damaged',
}));
