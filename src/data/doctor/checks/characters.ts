/** @file Characters that nobody meant: controls, invisible ones, and text that was decoded wrongly. */
import { defineCheck, type Found } from '../check.ts';
import type { Passage } from '../view.ts';

const hex = (text: string): string =>
  `U+${(text.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Says the first match of a passage, and how many there are. */
function first(
  pattern: RegExp,
  { text, path }: Passage,
  found: Found,
  say: (match: string) => string,
): void {
  const at = text.search(pattern);
  if (at < 0) return;
  const all = text.match(new RegExp(pattern, `${pattern.flags}g`)) ?? [];
  const more = all.length > 1 ? `, and ${all.length - 1} more like it` : '';
  found(`${say(all[0] ?? '')}${more}`, path, at);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

export const controlCharacter = defineCheck({
  code: 'data/control-character',
  severity: 'warning',
  title: 'a control character stands in a text',
  help: 'remove it; it is learned as it stands',
  fix: { how: 'mend', what: 'removes it' },
  beyondAscii: true,
  passage(passage, found) {
    first(
      control,
      passage,
      found,
      (match) => `the control character ${hex(match)} stands in the text`,
    );
  },
  mend: (text) => text.replace(new RegExp(control, 'g'), ''),
});

/** Zero-width joiners are a part of emoji and of Persian and Indian words: only those among Latin letters are odd. */
const invisible =
  /[\u00ad\u200b\u2028\u2029\u2060\ufeff\u202a-\u202e\u2066-\u2069]|(?<=[A-Za-z])(?:\u200c|\u200d|\u200e|\u200f)(?=[A-Za-z])/;

export const invisibleCharacter = defineCheck({
  code: 'data/invisible-character',
  severity: 'warning',
  title: 'an invisible character stands in a text',
  help: 'remove it; it splits words into other tokens, or turns the direction of the text',
  fix: { how: 'mend', what: 'removes it, and breaks the line at a line separator' },
  beyondAscii: true,
  passage(passage, found) {
    first(
      invisible,
      passage,
      found,
      (match) => `the invisible character ${hex(match)} stands in the text`,
    );
  },
  mend: (text) => text.replace(/[\u2028\u2029]/g, '\n').replace(new RegExp(invisible, 'g'), ''),
});

/** What Windows-1252 has between 0x80 and 0x9f. */
const windows: Readonly<Record<string, number>> = Object.fromEntries(
  [...'€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'].map((character, i) => [
    character,
    0x80 + i,
  ]),
);
const continuation = '[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]';
/** UTF-8 of two to four bytes, each read as a character of Windows-1252 or Latin-1. */
const twice = new RegExp(
  `[\u00c2-\u00df]${continuation}|[\u00e0-\u00ef]${continuation}{2}|[\u00f0-\u00f4]${continuation}{3}`,
);
const twiceAll = new RegExp(twice, 'g');
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The character that was meant; undefined where the bytes are none. */
function repaired(match: string): string | undefined {
  const bytes = Uint8Array.from(
    match,
    (character) => windows[character] ?? character.charCodeAt(0),
  );
  try {
    const text = strict.decode(bytes);
    return /[\u0080-\u009f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

export const mojibake = defineCheck({
  code: 'data/mojibake',
  severity: 'warning',
  title: 'a text was decoded with the wrong encoding',
  help: 'read the source as UTF-8 and export it again',
  fix: { how: 'mend', what: 'puts the character that was meant, where its bytes tell it' },
  beyondAscii: true,
  passage({ text, path }, found) {
    if (!twice.test(text)) return;
    for (const { 0: match, index } of text.matchAll(twiceAll)) {
      const meant = repaired(match);
      if (meant === undefined) continue;
      found(
        `\`${match}\` is \`${meant === '\ufeff' ? 'a byte order mark' : meant}\` in the wrong encoding`,
        path,
        index,
      );
      return;
    }
  },
  mend: (text) =>
    twice.test(text)
      ? text.replace(twiceAll, (match) => (repaired(match) ?? match).replace('\ufeff', ''))
      : text,
});

export const replacementCharacter = defineCheck({
  code: 'data/replacement-character',
  severity: 'warning',
  title: 'a character was lost in an earlier conversion',
  help: 'U+FFFD stands for bytes that could not be read: take the text from its source again, or remove the row',
  beyondAscii: true,
  passage(passage, found) {
    first(/\ufffd/, passage, found, () => 'the replacement character U+FFFD stands in the text');
  },
});

export const privateCharacter = defineCheck({
  code: 'data/private-character',
  severity: 'warning',
  title: 'a character without a meaning of its own stands in a text',
  help: 'replace it: private-use characters are symbols of one font, often bullets from a PDF',
  beyondAscii: true,
  passage(passage, found) {
    first(
      /[\ue000-\uf8ff]/,
      passage,
      found,
      (match) => `the private-use character ${hex(match)} stands in the text`,
    );
  },
});

export const loneSurrogate = defineCheck({
  code: 'data/lone-surrogate',
  severity: 'error',
  title: 'half a character stands in a text',
  help: 'remove the escape; a text was cut in the middle of a character',
  fix: { how: 'mend', what: 'removes it' },
  beyondAscii: true,
  passage({ text, path }, found) {
    if (text.isWellFormed()) return;
    const at = text.search(lone);
    const code = text.charCodeAt(at).toString(16);
    found(`\`\\u${code}\` is half of a pair, and no character by itself`, path, at);
  },
  mend: (text) => (text.isWellFormed() ? text : text.replace(new RegExp(lone, 'g'), '')),
});

const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Printable ASCII, no space: what most texts end with. */
const isInk = (code: number): boolean => code > 32 && code < 127;

export const trailingSpace = defineCheck({
  code: 'data/trailing-space',
  severity: 'note',
  title: 'a reply ends with white space',
  help: 'trim it; the model learns to write it before it stops',
  fix: { how: 'mend', what: 'trims the reply' },
  passage({ text, path, part }, found) {
    if (part !== 'reply' || isInk(text.charCodeAt(text.length - 1))) return;
    if (!/\S\s+$/.test(text.slice(-40))) return;
    found('the reply ends with white space', path, text.trimEnd().length);
  },
  mend: (text, { part }) => (part === 'reply' ? text.trimEnd() : text),
});

export const leadingSpace = defineCheck({
  code: 'data/leading-space',
  severity: 'note',
  title: 'a reply begins with white space',
  help: 'trim it, unless it is the indent of code',
  passage({ text, path, part }, found) {
    if (part === 'reply' && text.charCodeAt(0) <= 32 && /^\s+\S/.test(text))
      found('the reply begins with white space', path, 0);
  },
});
