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

/** Undefined where the text has no letter of any of them. Japanese is `kana` as soon as a tenth of it is. */
export function scriptOf(text: string): ScriptName | undefined {
  const part = text.slice(0, sample);
  let most: ScriptName | undefined;
  let count = 0;
  const counts = new Map<ScriptName, number>();
  for (const name of scriptNames) {
    const found = part.match(scripts[name])?.length ?? 0;
    counts.set(name, found);
    if (found > count) [most, count] = [name, found];
  }
  const kana = counts.get('kana') ?? 0;
  return most === 'han' && kana * 9 > count ? 'kana' : most;
}
