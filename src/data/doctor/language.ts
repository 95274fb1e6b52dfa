/** @file The script of a text, and for Latin script its language, by its most common words. No model is asked. */

const scripts: readonly (readonly [string, RegExp])[] = [
  ['Japanese', /[\u3040-\u30ff]/g],
  ['Korean', /[\uac00-\ud7af]/g],
  ['Chinese', /[\u4e00-\u9fff]/g],
  ['Cyrillic', /[\u0400-\u04ff]/g],
  ['Arabic', /[\u0600-\u06ff]/g],
  ['Hebrew', /[\u0590-\u05ff]/g],
  ['Devanagari', /[\u0900-\u097f]/g],
  ['Thai', /[\u0e00-\u0e7f]/g],
  ['Greek', /[\u0370-\u03ff]/g],
];

/** Words that are common in one language and rare in the others. */
const commonWords: Readonly<Record<string, string>> = {
  English: 'the and of to in is that it for with you are this be from have not was can will',
  French: 'le les des est une dans pour que qui sur avec pas plus vous nous cette sont aux être',
  German: 'der die das und ist nicht ein eine mit den von zu auf für sich dem auch werden sie',
  Spanish: 'el los las una que en por con para del es como más pero sus este está son hay',
  Portuguese: 'os uma que não com para em do da dos das mais você está são foi pelo também ao',
  Italian: 'il che di una per non con del della sono gli più anche nel questo come alla dei',
};
const languages = Object.keys(commonWords);
/** Of a word in lower case, by its characters: no text is made of it, for there are sixty in each row. */
const addLetter = (hash: number, code: number): number => (Math.imul(hash, 31) + code) | 0;

const tableSize = 1 << 10;

/** At the place of a word's hash, the hash itself and a bit for each language that the word is common in. */
const languagesOf = new Int32Array(2 * tableSize);

/** Where a hash stands in the table, or the free place for it. */
function placeOf(hash: number): number {
  let at = (hash ^ (hash >>> 11)) & (tableSize - 1);
  while (languagesOf[2 * at + 1] !== 0 && languagesOf[2 * at] !== hash)
    at = (at + 1) & (tableSize - 1);
  return 2 * at;
}

for (const [i, list] of Object.values(commonWords).entries()) {
  for (const word of list.split(' ')) {
    let hash = 0;
    for (let k = 0; k < word.length; k++) hash = addLetter(hash, word.charCodeAt(k));
    const at = placeOf(hash);
    languagesOf[at] = hash;
    languagesOf[at + 1] |= 1 << i;
  }
}

/** So much of a text is looked at. */
const looked = 300;
const letters = /\p{L}/gu;
const beyondAscii = /[^ -~\s]/;

const notProse = /```[\s\S]*?(?:```|$)|https?:\/\/\S+/g;

/** A text without code and addresses. It is not cut: reading a piece of a text by characters is slow. */
const proseOf = (text: string): string =>
  text.includes('```') || text.includes('://')
    ? text.slice(0, 2 * looked).replace(notProse, '')
    : text;

/** `Latin`, `Chinese`, …; undefined where there are too few letters to say. */
function scriptOf(prose: string): string | undefined {
  const head = prose.slice(0, looked);
  if (!beyondAscii.test(head))
    return /[a-z]/i.test(head) && head.length >= 12 ? 'Latin' : undefined;
  const total = head.match(letters)?.length ?? 0;
  if (total < 6) return undefined;
  for (const [name, pattern] of scripts) {
    const count = head.match(pattern)?.length ?? 0;
    // Kana among Chinese characters make Japanese; one of those is worth several letters.
    const share = name === 'Japanese' ? 0.1 : name === 'Chinese' ? 0.15 : 0.3;
    if (count >= share * total && count >= 4) return name;
  }
  return 'Latin';
}

/** Of each character up to the last Latin letter: itself in lower case, or 0 where it is no letter. */
const lowerLetters = Uint16Array.from({ length: 0x250 }, (_, code) => {
  if (code >= 97 && code <= 122) return code;
  if ((code >= 65 && code <= 90) || (code >= 0xc0 && code <= 0xde)) return code + 32;
  return code > 0xde ? code : 0;
});

/** Of each language, so many of a text's words. */
const counts = new Uint8Array(languages.length);

/** Enough words to tell. */
const told = 60;

/** The language of a Latin text; undefined where few of its words tell. */
function latinLanguage(prose: string): string | undefined {
  counts.fill(0);
  const end = Math.min(prose.length, looked);
  let words = 0;
  for (let i = 0, hash = 0, length = 0; i <= end && words < told; i++) {
    const code = i < end ? prose.charCodeAt(i) : 0;
    const letter = code < lowerLetters.length ? lowerLetters[code] : 0;
    if (letter > 0) {
      hash = addLetter(hash, letter);
      length++;
      continue;
    }
    if (length === 0) continue;
    words++;
    let bits = length < 6 ? languagesOf[placeOf(hash) + 1] : 0;
    for (let k = 0; bits !== 0; k++, bits >>= 1) counts[k] += bits & 1;
    hash = 0;
    length = 0;
  }
  let best = 0;
  for (let k = 1; k < counts.length; k++) if (counts[k] > counts[best]) best = k;
  const most = counts[best];
  if (words < 8 || most < 3 || most < words / 8) return undefined;
  for (let k = 0; k < counts.length; k++) if (k !== best && 2 * counts[k] > most) return undefined;
  return languages[best];
}

/** `Chinese`, `English`, …, or `Latin` where the language is not clear; undefined where the script is not. */
export function languageOfText(text: string): string | undefined {
  const prose = proseOf(text);
  const script = scriptOf(prose);
  return script === 'Latin' ? (latinLanguage(prose) ?? script) : script;
}

/** Whether two texts are surely of two languages. */
export const isOther = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a !== b &&
  !((a === 'Latin' && languages.includes(b)) || (b === 'Latin' && languages.includes(a)));
