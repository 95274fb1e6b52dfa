/** @file A file system of a few kilobytes, which is soon full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export const refused = 'mounting a tmpfs is refused here';

/** Undefined where this process may not mount one. */
export function smallDisk(mount: string, kilobytes: number): { unmount: () => void } | undefined {
  mkdirSync(mount);
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', mount];
    execFileSync('mount', options, { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { unmount: () => void execFileSync('umount', ['-l', mount]) };
}
