/** @file The text of a named template in an Ollama Modelfile: `TEMPLATE`, `SYSTEM` and the stop words. */
import { splitSlot, type Tokens, tokenText } from './slot-text.ts';
import type { NamedTemplate, Slot } from './template.ts';

/** Ollama's `TEMPLATE`, in Go's notation; undefined where a slot is a token that it could not write as text. */
export function toOllama(template: NamedTemplate, tokens: Tokens): string | undefined {
  const { prefix, system, user, assistant } = template;
  const used = [...prefix, ...system, ...user, ...assistant];
  if (used.some((slot) => typeof slot !== 'string' && 'token' in slot)) return undefined;
  const written = (slots: readonly Slot[], content: string): string =>
    slots.map((slot) => slotText(slot, content, tokens)).join('');
  return [
    `${written(prefix, '')}{{ if .System }}${written(system, '.System')}{{ end }}`,
    `{{ range .Messages }}{{ if eq .Role "user" }}${written(user, '.Content')}`,
    `{{ else if eq .Role "assistant" }}${written(assistant, '.Content')}{{ end }}{{ end }}`,
  ].join('');
}

function slotText(slot: Slot, content: string, tokens: Tokens): string {
  if (typeof slot !== 'string') return tokenText(slot, tokens) ?? '';
  const [before, after] = splitSlot(slot);
  return after === undefined ? before : `${before}{{ ${content} }}${after}`;
}

/**
 * A Modelfile for the folder that it lies in (`FROM .`), with a context of 4096 tokens as LLaMA-Factory has it;
 * undefined where the template cannot be written.
 */
export function toModelfile(
  template: NamedTemplate,
  tokens: Tokens,
  stopTokens: readonly string[],
): string | undefined {
  const text = toOllama(template, tokens);
  if (text === undefined) return undefined;
  const { defaultSystem } = template;
  const parts = [
    'FROM .',
    `TEMPLATE """${text}"""`,
    ...(defaultSystem === '' ? [] : [`SYSTEM """${defaultSystem}"""`]),
    [...stopTokens.map((token) => `PARAMETER stop "${token}"`), 'PARAMETER num_ctx 4096'].join(
      '\n',
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}
