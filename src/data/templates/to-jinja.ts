/** @file The Jinja text of a named template, for a tokenizer's files: system, user and assistant turns. */
import { splitSlot, type Tokens, tokenText } from './slot-text.ts';
import type { NamedTemplate, Slot } from './template.ts';

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;

/** Undefined where a slot is a token that Jinja could not write as text. */
export function toJinja(template: NamedTemplate, tokens: Tokens): string | undefined {
  const { prefix, system, user, assistant, systemPlace, defaultSystem } = template;
  const used = [...prefix, ...system, ...user, ...assistant];
  if (used.some((slot) => typeof slot !== 'string' && 'token' in slot)) return undefined;

  const expression = (slots: readonly Slot[], content: string): string =>
    slots.flatMap((slot) => expressions(slot, content, tokens)).join(' + ');
  const begin = expression(prefix, '');
  const systemText = expression(system, 'system_message');
  const content =
    systemPlace === 'user'
      ? '{% if loop.index0 == 0 and system_message is defined %}' +
        `{% set content = ${systemText} + message['content'] %}` +
        "{% else %}{% set content = message['content'] %}{% endif %}"
      : "{% set content = message['content'] %}";

  return [
    begin === '' ? '' : `{{ ${begin} }}`,
    defaultSystem === '' ? '' : `{% set system_message = ${quote(defaultSystem)} %}`,
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}",
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}",
    systemPlace === 'own' ? `{% if system_message is defined %}{{ ${systemText} }}{% endif %}` : '',
    `{% for message in loop_messages %}${content}`,
    `{% if message['role'] == 'user' %}{{ ${expression(user, 'content')} }}`,
    `{% elif message['role'] == 'assistant' %}{{ ${expression(assistant, 'content')} }}`,
    '{% endif %}{% endfor %}',
  ].join('');
}

function expressions(slot: Slot, content: string, tokens: Tokens): readonly string[] {
  if (typeof slot !== 'string') {
    const text = tokenText(slot, tokens);
    return text === undefined ? [] : [quote(text)];
  }
  const [before, after] = splitSlot(slot);
  const parts = before === '' ? [] : [quote(before)];
  if (after !== undefined) parts.push(content, ...(after === '' ? [] : [quote(after)]));
  return parts;
}
