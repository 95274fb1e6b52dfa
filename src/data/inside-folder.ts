/**
 * @file Files that dataset_info.json names lie in its folder: a folder from elsewhere must not choose what else of this
 * machine is read, be it by `..` or by a symbolic link.
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { Place } from '../core/errors.ts';
import { outsideFolder } from './errors.ts';

/** Throws where `path`, or a file of the folder that it is, leads out of `folder`. Both exist. */
export function checkInside(folder: string, path: string, place: Place): void {
  const root = realpathSync(folder);
  const paths = statSync(path).isDirectory()
    ? readdirSync(path)
        .map((name) => join(path, name))
        .filter((each) => existsSync(each))
    : [path];
  for (const each of paths) {
    const real = realpathSync(each);
    if (isBelow(root, real) || isBlob(root, real)) continue;
    throw outsideFolder(place, each, folder, real);
  }
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** A snapshot in the cache of Hugging Face's hub is links into the `blobs` of the same repository. */
function isBlob(root: string, path: string): boolean {
  const snapshots = dirname(root);
  const blobs = join(dirname(snapshots), 'blobs');
  return snapshots.endsWith(`${sep}snapshots`) && isBelow(blobs, path);
}
