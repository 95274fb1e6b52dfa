/**
 * @file A row token by token: what is fed, what of it is learned, and what was cut off. It is read from the
 * Prepared set itself; the example is encoded again only to know prompts from replies, and must agree.
 */
import { invariant, type Place } from '../core/errors.ts';
import { readRows } from '../files/rows.ts';
import { tokenBytes } from '../tokenizer/byte-level.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type EncodeOptions, encodeTurns } from './encode-example.ts';
import type { Example } from './example.ts';
import { ignored } from './labels.ts';
import type { Prepared } from './prepared.ts';
import { formatOf, type Source } from './sources.ts';

export type TokenState = 'trained' | 'masked' | 'truncated';

export type Token = {
  readonly id: number;
  /** What it writes; bytes that are no character by themselves are written `\xe6`. */
  readonly text: string;
  readonly state: TokenState;
  readonly special: boolean;
  /** Of which part of the conversation; undefined in plain text. */
  readonly part?: 'prompt' | 'reply';
  /** Where another token than this one is learned here. */
  readonly label?: number;
};

export type TokenDocument = {
  readonly place: Place;
  /** In their order; what was cut off stands where it was cut. */
  readonly tokens: readonly Token[];
};

export type TokenRow = {
  readonly row: number;
  readonly fed: number;
  readonly trained: number;
  readonly truncated: number;
  readonly documents: readonly TokenDocument[];
};

export type TokenInput = {
  readonly prepared: Prepared;
  readonly tokenizer: Tokenizer;
  /** For conversations: where they came from, and how they were encoded. */
  readonly conversations?: { readonly sources: readonly Source[]; readonly options: EncodeOptions };
};

/** A row of the set, as it is fed. */
export function tokensOfRow(row: number, input: TokenInput): TokenRow {
  const { prepared } = input;
  const [ids, labels] = [prepared.ids(row), prepared.labels(row)];
  const places = prepared.places(row);
  let from = 0;
  const documents = Array.from(prepared.documents(row), (length, i): TokenDocument => {
    const place = places[i];
    const fed = {
      ids: ids.subarray(from, from + length),
      labels: labels.subarray(from, from + length),
    };
    from += length;
    return { place, tokens: documentTokens(fed, place, input) };
  });
  const all = documents.flatMap(({ tokens }) => tokens);
  const count = (state: TokenState): number => all.filter((token) => token.state === state).length;
  return {
    row,
    fed: ids.length,
    trained: count('trained'),
    truncated: count('truncated'),
    documents,
  };
}

type Fed = { readonly ids: Int32Array; readonly labels: Int32Array };

function documentTokens({ ids, labels }: Fed, place: Place, input: TokenInput): Token[] {
  const { tokenizer, conversations } = input;
  const show = (id: number) => ({
    id,
    text: textOf(id, tokenizer),
    special: tokenizer.isSpecial(id),
  });
  const fed = Array.from(ids, (id, i): Token => {
    const label = labels[i];
    // Nothing stands before a document's first token that could predict it.
    const state = label === ignored || i === 0 ? 'masked' : 'trained';
    return { ...show(id), state, ...(label !== ignored && label !== id ? { label } : {}) };
  });
  if (!conversations) return fed;

  const example = findExample(conversations.sources, place);
  const { turns, labeled } = encodeTurns(example, conversations.options);
  const same = labeled.ids.length === ids.length && labeled.ids.every((id, i) => id === ids[i]);
  invariant(same, `row ${place.row} of ${place.file} is not what was prepared`);

  const tokens: Token[] = [];
  let at = 0;
  for (const [i, { source, target }] of turns.entries()) {
    for (const [part, whole, kept] of [
      ['prompt', source, labeled.kept[i].source],
      ['reply', target, labeled.kept[i].target],
    ] as const) {
      for (let j = 0; j < kept; j++) tokens.push({ ...fed[at++], part });
      for (const id of whole.subarray(kept)) tokens.push({ ...show(id), state: 'truncated', part });
    }
  }
  // The stop token that an `efficient_eos` template puts after all turns.
  while (at < fed.length) tokens.push({ ...fed[at++], part: 'reply' });
  return tokens;
}

/** The example that a document was made of, read again. */
function findExample(sources: readonly Source[], place: Place): Example {
  for (const source of sources) {
    const { files, reading } = source;
    if (!files.includes(place.file)) continue;
    for (const found of readRows(place.file)) {
      if (found.place.row === place.row)
        return formatOf(source).read(found.value, reading, found.place);
    }
  }
  throw new Error(`internal error: row ${place.row} of ${place.file} is gone`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(id: number, tokenizer: Tokenizer): string {
  const token = tokenizer.tokenOf(id);
  if (token === undefined) return '';
  if (tokenizer.addedTokens.some((added) => added.id === id)) return token;
  const bytes = tokenBytes(token);
  try {
    return utf8.decode(bytes);
  } catch {
    return Array.from(bytes, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    ).join('');
  }
}
