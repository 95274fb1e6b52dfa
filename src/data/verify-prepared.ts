/** @file Whether a Prepared set still is what its manifest says, byte for byte. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { digestOf } from '../files/digest.ts';
import { openSafetensors } from '../files/safetensors.ts';
import { columnFile, openPrepared } from './prepared.ts';
import { contentColumns, shapeOf } from './stage.ts';

/** Throws where the set cannot be read; false where its columns are not those that were written. */
export function verifyPrepared(folder: string): boolean {
  const { manifest } = openPrepared(folder);
  const { tensors } = openSafetensors(join(folder, columnFile));
  const digests = contentColumns(shapeOf(manifest.stage)).map((name) =>
    createHash('sha256')
      .update(tensors.get(name)?.bytes ?? '')
      .digest('hex'),
  );
  return digestOf(...digests) === manifest.digest;
}
