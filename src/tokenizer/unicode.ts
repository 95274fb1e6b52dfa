/**
 * @file Character classes as Hugging Face's tokenizers see them, whatever Unicode version Node brings.
 *
 * The Rust library splits with Oniguruma (tables of Unicode 16) and normalizes with tables of Unicode 9. What later
 * versions added is taken out by the lists below. `unicode.test.ts` holds every class to the library's own.
 */

/** Code points as a class body for `v` patterns: `88f c5c-c5d` → `\u{88f}\u{c5c}-\u{c5d}`. */
function ranges(list: string): string {
  return list
    .split(/\s+/)
    .map((range) => range.replace(/[0-9a-f]+/g, (hex) => `\\u{${hex}}`))
    .join('');
}

/** Assigned after Unicode 16: neither letter, number, mark, punctuation nor symbol to Oniguruma. */
const afterUnicode16 = ranges(
  '88f c5c cdc 1acf-1add 1ae0-1aeb 20c1 2b96 a7ce-a7cf a7d2 a7d4 a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce ' +
    '10940-10959 10ec5-10ec7 10ed0-10ed8 10efa-10efb 11b60-11b67 11db0-11ddb 11de0-11de9 16ea0-16eb8 ' +
    '16ebb-16ed3 16ff2-16ff6 187f8-187ff 18d09-18d1e 18d80-18df2 1ccfa-1ccfc 1ceba-1ced0 1cee0-1cef0 ' +
    '1e6c0-1e6de 1e6e0-1e6f5 1e6fe-1e6ff 1f6d8 1f777-1f77a 1f8d0-1f8d8 1fa54-1fa57 1fa8a 1fa8e 1fac8 ' +
    '1facd 1faea 1faef 1fbfa 2b73a-2b73f 2cea2-2cead 323b0-33479',
);

/**
 * Assigned after Unicode 9 and touched by normalization today. To the library they are plain characters that neither
 * move, compose nor decompose, so nothing reorders across them either.
 */
const afterUnicode9 = ranges(
  '7fd 897-89f 8ca-8d3 9fe afa-aff b55 c04 c3c cf3 d00 d3b-d3c d81 eba ece 1715 180f 1abf-1add 1ae0-1aeb 1cf7 ' +
    '1df6-1dfa 32ff a7f1-a7f4 a82c a8ff ab69 105c9 105d2 105da 105e4 10781-10785 10787-107b0 107b2-107ba ' +
    '10d24-10d27 10d69-10d6d 10eab-10eac 10efa-10eff 10f46-10f50 10f82-10f85 11070 11073-11074 110c2 ' +
    '11145-11146 111ce-111cf 11241 1133b 11382-11385 1138b 1138e 11390-11391 113b8-113c0 113c2 113c5 ' +
    '113c7-113ca 113cc-113d0 113d2 113e1-113e2 1145e 1182c-1183a 11930-11935 11937-11938 1193b-1193e 11940 ' +
    '11942-11943 119d1-119d7 119da-119e0 119e4 11a01-11a0a 11a33-11a39 11a3b-11a3e 11a47 11a51-11a5b ' +
    '11a8a-11a99 11b60-11b67 11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d8a-11d8e 11d90-11d91 ' +
    '11d93-11d97 11ef3-11ef6 11f00-11f01 11f03 11f34-11f3a 11f3e-11f42 11f5a 13440 13447-13455 1611e-1612f ' +
    '16d63 16d67-16d6a 16f4f 16f7f-16f87 16fe4 16ff0-16ff1 1ccd6-1ccf9 1cf00-1cf2d 1cf30-1cf46 1e030-1e06d ' +
    '1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6 1e6ee-1e6ef 1e6f5 1f16c 1fbf0-1fbf9',
);

const generalCategory =
  /^(?:L[ulmto]?|LC|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfosn]?|Letter|Mark|Number|Punctuation|Symbol|Separator|Other)$/;

/** Oniguruma's `\s`: White_Space. JavaScript's own takes U+FEFF too and leaves U+0085 out. */
export const spaceClass =
  '[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
export const digitClass = `[\\p{Nd}--[${afterUnicode16}]]`;
/** Oniguruma's `\w`, with six superscripts and fractions that it keeps from Latin-1. */
export const wordClass = `[[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe]--[${afterUnicode16}]]`;
/** `\w` of Rust's regex crate, which some pre-tokenizers and `single_word` use. */
export const rustWordClass = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
/** char::is_numeric of Rust. */
export const numericClass = '\\p{N}';

