/** @file A model's Jinja template with a tokenizer's special tokens and a run's options: messages in, text out. */
import type { Place } from '../../core/errors.ts';
import type { JsonValue } from '../../files/json.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { fixedDate } from '../chat-template.ts';
import { badTemplate, templateRaised } from '../errors.ts';
import { compile, JinjaError, render, type Template, type Variables } from './jinja-runtime.ts';
import { type Marked, renderMarked } from './jinja-turns.ts';

/** A message as templates know it. */
export type JinjaMessage = { readonly role: string; readonly [key: string]: unknown };

export type JinjaInput = {
  readonly messages: readonly JinjaMessage[];
  readonly tools: readonly JsonValue[];
};

export type WriterOptions = {
  /** Given to the template as `enable_thinking` where it is not null. */
  readonly enableThinking?: boolean | null;
  /** Further variables, by the names that the template knows them by (`chat_template_kwargs`). */
  readonly variables?: Variables;
  readonly today?: Date;
};

export type Writer = {
  readonly hasGeneration: boolean;
  /** The variables that every conversation gets. */
  readonly given: Variables;
  readonly today: Date;
  write(input: JinjaInput, more: Variables, place?: Place): string;
  /** The text, and where turns and `{% generation %}` lie in it. */
  mark(input: JinjaInput, more: Variables, place?: Place): Marked;
};

export function createWriter(
  source: string,
  tokenizer: Pick<Tokenizer, 'bos' | 'eos' | 'pad'>,
  options: WriterOptions,
): Writer {
  const today = options.today ?? fixedDate;
  const template = compiled(source);
  const given = Object.fromEntries(
    Object.entries({
      bos_token: tokenizer.bos?.token,
      eos_token: tokenizer.eos?.token,
      pad_token: tokenizer.pad?.token,
      enable_thinking: options.enableThinking ?? undefined,
      ...options.variables,
    }).filter(([, value]) => value !== undefined),
  );
  const chatOf = ({ messages, tools }: JinjaInput, more: Variables) => {
    const all = {
      ...given,
      tools: tools.length === 0 ? null : tools,
      documents: null,
      add_generation_prompt: false,
      ...more,
    };
    const variables = Object.entries(all).filter(([, value]) => value !== undefined);
    return { messages, variables: Object.fromEntries(variables) };
  };
  const guarded = <T>(place: Place | undefined, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      if (error instanceof JinjaError) throw templateRaised(place, error.message);
      throw error;
    }
  };
  return {
    hasGeneration: template.hasGeneration,
    given,
    today,
    write: (input, more, place) =>
      guarded(place, () => render(template, chatOf(input, more), today).text),
    mark: (input, more, place) =>
      guarded(place, () => renderMarked(template, chatOf(input, more), today)),
  };
}

/** The last ones, by their text: a run opens one template several times. */
const templates = new Map<string, Template>();
const mostTemplates = 8;

function compiled(source: string): Template {
  const known = templates.get(source);
  if (known) return known;
  try {
    const template = compile(source);
    const [oldest] = templates.keys();
    if (templates.size >= mostTemplates && oldest !== undefined) templates.delete(oldest);
    templates.set(source, template);
    return template;
  } catch (error) {
    if (error instanceof JinjaError) throw badTemplate(error.message);
    throw error;
  }
}
