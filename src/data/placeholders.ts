/** @file `{{name}}` that was left in a row, where a word should have been put in its place. */
import type { Example } from './example.ts';
import type { Warning } from './warning.ts';

const placeholder = /\{\{ ?[a-z_]\w{0,30} ?\}\}/i;

export function warnOfPlaceholders(
  { messages, system, chosen, rejected, place }: Example,
  warn: (warning: Warning) => void,
): void {
  const found =
    placeholderIn(system) ??
    firstOf(messages.values().map(({ content }) => placeholderIn(content))) ??
    placeholderIn(chosen?.content ?? '') ??
    placeholderIn(rejected?.content ?? '');
  if (found === undefined) return;
  warn({
    code: 'data/placeholder',
    message: `\`${found}\` stands in the row, and would be learned as it is`,
    help: 'fill such placeholders in before training',
    place,
  });
}

const placeholderIn = (text: string): string | undefined =>
  text.includes('{{') ? placeholder.exec(text)?.[0] : undefined;

const firstOf = (items: Iterable<string | undefined>): string | undefined => {
  for (const item of items) if (item !== undefined) return item;
  return undefined;
};
