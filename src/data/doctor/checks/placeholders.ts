/** @file Words that somebody meant to fill in. */
import { defineCheck } from '../check.ts';

/** In the order of certainty; the first that matches is named. */
const patterns: readonly RegExp[] = [
  /(?<!\$)\{\{ ?[a-z_][\w.]{0,40} ?\}\}/i,
  /\{%-? ?(?:if|for|set|block|endif|endfor)\b[^%]{0,60}%\}/,
  /\$?\{(?:(?:user|first|last|full|company|product|your)[ _]?name|name|user|username|company|date|city|email|topic|question|answer|input|output|text|content|prompt)\}/i,
  /\[(?:INSERT|YOUR|ADD|FILL|ENTER|TBD|TODO|PLACEHOLDER)\b[^\]\n]{0,60}\]/,
  /<(?:insert|your|enter|add)[ _-][a-z][\w -]{0,40}>/i,
  /\blorem ipsum\b/i,
  /(?<![/#*] )(?<=^|[\s(])TODO(?=[:.!)]|\s*$)/m,
  /\b(?:FIXME|XXXX+|PLACEHOLDER)\b/,
  /^\s*(?:tbd|todo|placeholder)\b[.:]?/i,
];
/** Without one of these no pattern matches; looking for a word is many times faster than for a pattern. */
const signs = ['{', '[', '<', 'TODO', 'FIXME', 'XXXX', 'PLACEHOLDER', 'orem ipsum', 'OREM IPSUM'];
/** Where there is one, one pass tells whether any of them can match. */
const any =
  /\{\{|\{%|\{[a-z]{4,8}[_ a-z]*\}|PLACEHOLDER|\[[A-Z]{3}|<(?:insert|your|enter|add)[ _-]|lorem|TODO|FIXME|XXXX/i;
const wholly = /^\s*(?:tbd|todo|placeholder)\b/i;

const mayMatch = (text: string): boolean =>
  (signs.some((sign) => text.includes(sign)) && any.test(text)) || wholly.test(text);
const angle = /<(name|author|date|email|company|city|address|phone|username|placeholder)>/i;

const code = /```|=>|\bf["']|\.format\(|\bdef |\bfunction\b|;\s*$|<\/\w+>/m;

export const placeholder = defineCheck({
  code: 'data/placeholder',
  severity: 'warning',
  title: 'a placeholder was left in',
  help: 'fill it in before training: it is learned as it stands',
  passage({ text, path, part }, found) {
    if (part === 'result' || part === 'call') return;
    if (mayMatch(text)) {
      for (const pattern of patterns) {
        const match = pattern.exec(text);
        // In code, braces are its own.
        if (!match || (match[0].includes('{') && code.test(text))) continue;
        const word = match[0].trim();
        found(`\`${word}\` was left in`, path, match.index + match[0].indexOf(word));
        return;
      }
    }
    const match = text.includes('<') ? angle.exec(text) : null;
    // With its closing tag it is markup.
    if (match && !text.includes(`</${match[1]}`))
      found(`\`${match[0]}\` was left in`, path, match.index);
  },
});

const bracket =
  /\[(?:your|name|company|date|insert|city|address|phone|email|recipient|sender)\b[a-z' /]{0,40}\](?!\()/i;

export const formField = defineCheck({
  code: 'data/form-field',
  severity: 'note',
  title: 'a field of a form stands in a text',
  help: 'right in a template for letters; elsewhere fill it in',
  passage({ text, path, part }, found) {
    if (part !== 'reply' || !text.includes('[')) return;
    const match = bracket.exec(text);
    if (match && !patterns[1].test(match[0]))
      found(`\`${match[0]}\` is a field to fill in`, path, match.index);
  },
});
