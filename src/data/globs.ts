/** @file Glob patterns as `datasets` has them (fsspec's): which paths of a repository they match. */

/** One place of a part between slashes: any text, or one character. */
type Piece = '*' | ((char: string) => boolean);

function piecesOf(part: string): Piece[] {
  return [...part.matchAll(/\*+|\?|\[!?\]?[^\]]*\]|[\s\S]/g)].map(([piece]) => {
    if (piece.startsWith('*')) return '*';
    if (piece === '?') return () => true;
    if (piece.length > 2 && piece.startsWith('[')) return oneOf(piece.slice(1, -1));
    return (char) => char === piece;
  });
}

/** `abc`, `0-9`, `!x`: a hyphen between two characters is a range. */
function oneOf(inside: string): (char: string) => boolean {
  const not = inside.length > 1 && inside.startsWith('!');
  const ranges = [...inside.slice(not ? 1 : 0).matchAll(/([\s\S])-([\s\S])|[\s\S]/g)].map(
    ([one, from = one, to = one]) => [from, to] as const,
  );
  return (char) => ranges.some(([from, to]) => from <= char && char <= to) !== not;
}

/**
 * Whether a list of pieces, of which some stand for any number of items, matches all items. Only the last such piece
 * is ever widened, so no pattern takes long: it comes from a repository that nobody vouches for.
 */
function matches<P, Item>(
  pieces: readonly P[],
  items: readonly Item[],
  isAny: (piece: P) => boolean,
  fits: (piece: P, item: Item) => boolean,
): boolean {
  let [piece, widened, begin] = [0, -1, 0];
  for (let at = 0; at < items.length; ) {
    if (piece < pieces.length && isAny(pieces[piece]!)) {
      widened = piece++;
      begin = at;
    } else if (piece < pieces.length && fits(pieces[piece]!, items[at]!)) {
      piece++;
      at++;
    } else if (widened >= 0) {
      piece = widened + 1;
      at = ++begin;
    } else return false;
  }
  return pieces.slice(piece).every(isAny);
}

function matchPart(part: string): (text: string) => boolean {
  const pieces = piecesOf(part);
  return (text) =>
    matches(
      pieces,
      [...text],
      (piece) => piece === '*',
      (piece, char) => piece !== '*' && piece(char),
    );
}

/** `**` as a whole part stands for any number of folders, none too; at the end, for at least one name. */
function matcher(glob: string): (path: string) => boolean {
  const parts = glob.replace(/^\.\//, '').split('/');
  if (parts.at(-1) === '**') parts.push('*');
  const pieces = parts.map((part) => (part === '**' ? part : matchPart(part)));
  return (path) =>
    matches(
      pieces,
      path.split('/'),
      (piece) => piece === '**',
      (piece, name) => typeof piece !== 'string' && piece(name),
    );
}

/** Text that every match holds: most paths are told by it alone. */
const longestLiteral = (glob: string): string =>
  glob
    .split(/\*+|\?|\[!?\]?[^\]]*\]|\//)
    .reduce((best, text) => (text.length > best.length ? text : best), '');

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
  const isMatch = matcher(glob);
  const literal = longestLiteral(glob);
  const [hidden, special] = [hiddenParts(glob), specialFolders(glob)];
  return paths.filter(
    (path) =>
      path.includes(literal) &&
      isMatch(path) &&
      (!notData.has(nameOf(path)) || nameOf(path) === nameOf(glob)) &&
      hiddenParts(path) === hidden &&
      specialFolders(path) === special,
  );
}
