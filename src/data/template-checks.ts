/**
 * @file What can be wrong with a chat template and its tokenizer before any row is read: tokens that
 * differ from the model's own template, a start token twice, stop tokens that nobody learns or knows.
 */
import { TuneryError } from '../core/errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import type { Turn } from './labels.ts';
import { type Probe, probes } from './template-probes.ts';
import { controlTokens } from './templates/jinja.ts';
import type { Warning } from './warning.ts';

export type Severity = 'error' | 'warning' | 'note';

export type TemplateFinding = Warning & { readonly severity: Severity };

export type TemplateFacts = {
  /** The template of the run, and the tokenizer with the special tokens that it asks for. */
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  /** The model's own template, where the run has a named one; undefined where there is none to compare with. */
  readonly own?: ChatTemplate | undefined;
  /** Ids at which the model's generation config says that a reply ends; empty where it has none. */
  readonly generationStopIds: readonly number[];
};

/** All that can be said of a template without a row. Takes some milliseconds; never throws. */
export function checkTemplate(facts: TemplateFacts): readonly TemplateFinding[] {
  const found = [
    facts.own && templateDifference(facts.template, facts.own, facts.tokenizer),
    bosTwice(facts),
    bosAddedToo(facts),
    stopNotTaught(facts),
    stopUnknown(facts),
    ...tokensInPieces(facts),
  ];
  return found.filter((finding) => finding !== undefined);
}

/** What a probe gives, or undefined where the template refuses it. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

const show = (text: string): string => JSON.stringify(text);

// ── another than the model's own ──

type Sequence = { readonly what: string; readonly ids: readonly number[] };

/** The first token in which a named template differs from the model's own, in some conversation of a few kinds. */
export function templateDifference(
  template: ChatTemplate,
  own: ChatTemplate,
  tokenizer: Tokenizer,
): TemplateFinding | undefined {
  const finding = ({ isCommon }: Probe, what: string): TemplateFinding => ({
    code: 'data/template-differs',
    severity: isCommon ? 'warning' : 'note',
    message: `template \`${template.name}\` differs from the model’s own: ${what}`,
    help: 'leave `template` unset to train with what the model was trained with',
  });
  for (const probe of probes) {
    const theirs = attempt(() => sequencesOf(own, probe));
    // What the model's own cannot write there is nothing to compare with.
    if (!theirs) continue;
    const ours = attempt(() => sequencesOf(template, probe));
    if (!ours) return finding(probe, `it refuses ${probe.what}, which the model’s takes`);
    for (const [i, { what, ids }] of ours.entries()) {
      const difference = firstDifference(ids, theirs[i].ids, tokenizer);
      if (difference !== undefined) return finding(probe, `${difference}, in ${what}`);
    }
  }
  return undefined;
}

/** The prompt of the last reply, and the whole up to the end of what is learned. */
function sequencesOf(template: ChatTemplate, { what, conversation }: Probe): readonly Sequence[] {
  const { messages } = conversation;
  const asked = { ...conversation, messages: messages.slice(0, -1) };
  const turns = template.encode(conversation);
  const last = turns.at(-1);
  const whole = turns.flatMap(({ source, target }) => [...source, ...target]);
  const unlearned = last ? last.target.length - last.learned : 0;
  return [
    { what: `the prompt of ${what}`, ids: [...template.prompt(asked)] },
    { what, ids: whole.slice(0, whole.length - unlearned) },
  ];
}

function firstDifference(
  ours: readonly number[],
  theirs: readonly number[],
  tokenizer: Tokenizer,
): string | undefined {
  let at = 0;
  while (at < ours.length && ours[at] === theirs[at]) at++;
  if (at === ours.length && at === theirs.length) return undefined;
  // White space after the last stop token is read by no one.
  const rest = [...ours.slice(at), ...theirs.slice(at)];
  if ((at === ours.length || at === theirs.length) && tokenizer.decode(rest).trim() === '')
    return undefined;
  const token = (id: number | undefined): string =>
    id === undefined ? 'nothing more' : `token ${id} ${show(tokenizer.decode([id]))}`;
  const before = tokenizer.decode(ours.slice(Math.max(0, at - 6), at));
  const after = before === '' ? 'it begins with' : `after ${show(before)} it has`;
  const than = before === '' ? 'the model’s with' : 'the model’s has';
  return `${after} ${token(ours[at])} where ${than} ${token(theirs[at])}`;
}

// ── the start ──

function bosTwice({ template, tokenizer }: TemplateFacts): TemplateFinding | undefined {
  const { bos } = tokenizer;
  if (!bos) return undefined;
  for (const { what, conversation } of probes) {
    const ids = attempt(() => template.prompt(conversation));
    const twice = ids?.some((id, i) => id === bos.id && ids[i + 1] === bos.id);
    if (!twice) continue;
    return {
      code: 'data/bos-twice',
      severity: 'warning',
      message: `the start token ${show(bos.token)} (${bos.id}) stands twice at the beginning of ${what}`,
      help: 'the template writes it more than once: take one of the two out of the model’s chat template, or name another `template`',
    };
  }
  return undefined;
}

