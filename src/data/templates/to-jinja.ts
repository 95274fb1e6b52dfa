/** @file The Jinja text of a named template, for a tokenizer's files: system, user and assistant turns. */
import type { NamedTemplate, Slot } from './template.ts';

type Tokens = { readonly bos: string | undefined; readonly eos: string | undefined };

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;

/** Undefined where a slot is a token that Jinja could not write as text. */
export function toJinja(template: NamedTemplate, tokens: Tokens): string | undefined {
  const used = [template.prefix, template.system, template.user, template.assistant].flat();
  if (used.some((slot) => typeof slot !== 'string' && 'token' in slot)) return undefined;

  const expression = (slots: readonly Slot[], content: string): string =>
    slots.flatMap((slot) => pieces(slot, content, tokens)).join(' + ');

  const prefix = expression(template.prefix, '');
  return [
    prefix === '' ? '' : `{{ ${prefix} }}`,
    template.defaultSystem === ''
      ? ''
      : `{% set system_message = ${quote(template.defaultSystem)} %}`,
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}",
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}",
    `{% if system_message is defined %}{{ ${expression(template.system, 'system_message')} }}{% endif %}`,
    "{% for message in loop_messages %}{% set content = message['content'] %}",
    `{% if message['role'] == 'user' %}{{ ${expression(template.user, 'content')} }}`,
    `{% elif message['role'] == 'assistant' %}{{ ${expression(template.assistant, 'content')} }}`,
    '{% endif %}{% endfor %}',
  ].join('');
}

function pieces(slot: Slot, content: string, tokens: Tokens): readonly string[] {
  if (typeof slot !== 'string') {
    const text = 'bos' in slot ? tokens.bos : 'eos' in slot ? tokens.eos : undefined;
    return text === undefined ? [] : [quote(text)];
  }
  const [before = '', ...after] = slot.split('{{content}}');
  const parts = before === '' ? [] : [quote(before)];
  if (after.length > 0) {
    parts.push(content);
    if (after[0] !== '') parts.push(quote(after[0] ?? ''));
  }
  return parts;
}
