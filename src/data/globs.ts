/** @file Glob patterns as `datasets` has them (fsspec's): which paths of a repository they match. */

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|\\/]/g, '\\$&');

/** One part between slashes: `*`, `?`, `[…]`. */
function partSource(part: string): string {
  return part
    .split(/(\*|\?|\[!?\]?[^\]]*\])/)
    .map((piece) => {
      if (piece === '*') return '[^/]*';
      if (piece === '?') return '[^/]';
      if (!/^\[.+\]$/.test(piece)) return escaped(piece).replaceAll('[', '\\[');
      const inside = piece.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\');
      // A range is one between letters or digits only; elsewhere the hyphen is itself.
      return `[${inside.replaceAll(/(?<![a-z0-9])-|-(?![a-z0-9])/gi, '\\-')}]`;
    })
    .join('');
}

/** `**` as a whole part stands for any number of folders, none too. */
function globSource(glob: string): string {
  const parts = glob.replace(/^\.\//, '').split('/');
  const last = parts.length - 1;
  return parts
    .map((part, i) => {
      if (part === '**') return i === last ? '.+' : '(?:[^/]+/)*';
      return partSource(part) + (i === last ? '' : '/');
    })
    .join('');
}

const hiddenParts = (path: string): number =>
  path.split('/').filter((part) => /^\.+[^.]/.test(part)).length;
const specialFolders = (path: string): number =>
  path
    .split('/')
    .slice(0, -1)
    .filter((part) => part.startsWith('__')).length;

/** Files that describe a repository rather than being its data. */
const notData: ReadonlySet<string> = new Set([
  'README.md',
  'config.json',
  'dataset_info.json',
  'dataset_infos.json',
  'dummy_data.zip',
  'dataset_dict.json',
]);

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Paths that the pattern matches, in their order. Hidden ones, and those that only describe, must be asked for by name. */
export function matchGlob(glob: string, paths: readonly string[]): string[] {
  const pattern = new RegExp(`^${globSource(glob)}$`, 's');
  return paths.filter(
    (path) =>
      pattern.test(path) &&
      (!notData.has(nameOf(path)) || nameOf(path) === nameOf(glob)) &&
      hiddenParts(path) === hiddenParts(glob) &&
      specialFolders(path) === specialFolders(glob),
  );
}
