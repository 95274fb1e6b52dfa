/** @file Added tokens (chat markers and the like): found in the text before anything else, the longest at each place. */
import { rustWordClass } from './unicode.ts';

export type AddedToken = {
  readonly id: number;
  readonly content: string;
  /** Only where no letter, digit or `_` touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before it along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is looked for in the normalized text. */
  readonly normalized: boolean;
  /** A control token: left out of text that is shown, and found only where special tokens are looked for. */
  readonly special: boolean;
};

/** A place in the text: an added token, or the text between two. */
export type Span = {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken | undefined;
};

type Node = { readonly next: Map<number, Node>; token?: AddedToken };

export type Matcher = (text: string, withSpecial: boolean) => readonly Span[];

const endsInWord = new RegExp(`${rustWordClass}$`, 'v');
const startsWithWord = new RegExp(`^${rustWordClass}`, 'v');
const whitespace = /^\p{White_Space}$/u;

/** `patterns` are looked for leftmost-longest; what is found may not be used (single words) and is then plain text. */
export function createMatcher(
  patterns: readonly (readonly [pattern: string, token: AddedToken])[],
): Matcher {
  const root: Node = { next: new Map() };
  const begins = new Uint8Array(0x10000);
  for (const [pattern, token] of patterns) {
    if (pattern === '') continue;
    begins[pattern.charCodeAt(0)] = 1;
    let node = root;
    for (let i = 0; i < pattern.length; i++) {
      const code = pattern.charCodeAt(i);
      const following = node.next.get(code) ?? { next: new Map() };
      node.next.set(code, following);
      node = following;
    }
    // Two tokens whose normalized texts are one: the first wins, as in the library.
    node.token ??= token;
  }

  const longestAt = (text: string, at: number): readonly [AddedToken, number] | undefined => {
    let found: readonly [AddedToken, number] | undefined;
    let node: Node | undefined = root;
    for (let i = at; i < text.length; i++) {
      node = node.next.get(text.charCodeAt(i));
      if (node === undefined) break;
      if (node.token) found = [node.token, i + 1];
    }
    return found;
  };

  const firsts = [...root.next.keys()];
  const only = firsts.length === 1 ? String.fromCharCode(firsts[0]) : undefined;
  /** Where a token may begin, at `from` or after it; the text's end where none does. */
  const next = (text: string, from: number): number => {
    if (only !== undefined) {
      // As most tokenizers have it, `<`: the engine leaps to it.
      const at = text.indexOf(only, from);
      return at < 0 ? text.length : at;
    }
    let at = from;
    while (at < text.length && begins[text.charCodeAt(at)] === 0) at++;
    return at;
  };

  return (text, withSpecial) => {
    if (root.next.size === 0) return [{ start: 0, end: text.length, token: undefined }];
    const spans: Span[] = [];
    let last = 0;
    for (let i = next(text, 0); i < text.length; i = next(text, i + 1)) {
      const found = longestAt(text, i);
      if (found === undefined) continue;
      const [token, matchEnd] = found;
      const matchStart = i;
      i = matchEnd - 1;
      if (token.special && !withSpecial) continue;
      if (
        token.singleWord &&
        (endsInWord.test(text.slice(Math.max(0, matchStart - 2), matchStart)) ||
          startsWithWord.test(text.slice(matchEnd, matchEnd + 2)))
      ) {
        continue;
      }
      let [start, end] = [matchStart, matchEnd];
      while (token.lstrip && start > last && whitespace.test(text[start - 1])) start--;
      while (token.rstrip && end < text.length && whitespace.test(text[end])) end++;
      if (start > last) spans.push({ start: last, end: start, token: undefined });
      spans.push({ start, end, token });
      last = end;
    }
    if (last < text.length) spans.push({ start: last, end: text.length, token: undefined });
    return spans;
  };
}

/**
 * With these tokens of the vocabulary as special ones: what a model ends or begins with is no plain text, even where
 * the file does not list it. The same array where nothing is to be done; a token without an id is left to the caller.
 */
export function withSpecialTokens(
  added: readonly AddedToken[],
  contents: readonly string[],
  idOf: (token: string) => number | undefined,
): readonly AddedToken[] {
  let result = added;
  for (const content of contents) {
    const id = idOf(content);
    const known = result.find((token) => token.content === content);
    if (id === undefined || known?.special) continue;
    const token: AddedToken = known
      ? { ...known, special: true }
      : { ...plainToken(id, content), special: true };
    result = [...result.filter((other) => other !== known), token].sort((a, b) => a.id - b.id);
  }
  return result;
}

/** An added token without any of the flags. */
export function plainToken(id: number, content: string): AddedToken {
  return {
    id,
    content,
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
  };
}
