/** @file The script in which a text is mostly written (Unicode Standard Annex 24), told letter by letter. */
const scripts = {
  latin: /\p{Script=Latin}/gu,
  han: /\p{Script=Han}/gu,
  kana: /[\p{Script=Hiragana}\p{Script=Katakana}]/gu,
  hangul: /\p{Script=Hangul}/gu,
  cyrillic: /\p{Script=Cyrillic}/gu,
  greek: /\p{Script=Greek}/gu,
  arabic: /\p{Script=Arabic}/gu,
  hebrew: /\p{Script=Hebrew}/gu,
  devanagari: /\p{Script=Devanagari}/gu,
  thai: /\p{Script=Thai}/gu,
} as const;

export type ScriptName = keyof typeof scripts;

export const scriptNames = Object.keys(scripts) as readonly ScriptName[];

/** Characters of a long text that are looked at. */
const sample = 4000;

/** Letters of each script, as `scriptNames` lists them. */
export const lettersOf = (text: string): number[] =>
  scriptNames.map((name) => text.match(scripts[name])?.length ?? 0);

const [han, kana] = [scriptNames.indexOf('han'), scriptNames.indexOf('kana')];

/** Of letters counted by script: the commonest. Japanese is `kana` as soon as a tenth of it is. */
export function commonest(letters: ArrayLike<number>): ScriptName | undefined {
  let most = -1;
  for (let i = 0; i < letters.length; i++) {
    if (letters[i] > (most < 0 ? 0 : letters[most])) most = i;
  }
  return scriptNames[most === han && letters[kana] * 9 > letters[han] ? kana : most];
}

/** Undefined where the text has no letter of any of them. */
export const scriptOf = (text: string): ScriptName | undefined =>
  commonest(lettersOf(text.slice(0, sample)));
