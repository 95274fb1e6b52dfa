/** @file Tries to take a folder's lock when told to, says how it went, and dies as told. */
import { takeLock } from '../../src/runs/lock.ts';

process.on('message', (folder: string) => {
  try {
    const lock = takeLock(folder, 0);
    process.send?.({ won: true, id: lock.id });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error);
    process.send?.({ won: false, code });
  }
});
process.send?.('ready');
