/**
 * @file What tokens write, as a person can see it: characters that several tokens share are joined, and what
 * shows nothing (line ends, spaces, control characters) gets a sign.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export type TokenText = {
  /** What it writes; bytes that are no character by themselves are `\xe6`. */
  readonly text: string;
  /** Where a character is spread over tokens: what those write together, and the place among them. */
  readonly joined?: { readonly text: string; readonly at: number; readonly of: number };
};

/** Tokens that one character, or a run of such characters, may be spread over. */
const longestJoin = 16;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const hex = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

/** Characters where the bytes are whole ones, `\xe6` where they are not. */
const spelled = (bytes: Uint8Array): string =>
  decode(bytes) ??
  Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : hex(byte))).join('');

/** One for each id. An id that means nothing writes nothing. */
export function textsOf(ids: ArrayLike<number>, tokenizer: Tokenizer): TokenText[] {
  const pieces = Array.from(ids, (id) => tokenizer.bytesOf(id) ?? new Uint8Array(0));
  const texts: TokenText[] = [];
  for (let from = 0; from < pieces.length; ) {
    const whole = decode(pieces[from]);
    const joined = whole === undefined ? joinFrom(pieces, from) : undefined;
    if (joined === undefined) {
      texts.push({ text: whole ?? spelled(pieces[from]) });
      from++;
      continue;
    }
    for (let at = 0; at < joined.of; at++) {
      texts.push({ text: spelled(pieces[from + at]), joined: { ...joined, at } });
    }
    from += joined.of;
  }
  return texts;
}

/** The fewest tokens from here on that write whole characters together. */
function joinFrom(
  pieces: readonly Uint8Array[],
  from: number,
): { text: string; of: number } | undefined {
  for (let of = 2; of <= longestJoin && from + of <= pieces.length; of++) {
    const text = decode(Buffer.concat(pieces.slice(from, from + of)));
    if (text !== undefined) return { text, of };
  }
  return undefined;
}

/** Signs for what would show nothing, or would change what stands around it (as an escape of the terminal does). */
export const signs = { '\n': '↵', '\r': '␍', '\t': '␉', space: '·', '\u00a0': '⍽' } as const;

const code = (char: string): string =>
  `⟨U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`;

const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}]/gu;

/** A single space at the front is how words begin: it stays. Every other space is a dot. */
export function visible(text: string): string {
  const begins = text.length > 1 && text[0] === ' ' && text[1] !== ' ';
  const rest = (begins ? text.slice(1) : text).replace(invisible, (char) => {
    if (char === ' ') return signs.space;
    if (char === '\n' || char === '\r' || char === '\t' || char === '\u00a0') return signs[char];
    const point = char.charCodeAt(0);
    if (point < 0x20) return String.fromCharCode(0x2400 + point);
    return point === 0x7f ? '␡' : code(char);
  });
  return begins ? ` ${rest}` : rest;
}

export type Cell<T> = {
  /** Several where they share characters. */
  readonly tokens: readonly T[];
  /** As `visible` gives it. */
  readonly text: string;
};

/**
 * What is shown as one: a token, or the tokens of one character where they are of one kind. Of different
 * kinds (cut off in the middle of a character), each shows its bytes.
 */
export function cellsOf<T extends TokenText>(
  tokens: readonly T[],
  kind: (token: T) => string,
): Cell<T>[] {
  const cells: Cell<T>[] = [];
  for (let from = 0; from < tokens.length; ) {
    const token = tokens[from];
    const { joined } = token;
    const group = joined ? tokens.slice(from, from + joined.of - joined.at) : [];
    const together =
      joined?.at === 0 &&
      group.length === joined.of &&
      group.every((each) => kind(each) === kind(token));
    if (together) cells.push({ tokens: group, text: visible(joined.text) });
    else cells.push({ tokens: [token], text: visible(token.text) });
    from += together ? joined.of : 1;
  }
  return cells;
}
