/**
 * @file What is fed of a row, by what the stage learns from, and what was cut off in its place. Ids and labels are
 * the Prepared set's; the example, encoded again without a limit, tells what else there was.
 */
import type { Place } from '../core/errors.ts';
import { type EncodeOptions, encodeTurns } from './encode-example.ts';
import { encodePair } from './encode-pair.ts';
import { encodePrompt } from './encode-prompt.ts';
import { rowChanged } from './errors.ts';
import type { Example } from './example.ts';
import type { FoundExamples } from './find-examples.ts';
import { ignored } from './labels.ts';
import type { Kind } from './stage.ts';
import type { Bare, BareDocument, TokenInput, TokenState } from './tokens.ts';

type Documents = (row: number, input: TokenInput, found: FoundExamples) => readonly BareDocument[];

/** Nothing stands before a document's first token that could predict it. */
function fedTokens(ids: Int32Array, labels: Int32Array): Bare[] {
  return Array.from(ids, (id, i): Bare => {
    const label = labels[i];
    const state = label === ignored || i === 0 ? 'masked' : 'trained';
    return { id, state, ...(label !== ignored && label !== id ? { label } : {}) };
  });
}

const all = (ids: Int32Array, state: TokenState, part?: 'prompt' | 'reply'): Bare[] =>
  Array.from(ids, (id) => ({ id, state, ...(part === undefined ? {} : { part }) }));

/** A text by itself, or a block of joined texts. */
function textBlock(row: number, { prepared, texts }: TokenInput, found: FoundExamples) {
  const ids = prepared.ids(row);
  const [place] = prepared.places(row);
  const fed = fedTokens(ids, prepared.labels(row));
  if (!texts || prepared.truncatedOf(row) === 0) return [{ place, tokens: fed }];
  const rest = firstThatAgrees(place, found, (example) => {
    const whole = texts.encode(example).columns.input_ids;
    // BOS stands before a text that has one.
    const lead = [0, 1].find((from) => begins(whole, ids.subarray(from)));
    return lead === undefined ? undefined : whole.subarray(ids.length - lead);
  });
  return [{ place, tokens: [...fed, ...all(rest, 'truncated')] }];
}

/** The conversation of a row, or those of a pack. */
function packed(row: number, { prepared, conversations }: TokenInput, found: FoundExamples) {
  const [ids, labels] = [prepared.ids(row), prepared.labels(row)];
  const places = prepared.places(row);
  let from = 0;
  return Array.from(prepared.documents(row), (length, i): BareDocument => {
    const place = places[i];
    const own = ids.subarray(from, from + length);
    const fed = fedTokens(own, labels.subarray(from, from + length));
    from += length;
    if (!conversations) return { place, tokens: fed };
    const tokens = firstThatAgrees(place, found, (example) =>
      turnsOf(example, own, fed, conversations.options),
    );
    return { place, tokens };
  });
}

/** What an example shows of itself; undefined where it is not what was fed. */
function firstThatAgrees<T>(
  place: Place,
  found: FoundExamples,
  show: (example: Example) => T | undefined,
): T {
  for (const example of found(place)) {
    const shown = show(example);
    if (shown !== undefined) return shown;
  }
  throw rowChanged(place);
}

function turnsOf(
  example: Example,
  ids: Int32Array,
  fed: readonly Bare[],
  options: EncodeOptions,
): Bare[] | undefined {
  const { turns, labeled } = encodeTurns(example, options);
  if (!same(labeled.ids, ids)) return undefined;
  const tokens: Bare[] = [];
  let at = 0;
  for (const [i, { source, target }] of turns.entries()) {
    for (const [part, whole, kept] of [
      ['prompt', source, labeled.kept[i].source],
      ['reply', target, labeled.kept[i].target],
    ] as const) {
      for (let j = 0; j < kept; j++) tokens.push({ ...fed[at++], part });
      tokens.push(...all(whole.subarray(kept), 'truncated', part));
    }
  }
  // The stop token that an `efficient_eos` template puts after all turns.
  while (at < fed.length) tokens.push({ ...fed[at++], part: 'reply' });
  return tokens;
}

const same = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);

const begins = (whole: Int32Array, start: Int32Array): boolean =>
  start.length <= whole.length && start.every((id, i) => id === whole[i]);

/** The columns that an encoder would make if nothing were ever cut. */
function wholeColumns(
  encoder: typeof encodePair,
  example: Example,
  options: EncodeOptions,
): Readonly<Record<string, Int32Array>> | undefined {
  const endless = { ...options, cutoff: Number.POSITIVE_INFINITY, allowUnsupervised: true };
  return encoder(example, endless, () => {})?.columns;
}

/** A column as it is fed, and after it what was cut off its end. */
function withCut(
  fed: readonly Bare[],
  whole: Int32Array | undefined,
  part: 'prompt' | 'reply',
): Bare[] {
  return [
    ...fed.map((token) => ({ ...token, part })),
    ...all(whole?.subarray(fed.length) ?? new Int32Array(0), 'truncated', part),
  ];
}