/** Not here, where nothing is added to what a template writes; elsewhere it is a common fault. */
function bosAddedToo({ template, tokenizer }: TemplateFacts): TemplateFinding | undefined {
  const { bos } = tokenizer;
  if (!bos || tokenizer.encode('', { addSpecialTokens: true })[0] !== bos.id) return undefined;
  const [{ conversation }] = probes;
  if (attempt(() => template.prompt(conversation))?.[0] !== bos.id) return undefined;
  return {
    code: 'data/bos-added-too',
    severity: 'note',
    message: `the template writes the start token ${show(bos.token)}, and the tokenizer adds it to every text as well; here it stands once`,
    help: 'programs that tokenize the template’s text must not add special tokens to it',
  };
}

// ── the stop ──

function stopNotTaught(facts: TemplateFacts): TemplateFinding | undefined {
  const { template, tokenizer } = facts;
  if (template.efficientEos !== undefined) return undefined;
  const stops = new Set([...template.stopIds, ...facts.generationStopIds]);
  for (const { what, conversation } of probes) {
    const turns = attempt(() => template.encode(conversation)) ?? [];
    for (const [i, turn] of turns.entries()) {
      if (turn.learned === 0 || teachesStop(turn, stops)) continue;
      const id = turn.target[turn.learned - 1];
      const next = turn.target[turn.learned] ?? turns[i + 1]?.source[0];
      const outside =
        next !== undefined && stops.has(next)
          ? `; ${show(tokenizer.decode([next]))} (${next}) follows, outside of what is learned`
          : '';
      return {
        code: 'data/stop-not-taught',
        severity: 'warning',
        message: `reply ${i + 1} of ${what} teaches no stop token: the last that is learned is ${show(tokenizer.decode([id]))} (${id})${outside}`,
        help: outside
          ? 'put the token inside `{% generation %}` in the model’s chat template, or take the tags out'
          : 'a model that never learns to stop goes on to the limit: name a `template` of the same family',
      };
    }
  }
  return undefined;
}

/** White space that follows the token may be learned too. */
const teachesStop = ({ target, learned }: Turn, stops: ReadonlySet<number>): boolean =>
  target.subarray(Math.max(0, learned - 3), learned).some((id) => stops.has(id));

function stopUnknown(facts: TemplateFacts): TemplateFinding | undefined {
  const { template, tokenizer, generationStopIds } = facts;
  const taught = template.efficientEos ?? template.stopIds[0];
  if (taught === undefined || generationStopIds.length === 0 || generationStopIds.includes(taught))
    return undefined;
  const known = generationStopIds.map((id) => `${show(tokenizer.decode([id]))} (${id})`).join(', ');
  return {
    code: 'data/stop-unknown',
    severity: 'warning',
    message: `replies are taught to end with ${show(tokenizer.decode([taught]))} (${taught}), and the model’s generation config stops at ${known} only`,
    help: 'what is saved and exported here says the true stop token; elsewhere add it to `eos_token_id` of generation_config.json',
  };
}

// ── tokens that are none ──

const looksSpecial =
  /<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|<(?:start|end)_of_turn>|\[\/?[A-Z][A-Z_]{2,30}\]/g;

function tokensInPieces({ template, tokenizer }: TemplateFacts): readonly TemplateFinding[] {
  const texts = probes.map(({ conversation }) => attempt(() => template.promptText(conversation)));
  const tokens = new Set(texts.flatMap((text) => text?.match(looksSpecial) ?? []));
  return [...tokens].flatMap((token): readonly TemplateFinding[] => {
    const ids = tokenizer.encode(token);
    if (ids.length === 1) return [];
    return [
      {
        code: 'data/token-in-pieces',
        severity: 'warning',
        message: `the template writes ${show(token)} as a control token, and the vocabulary has no such token: it becomes ${ids.length} tokens`,
        help: 'the template is for another model: name the `template` of this one, or leave it unset',
      },
    ];
  });
}

// ── rows ──

/** A control token that stands in a row's own text, and its offset there. */
export type ControlToken = { readonly at: number; readonly message: string; readonly help: string };

/**
 * Finds the first control token of the vocabulary in a row's own text, where it would be read as such. Make one for
 * a run, and call it for each text.
 */
export function contentChecker(tokenizer: Tokenizer): (text: string) => ControlToken | undefined {
  const tokens = controlTokens(tokenizer).filter((token) => token.trim() !== '');
  if (tokens.length === 0) return () => undefined;
  const pattern = new RegExp(tokens.map((token) => RegExp.escape(token)).join('|'));
  return (text) => {
    const match = pattern.exec(text);
    if (!match) return undefined;
    const [token] = match;
    return {
      at: match.index,
      message: `the text holds ${show(token)}, which is read as the control token ${tokenizer.idOf(token)}`,
      help: 'take it out of the row, or spell it in another way, if the text only talks of it',
    };
  };
}
