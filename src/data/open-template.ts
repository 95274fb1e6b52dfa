/** @file Opens the chat template of a run: a named one, or the model's own; and says where the two differ. */
import { TuneryError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import { noTemplate, unknownTemplate } from './errors.ts';
import { checkTemplate, type TemplateFacts } from './template-checks.ts';
import { templates } from './templates/index.ts';
import { type JinjaOptions, jinjaTemplate } from './templates/jinja.ts';
import { adaptTemplate, type NamedOptions, namedTemplate } from './templates/named.ts';
import { stopTokenOf } from './templates/piece-encoder.ts';
import { toJinja } from './templates/to-jinja.ts';
import type { Warning } from './warning.ts';

export type TemplateInput = {
  /** A template's name; null is the model's own. */
  readonly name: string | null;
  /** The model's own Jinja text, where it has one. */
  readonly jinja: string | undefined;
  readonly tokenizer: Tokenizer;
  readonly defaultSystem?: string | null;
  readonly enableThinking?: boolean | null;
  /** Further variables of the model's own template. */
  readonly variables?: JinjaOptions['variables'];
  /** What only a named template asks about. */
  readonly named?: Omit<NamedOptions, 'defaultSystem' | 'enableThinking' | 'today'>;
  /** Stop ids of the model's generation config. */
  readonly stopIds?: readonly number[];
};

export type OpenTemplate = {
  readonly template: ChatTemplate;
  /** With the end of text and the padding that the template asks for. */
  readonly tokenizer: Tokenizer;
  /** The Jinja text that belongs into the tokenizer's files on save. */
  readonly jinja: string | undefined;
  readonly warnings: readonly Warning[];
};

export function openTemplate(input: TemplateInput): OpenTemplate {
  const { name, jinja, tokenizer, stopIds = [] } = input;
  const defaultSystem = input.defaultSystem ?? undefined;
  const options: JinjaOptions = {
    defaultSystem,
    enableThinking: input.enableThinking ?? null,
    variables: input.variables ?? {},
    stopIds,
  };
  const known = Object.keys(templates);
  if (name === null) {
    if (jinja === undefined) throw noTemplate();
    const template = jinjaTemplate(jinja, tokenizer, options);
    return {
      template,
      tokenizer,
      jinja,
      warnings: [
        ...(jinja.includes('strftime_now') ? [fixedDateWarning] : []),
        ...warningsOf({ template, tokenizer, generationStopIds: stopIds }),
      ],
    };
  }
  const named = Object.hasOwn(templates, name) ? templates[name] : undefined;
  if (!named) throw unknownTemplate(name, didYouMean(name, known));

  const eos = stopTokenOf(named, tokenizer.eos?.token);
  const fixed = namedTokenizer(tokenizer, eos);
  const { enableThinking = true } = input;
  const settings: NamedOptions = { ...input.named, defaultSystem, enableThinking };
  const template = namedTemplate(named, fixed, settings);
  const keeps = jinja !== undefined && !named.replaceJinja;
  const tokens = { bos: fixed.bos?.token, eos: fixed.eos?.token };
  return {
    template,
    tokenizer: fixed,
    jinja: keeps ? jinja : toJinja(adaptTemplate(named, settings), tokens),
    warnings: warningsOf({
      template,
      own: jinja === undefined ? undefined : ownTemplate(jinja, fixed, options),
      tokenizer: fixed,
      generationStopIds: stopIds,
    }),
  };
}

/** What a person should know at the start of a run; `tunery data check` tells the notes too. */
const warningsOf = (facts: TemplateFacts): readonly Warning[] =>
  checkTemplate(facts).flatMap(({ severity, ...warning }) =>
    severity === 'note' ? [] : [warning],
  );

/** The model's own template; undefined where it cannot be used, which is no fault of a named one. */
export function ownTemplate(
  jinja: string,
  tokenizer: Tokenizer,
  options: JinjaOptions,
): ChatTemplate | undefined {
  try {
    return jinjaTemplate(jinja, tokenizer, options);
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

/** With the template's end of text; where there is no padding, that is the padding too. */
function namedTokenizer(tokenizer: Tokenizer, eos: string): Tokenizer {
  // A token that the vocabulary lacks is the template's error to tell.
  if (tokenizer.idOf(eos) === undefined) return tokenizer;
  return tokenizer.withTokens(tokenizer.pad ? { eos } : { eos, pad: eos });
}

const fixedDateWarning: Warning = {
  code: 'data/fixed-date',
  message:
    'the model’s template writes today’s date; it is 26 Jul 2024 in every run, so that runs can be repeated',
  help: 'nothing need be done; other programs will write the day’s own date',
};