/** The prompt once, and each reply. */
function pairs(row: number, { prepared, conversations }: TokenInput, found: FoundExamples) {
  const column = (name: string): Int32Array => prepared.column(name, row);
  const [place] = prepared.places(row);
  const ids = ['prompt_ids', 'chosen_ids', 'rejected_ids'].map(column);
  const [prompt, ...replies] = ids;
  const whole = conversations
    ? firstThatAgrees(place, found, (example) => {
        const columns = wholeColumns(encodePair, example, conversations.options);
        const list = ['prompt_ids', 'chosen_ids', 'rejected_ids'].map((name) => columns?.[name]);
        const agrees = ids.every((fed, i) => begins(list[i] ?? new Int32Array(0), fed));
        return agrees ? list : undefined;
      })
    : [];
  const documents: BareDocument[] = [
    { place, name: 'prompt', tokens: withCut(all(prompt, 'masked', 'prompt'), whole[0], 'prompt') },
  ];
  for (const [i, name] of ['chosen', 'rejected'].entries()) {
    const fed = fedTokens(replies[i], column(`${name}_labels`));
    // The prompt's last token predicts a reply's first.
    const [first] = fed;
    if (first && prompt.length > 0 && column(`${name}_labels`)[0] !== ignored) {
      fed[0] = { ...first, state: 'trained' };
    }
    documents.push({ place, name, tokens: withCut(fed, whole[i + 1], 'reply') });
  }
  return documents;
}

/** The prompt and the reply of an example, whole; undefined where it is not at hand. */
function promptAndReply(
  place: Place,
  { conversations }: TokenInput,
  found: FoundExamples,
  agrees: (prompt: Int32Array, reply: Int32Array) => boolean,
): { prompt: Int32Array; reply: Int32Array } | undefined {
  if (!conversations) return undefined;
  return firstThatAgrees(place, found, (example) => {
    const columns = wholeColumns(encodePrompt, example, conversations.options);
    const { prompt_ids: prompt, reply_ids: reply } = columns ?? {};
    return prompt && reply && agrees(prompt, reply) ? { prompt, reply } : undefined;
  });
}

/** Where a reply begins: the prompt before it has no labels. */
function firstLearned(labels: Int32Array): number {
  const first = labels.findIndex((label) => label !== ignored);
  return first < 0 ? labels.length : first;
}

/** The reply with its prompt, and the pair of the KL term, of which nothing is learned. */
function tagged(row: number, input: TokenInput, found: FoundExamples) {
  const { prepared } = input;
  const column = (name: string): Int32Array => prepared.column(name, row);
  const [place] = prepared.places(row);
  const ids = column('input_ids');
  const fed = fedTokens(ids, column('labels'));
  // A row is one document here; prompt and reply keep their beginnings.
  const { truncated, truncated_reply: ofReply } = prepared.perDocument;
  const keptOf = (prompt: Int32Array): number => prompt.length - truncated[row] + ofReply[row];
  const whole = promptAndReply(place, input, found, (question, answer) => {
    const kept = keptOf(question);
    return (
      kept >= 0 && begins(question, ids.subarray(0, kept)) && begins(answer, ids.subarray(kept))
    );
  });
  const kept = whole ? keptOf(whole.prompt) : firstLearned(column('labels'));
  const kl = column('kl_input_ids');
  const klLabels = column('kl_labels');
  const klReply = firstLearned(klLabels);
  return [
    {
      place,
      name: column('kto_tag')[0] === 1 ? 'wanted' : 'not wanted',
      tokens: [
        ...withCut(fed.slice(0, kept), whole?.prompt, 'prompt'),
        ...withCut(fed.slice(kept), whole?.reply, 'reply'),
      ],
    },
    {
      place,
      name: 'KL pair',
      tokens: Array.from(kl, (id, i): Bare => {
        const state = klLabels[i] === ignored ? 'masked' : 'measured';
        return { id, state, part: i < klReply ? 'prompt' : 'reply' };
      }),
    },
  ];
}

/** The prompt, and the reply that the data have for it. */
function prompts(row: number, input: TokenInput, found: FoundExamples) {
  const { prepared } = input;
  const [place] = prepared.places(row);
  const [fed, answer] = [prepared.column('prompt_ids', row), prepared.column('reply_ids', row)];
  const whole = promptAndReply(
    place,
    input,
    found,
    (prompt, given) => begins(prompt, fed) && begins(given, answer),
  );
  const reply = whole?.reply ?? answer;
  return [
    {
      place,
      name: 'prompt',
      tokens: withCut(all(fed, 'masked', 'prompt'), whole?.prompt, 'prompt'),
    },
    ...(reply.length > 0
      ? [{ place, name: 'reply in the data', tokens: all(reply, 'unfed', 'reply') }]
      : []),
  ];
}

/** By what the stage learns from. */
export const bareDocuments: Readonly<Record<Kind, Documents>> = {
  text: textBlock,
  conversations: packed,
  pairs,
  tagged,
  prompts,
};
