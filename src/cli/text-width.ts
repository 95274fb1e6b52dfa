/** @file How many cells of a terminal a text takes: East Asian wide characters and emoji take two, marks none. */

const none = /[\p{Mn}\p{Me}\p{Cf}]/u;
const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;

export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    if (char <= '~') width++;
    else if (!none.test(char)) width += wide.test(char) ? 2 : 1;
  }
  return width;
}
