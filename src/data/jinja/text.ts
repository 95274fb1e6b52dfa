/** @file Text as Python's `str` has it: white space, code points, and how a text is written as a literal. */

/** What `str.isspace` and `str.strip` know: not the byte order mark, which JavaScript's trim takes too. */
const spaces: ReadonlySet<string> = new Set(
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
);
export const isSpace = (character: string): boolean => spaces.has(character);

/** Where `str.splitlines` breaks. */
export const lineBreak = new RegExp(
  `\r\n|[${['\n', '\r', '\v', '\f', '\x1c', '\x1d', '\x1e', '\x85', '\u2028', '\u2029'].join('')}]`,
  'g',
);

export function strip(text: string, left: boolean, right: boolean, characters?: string): string {
  const taken = (unit: string): boolean =>
    characters === undefined ? isSpace(unit) : characters.includes(unit);
  let from = 0;
  let to = text.length;
  if (characters !== undefined && hasPairs(characters + text)) {
    const set = new Set(characters);
    const points = [...text];
    let end = points.length;
    if (left) while (from < end && set.has(points[from])) from++;
    if (right) while (end > from && set.has(points[end - 1])) end--;
    return points.slice(from, end).join('');
  }
  if (left) while (from < to && taken(text[from])) from++;
  if (right) while (to > from && taken(text[to - 1])) to--;
  return text.slice(from, to);
}

const pairs = /[\ud800-\udfff]/;
export const hasPairs = (text: string): boolean => pairs.test(text);

/** Code points, where they are not UTF-16 units already. */
export const characters = (text: string): string | readonly string[] =>
  hasPairs(text) ? Array.from(text) : text;

export const lengthOf = (text: string): number => characters(text).length;

export function sliceOf(text: string, from: number, to: number): string {
  const all = characters(text);
  return typeof all === 'string' ? all.slice(from, to) : all.slice(from, to).join('');
}

/** By code point, which differs from UTF-16 units beyond the basic plane. */
export function compareText(a: string, b: string): number {
  if (!hasPairs(a) && !hasPairs(b)) return a < b ? -1 : a > b ? 1 : 0;
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i].codePointAt(0)! - right[i].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `repr` of a text. */
export function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\'"]|[\p{C}\p{Z}]/gu, (character) => {
    if (character === ' ') return character;
    if (character === '\\' || character === mark) return `\\${character}`;
    if (character === "'" || character === '"') return character;
    if (Object.hasOwn(named, character)) return named[character];
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return mark + body + mark;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character]);
