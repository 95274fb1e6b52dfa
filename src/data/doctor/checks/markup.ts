/** @file Markup of other layers that slipped into texts: entities, escapes, fences, thoughts, a template's own tokens. */
import { defineCheck } from '../check.ts';
import { askedOf } from '../view.ts';

const entity = /&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[\da-f]{2,5});/i;
const aboutMarkup = /html|xml|entit|markup|css|web ?page|website|svg|tag/i;

export const htmlEntity = defineCheck({
  code: 'data/html-entity',
  severity: 'warning',
  title: 'an HTML entity stands in a plain text',
  help: 'decode it (`&amp;` is `&`); the text came from a web page',
  passage({ text, path, part }, found, view) {
    if (part === 'call' || part === 'result' || !text.includes('&')) return;
    const match = entity.exec(text);
    if (!match || /```|<\/?[a-z][^<>]*>/i.test(text) || aboutMarkup.test(askedOf(view))) return;
    found(`\`${match[0]}\` is HTML, not text`, path, match.index);
  },
});

const tag =
  /<(?:br ?\/?|\/?(?:p|div|span|strong|em|ul|ol|li|b|i|h[1-6]|font|a))(?: [^<>]{0,80})?>/i;

export const htmlTag = defineCheck({
  code: 'data/html-tag',
  severity: 'note',
  title: 'an HTML tag stands in a text',
  help: 'right where HTML is asked for; elsewhere take the markup out',
  passage({ text, path, part }, found, view) {
    if (part !== 'reply' || !text.includes('<')) return;
    const match = tag.exec(text);
    if (!match || text.includes('`') || /<(?:html|head|body|script|!)/i.test(text)) return;
    if (!aboutMarkup.test(askedOf(view)))
      found(`\`${match[0]}\` is HTML, not text`, path, match.index);
  },
});

/**
 * A backslash and a letter where a line break or a tab was meant (not within quotes or code, nor the beginning of a
 * LaTeX word or a path), a character by its number, a quote behind a backslash.
 */
const escaped =
  /(?<![\\"'`:])\\[nt](?:\\[nt]|(?=[A-Z0-9\s*-]|$))|(?<=[.!?:])\\n(?!["'`])|(?<!\\)\\u(?:[01][\da-f]{3}|[4-9e][\da-f]{3})|^[^"]*[^\\"]\\"[^"]*\\"/i;
const code = /`|[;{}]\s*\\n|printf?\(|\\(?:[a-mo-su-z][a-z]*\b|\[|\()/;

export const escapedText = defineCheck({
  code: 'data/escaped-text',
  severity: 'warning',
  title: 'a text was escaped twice',
  help: 'unescape it once more: `\\n` is a line break, `\\u00e9` is é',
  passage({ text, path, part }, found) {
    if (part === 'call' || part === 'result' || !text.includes('\\')) return;
    const match = escaped.exec(text);
    if (!match || code.test(text.replaceAll(/\\u[\da-f]{4}/gi, ''))) return;
    const at = match.index + match[0].lastIndexOf('\\', match[0].length - 1);
    found(`\`${text.slice(at, at + 2)}\` stands in the text as it stands in JSON`, path, at);
  },
});

export const codeFence = defineCheck({
  code: 'data/code-fence',
  severity: 'warning',
  title: 'a code block is not closed',
  help: 'close it with ```; the reply may be cut off',
  passage({ text, path, part }, found) {
    if (part !== 'reply' || !text.includes('```')) return;
    let open = -1;
    for (let at = text.indexOf('```'); at >= 0; at = text.indexOf('```', at + 3))
      open = open < 0 ? at : -1;
    if (open >= 0) found('a code block opens here and never closes', path, open);
  },
});

const special =
  /<\|[a-z][\w-]{1,30}\|>|<｜[^｜<>]{1,40}｜>|\[\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<<\/?SYS>>|<(?:start|end)_of_turn>|<\/s>(?!.{0,200}<s>)|^<s>|<(?:bos|eos|pad|unk)>/;

/** Whether a text holds what is a control token in the vocabulary of some model. */
export const namesToken = (text: string): boolean => special.test(text);

export const specialToken = defineCheck({
  code: 'data/special-token',
  severity: 'warning',
  title: 'a token of a chat template stands in a text',
  help: 'remove it: templates write their own, and in a text it may end or forge a turn',
  passage({ text, path }, found) {
    if (!/[<[]/.test(text)) return;
    const match = special.exec(text);
    if (match)
      found(`\`${match[0]}\` belongs to chat templates, not to the text`, path, match.index);
  },
});

const marker =
  /^(?:###? ?(?:Instruction|Response|Input|Human|Assistant|User)\b ?:?|Human:|(?:ASSISTANT|USER|HUMAN):|<(?:human|bot)>:)/m;
const opening = /^(?:Assistant|AI|Bot|GPT|ChatGPT|Response) ?: ?/;

const turn = /^(?:User|Assistant|Human): /m;

/** Whether a line begins as one of them does; patterns that look at every line take their time. */
function mayNameSpeaker(text: string): boolean {
  if ('ABCGR'.includes(text.charAt(0))) return true;
  for (let at = 0; ; ) {
    if ('#HAU<'.includes(text.charAt(at))) return true;
    at = text.indexOf('\n', at) + 1;
    if (at === 0 || at === text.length) return false;
  }
}
const asksForTalk = /dialog|conversation|chat|script|interview|transcript|对话|聊天/i;

export const roleMarker = defineCheck({
  code: 'data/role-marker',
  severity: 'warning',
  title: 'a speaker’s name stands in a text',
  help: 'split the turns, or remove the name: the template writes who speaks',
  passage({ text, path, part }, found, view) {
    if (part !== 'reply' || !mayNameSpeaker(text)) return;
    const match = opening.exec(text) ?? marker.exec(text) ?? turn.exec(text);
    if (!match || (turn.test(match[0]) && asksForTalk.test(askedOf(view)))) return;
    found(`\`${match[0].trim()}\` names a speaker within the text`, path, match.index);
  },
});

const tags = ['think', 'thinking', 'thought', 'reasoning', 'reflection'];

export const thinkingTag = defineCheck({
  code: 'data/thinking-tag',
  severity: 'warning',
  title: 'a thinking tag is not closed, or not opened',
  help: 'write the pair whole; templates cut thoughts by both tags',
  passage({ text, path, part }, found) {
    if ((part !== 'reply' && part !== 'call') || !text.includes('<')) return;
    for (const tag of tags) {
      let depth = 0;
      let last = -1;
      for (const { 0: match, index } of text.matchAll(new RegExp(`</?${tag}>`, 'g'))) {
        depth += match.startsWith('</') ? -1 : 1;
        last = index;
        if (depth < 0) break;
      }
      if (depth > 0) found(`\`<${tag}>\` is never closed`, path, last);
      if (depth < 0) found(`\`</${tag}>\` closes what was not opened`, path, last);
    }
  },
});
