/**
 * @file What of a Jinja template's text is learned: each reply from where the generation prompt ends up to and
 * with its stop token, or what stands in `{% generation %}`.
 */
import type { Place } from '../../core/errors.ts';
import { noExactMask } from '../errors.ts';
import type { Marked, Span } from './jinja-turns.ts';
import type { JinjaInput, Writer } from './jinja-writer.ts';

/** How a template writes a reply, found out with a conversation of two words. */
type Manner = {
  /** What is written before a reply is generated. */
  readonly prompt: string;
  /** What written replies have in common with it, where that is less: a template may take thoughts out of what was. */
  readonly headers: readonly string[];
  /** The token that ends a reply; undefined where the template writes none. */
  readonly stopToken: string | undefined;
  /** Something else than one control token follows a reply. */
  readonly isUnclear: boolean;
  /** The last reply of a conversation is written without it. */
  readonly lastIsBare: boolean;
};

export type Replies = Pick<Manner, 'prompt' | 'stopToken' | 'lastIsBare'> & {
  /** Spans of a marked text, in its order. */
  spans(input: JinjaInput, marked: Marked, place?: Place): readonly Span[];
};

/** `specials` are the vocabulary's control tokens, the longest first. */
export function repliesOf(writer: Writer, specials: readonly string[]): Replies {
  const manner = probe(writer, specials);

  function replySpan(input: JinjaInput, marked: Marked, index: number, place?: Place): Span {
    const turn = turnOf(marked, index) ?? prefixTurn(writer, marked.text, input, index, place);
    const written = marked.text.slice(turn.start, turn.end);
    const start = turn.start + promptLength(manner, writer, input, marked.text, index, turn, place);
    if (manner.isUnclear) throw noExactMask(place, 'it writes no stop token after a reply');
    const isBare = manner.lastIsBare && index === input.messages.length - 1;
    if (manner.stopToken === undefined || isBare) return { start, end: turn.end };
    const kept = written.trimEnd();
    if (!specials.some((token) => kept.endsWith(token)))
      throw noExactMask(place, 'it writes no stop token after a reply');
    return { start, end: turn.start + kept.length };
  }

  return {
    ...manner,
    spans(input, marked, place) {
      if (writer.hasGeneration) {
        if (marked.lost)
          throw noExactMask(place, 'it changes its text where {% generation %} stands');
        if (marked.generated.length > 0) return marked.generated;
        throw noExactMask(place, 'its {% generation %} holds nothing of this conversation');
      }
      return input.messages.flatMap(({ role }, index) =>
        role === 'assistant' ? [replySpan(input, marked, index, place)] : [],
      );
    },
  };
}

/** How much of a turn is the prompt to it. */
function promptLength(
  { prompt, headers }: Manner,
  writer: Writer,
  input: JinjaInput,
  text: string,
  index: number,
  turn: Span,
  place: Place | undefined,
): number {
  const written = text.slice(turn.start, turn.end);
  if (written.startsWith(prompt)) return prompt.length;
  // A reply that goes on in a turn already begun, as after the results of tools: what is written before it says.
  const before = index === 0 ? undefined : promptBefore(writer, input, index);
  if (before !== undefined && text.startsWith(before) && before.length >= turn.start) {
    if (before.length < turn.end) return before.length - turn.start;
  }
  const header = headers.find((each) => written.startsWith(each));
  if (header !== undefined) return header.length;
  const expected = JSON.stringify(prompt);
  throw noExactMask(place, `a reply does not begin with the generation prompt ${expected}`);
}

function promptBefore(writer: Writer, input: JinjaInput, index: number): string | undefined {
  const messages = input.messages.slice(0, index);
  try {
    return writer.write({ ...input, messages }, { add_generation_prompt: true });
  } catch {
    // A template may refuse a beginning alone: then it says nothing of where this one ends.
    return undefined;
  }
}

/** A turn's text where exactly one loop wrote it. */
function turnOf(marked: Marked, index: number): Span | undefined {
  const spans = marked.turns.get(index) ?? [];
  return spans.length === 1 ? spans[0] : undefined;
}

/** The turn by what is written with and without it, for templates whose loops do not tell. */
function prefixTurn(
  writer: Writer,
  text: string,
  { messages, tools }: JinjaInput,
  index: number,
  place: Place | undefined,
): Span {
  const before = writer.write({ messages: messages.slice(0, index), tools }, {}, place);
  const after = writer.write({ messages: messages.slice(0, index + 1), tools }, {}, place);
  if (text.startsWith(after) && after.startsWith(before) && after.length > before.length) {
    return { start: before.length, end: after.length };
  }
  throw noExactMask(place, 'it writes earlier turns in another way once later ones follow');
}

const question = { role: 'user', content: 'question' };
const answer = { role: 'assistant', content: 'reply' };
const ask: JinjaInput = { messages: [question], tools: [] };

function probe(writer: Writer, specials: readonly string[]): Manner {
  const asked = writer.write(ask, {});
  const once = writer.mark({ messages: [question, answer], tools: [] }, {});
  const span = turnOf(once, 1);
  const from = span?.start ?? (once.text.startsWith(asked) ? asked.length : once.text.length);
  const last = around(once.text.slice(from, span?.end), specials);
  const first = firstOfTwo(writer, specials);
  // A template that takes no heed of `add_generation_prompt` may still write a header before a reply: then that is the prompt.
  const written = last.before.trim() === '' ? '' : last.before;
  const prompt = generationPrompt(writer, asked) || written;
  const headers = [last.before, first?.before ?? ''].map((before) => commonStart(prompt, before));
  const stopToken = last.stopToken ?? first?.stopToken;
  return {
    prompt,
    headers: headers.filter((header) => header !== '').sort((a, b) => b.length - a.length),
    stopToken,
    isUnclear: stopToken === undefined && last.after !== '',
    lastIsBare: last.stopToken === undefined && stopToken !== undefined,
  };
}

type Around = {
  readonly before: string;
  readonly after: string | undefined;
  /** The control token that ends it. */
  readonly stopToken: string | undefined;
};

/** What stands around the reply in a turn of the probe. */
function around(turn: string, specials: readonly string[]): Around {
  const at = turn.indexOf(answer.content);
  if (at < 0) return { before: '', after: undefined, stopToken: undefined };
  const after = turn.slice(at + answer.content.length).trim();
  const stopToken = specials.find((token) => after.endsWith(token));
  return { before: turn.slice(0, at), after, stopToken };
}

/** Of a reply that another turn follows. */
function firstOfTwo(writer: Writer, specials: readonly string[]): Around | undefined {
  const twice = writer.mark({ messages: [question, answer, question, answer], tools: [] }, {});
  const span = turnOf(twice, 1);
  return span && around(twice.text.slice(span.start, span.end), specials);
}

/** What follows a question where a reply is asked for. */
function generationPrompt(writer: Writer, asked: string): string {
  const marked = writer.mark(ask, { add_generation_prompt: true });
  const after = marked.text.slice(turnOf(marked, 0)?.end ?? marked.text.length);
  if (after !== '') return after;
  return marked.text.startsWith(asked) ? marked.text.slice(asked.length) : '';
}

function commonStart(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return a.slice(0, at);
}
