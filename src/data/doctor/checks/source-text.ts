/** @file What the JSON text of a row says and its value no longer tells: keys twice, numbers that lose digits. */
import { isJsonObject, JsonNumber, type JsonObject, type JsonValue } from '../../../files/json.ts';
import { defineCheck, type Found } from '../check.ts';
import { endOfText } from '../locate.ts';

export const duplicateKey = defineCheck({
  code: 'data/duplicate-key',
  severity: 'error',
  title: 'a key stands twice in one object',
  help: 'keep one; Python reads the last, and the other is lost in silence',
  fix: { how: 'mend', what: 'keeps the last' },
});

/** Keys that stand a second time: name and offset. */
export function repeatedKeys(
  text: string,
): readonly { readonly key: string; readonly at: number }[] {
  const found: { key: string; at: number }[] = [];
  const open: (string[] | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 123) open.push([]);
    else if (code === 91) open.push(undefined);
    else if (code === 125 || code === 93) open.pop();
    else if (code === 34) {
      const end = endOfText(text, i);
      let after = end;
      while (text.charCodeAt(after) <= 32) after++;
      const keys = open.at(-1);
      if (keys && text.charCodeAt(after) === 58) {
        const key = text.slice(i + 1, end - 1);
        if (keys.includes(key)) found.push({ key, at: i });
        else keys.push(key);
        i = after;
      } else i = end - 1;
    }
  }
  return found;
}

export const numberText = defineCheck({
  code: 'data/number-text',
  severity: 'warning',
  title: 'a number has more digits than most programs keep',
  help: 'write it as a text in quotes where its digits matter, as in an id',
});

/** Whether a number loses digits in a double. */
function losesDigits({ text }: JsonNumber): boolean {
  if (!Number.isFinite(Number(text))) return true;
  const digits = text
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '');
  if (digits.length <= 15) return false;
  return !/[.eE]/.test(text) ? BigInt(Number(text)) !== BigInt(text) : digits.length > 17;
}

/** Numbers that are kept as their text are few, so that all values may be looked at: it takes no time beside the texts. */
export function longNumbers(value: JsonObject, found: Found): void {
  const path: (string | number)[] = [];
  const walk = (item: JsonValue): void => {
    if (typeof item !== 'object' || item === null) return;
    if (item instanceof JsonNumber) {
      const message = `\`${item.text}\` is not kept exactly by programs that read it as a number`;
      if (losesDigits(item)) found(message, [...path]);
      return;
    }
    if (Array.isArray(item)) for (const [i, each] of item.entries()) step(i, each);
    else if (isJsonObject(item)) for (const key in item) step(key, item[key] ?? null);
  };
  const step = (to: string | number, item: JsonValue): void => {
    path.push(to);
    walk(item);
    path.pop();
  };
  walk(value);
}