/** The body of `\p{name}` as a class for `v` patterns, or undefined where the name means nothing here. */
export function propertyClass(name: string): string | undefined {
  const posix = posixClass(name.toLowerCase());
  if (posix !== undefined && !generalCategory.test(name)) return posix;
  // U+0295 was a lower-case letter until Unicode 17 made it a letter without case.
  if (name === 'Ll') return `[[\\p{Ll}\\u0295]--[${afterUnicode16}]]`;
  if (name === 'Lo') return `[\\p{Lo}--[\\u0295${afterUnicode16}]]`;
  if (generalCategory.test(name)) return `[\\p{${name}}--[${afterUnicode16}]]`;
  for (const candidate of [name, `Script=${name}`]) {
    try {
      new RegExp(`\\p{${candidate}}`, 'v');
    } catch {
      continue;
    }
    return `[\\p{${candidate}}--[${afterUnicode16}]]`;
  }
  return undefined;
}

/** The class of `[:name:]`. */
export function posixClass(name: string): string | undefined {
  switch (name) {
    case 'alpha':
      return `[\\p{Alphabetic}--[${afterUnicode16}]]`;
    case 'digit':
      return digitClass;
    case 'alnum':
      return `[[\\p{Alphabetic}\\p{Nd}]--[${afterUnicode16}]]`;
    case 'space':
      return spaceClass;
    case 'upper':
      return `[\\p{Uppercase}--[${afterUnicode16}]]`;
    case 'lower':
      return `[\\p{Lowercase}--[${afterUnicode16}]]`;
    case 'word':
      return wordClass;
    case 'cntrl':
      return '\\p{Cc}';
    case 'xdigit':
      return '[0-9a-fA-F]';
    case 'blank':
      return '[\\p{Zs}\\t]';
    default:
      return undefined;
  }
}

/** Combining marks of Unicode 9: two Vedic signs were still among them, and a Sharada one not yet. */
export const markClass = `[[\\p{M}\\u1cf2\\u1cf3]--[\\u{111c9}${afterUnicode9}]]`;

const newcomer = new RegExp(`[${afterUnicode9}]`, 'v');
const newcomers = new RegExp(`([${afterUnicode9}])`, 'v');

export type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

/**
 * Characters that NFC neither changes nor joins with another: all of most texts in Latin script and in Chinese. The test
 * holds each to the tables.
 */
export const composedClass =
  '[\\0-\\u02ff\\u2010-\\u2027\\u2030-\\u205e\\u3001-\\u3029\\u3400-\\u9fff\\uff01-\\uff60]';
const composed = new RegExp(`^${composedClass}*$`);

/** Normalization as the library's tables have it. */
export function normalizeText(text: string, form: NormalForm): string {
  if (form === 'NFC' && composed.test(text)) return text;
  if (!newcomer.test(text)) return text.normalize(form);
  return text
    .split(newcomers)
    .map((part, i) => (i % 2 === 1 ? part : part.normalize(form)))
    .join('');
}

/** Whether normalization may treat `char` together with what stands before it. */
const joining = /^[\p{M}\u1160-\u11ff\ud7b0-\ud7ff]/u;

/** The text cut where normalization cannot reach across: each part normalizes on its own. */
export function normalizationUnits(text: string): string[] {
  const units: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; ) {
    const char = String.fromCodePoint(text.codePointAt(i)!);
    if (i > start && !joining.test(char)) {
      units.push(text.slice(start, i));
      start = i;
    }
    i += char.length;
  }
  if (start < text.length) units.push(text.slice(start));
  return units;
}

/** Class numbers of `classOf`. */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
/** CR or LF: a space too. */
export const NEWLINE = 4;

const letter = new RegExp(propertyClass('L')!, 'v');
const number = new RegExp(propertyClass('N')!, 'v');
const space = new RegExp(spaceClass, 'v');

function classify(code: number): number {
  if (code === 0x0a || code === 0x0d) return NEWLINE;
  const char = String.fromCodePoint(code);
  if (letter.test(char)) return LETTER;
  if (number.test(char)) return NUMBER;
  return space.test(char) ? SPACE : OTHER;
}

/** One byte per code point, filled by pages of 256 as they are met. */
const classes = new Uint8Array(0x110000);
const known = new Uint8Array(0x1100);

/** The class of a code point: \p{L}, \p{N}, CR and LF, other \s, or none of them. */
export function classOf(code: number): number {
  if (known[code >> 8] === 0) {
    const page = code & ~0xff;
    for (let i = page; i < page + 256; i++) classes[i] = classify(i);
    known[code >> 8] = 1;
  }
  return classes[code];
}
