/**
 * @file A row token by token: what is fed, what of it is learned, and what was cut off. It is read from the
 * Prepared set itself; the example is encoded again only to know prompts from replies and what was cut, and must agree.
 */
import type { Place } from '../core/errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { EncodeOptions } from './encode-example.ts';
import { type FoundExamples, findExamples } from './find-examples.ts';
import type { Prepared } from './prepared.ts';
import type { Source } from './sources.ts';
import { kindOf } from './stage.ts';
import type { textEncoder } from './text-blocks.ts';
import { bareDocuments } from './token-documents.ts';
import { type TokenText, textsOf } from './token-text.ts';

/**
 * `measured` is fed for its probability and not learned from (the KL pair of `kto`); `truncated` is what
 * `cutoff_len` cut off; `unfed` stands in the data and no model gets it (the reply of a prompt of `ppo`).
 */
export type TokenState = 'trained' | 'masked' | 'measured' | 'truncated' | 'unfed';

export type Token = TokenText & {
  readonly id: number;
  readonly state: TokenState;
  readonly special: boolean;
  /** Of which part of the conversation; undefined in plain text. */
  readonly part?: 'prompt' | 'reply';
  /** Where another token than this one is learned here: its id, and what it writes. */
  readonly label?: number;
  readonly learns?: string;
};

export type TokenDocument = {
  readonly place: Place;
  /** Which of the row's texts it is, where a row is more than documents of a pack: `prompt`, `chosen`, … */
  readonly name?: string;
  /** In their order; what was cut off stands where it was cut. */
  readonly tokens: readonly Token[];
};

export type TokenRow = {
  readonly row: number;
  readonly fed: number;
  readonly trained: number;
  readonly truncated: number;
  /** Of `kto`: whether the reply is wanted. */
  readonly wanted?: boolean;
  readonly documents: readonly TokenDocument[];
};

export type TokenInput = {
  readonly prepared: Prepared;
  readonly tokenizer: Tokenizer;
  /** For what a template renders: where it came from, and how it was encoded. */
  readonly conversations?: { readonly sources: readonly Source[]; readonly options: EncodeOptions };
  /** For texts that are rows by themselves: where they came from, and how they are encoded before they are cut. */
  readonly texts?: {
    readonly sources: readonly Source[];
    readonly encode: ReturnType<typeof textEncoder>;
  };
};

/** Rows whose examples are looked up in one reading of their files. */
const rowsAtOnce = 256;

/** Rows of the set, as they are fed. */
export function* tokensOfRows(rows: Iterable<number>, input: TokenInput): Generator<TokenRow> {
  const waiting = Iterator.from(rows);
  for (;;) {
    const some = [...waiting.take(rowsAtOnce)];
    if (some.length === 0) return;
    const places = some.flatMap((row) => input.prepared.places(row));
    const found = findExamples(places, (input.conversations ?? input.texts)?.sources ?? []);
    for (const row of some) yield tokenRow(row, input, found);
  }
}

function tokenRow(row: number, input: TokenInput, found: FoundExamples): TokenRow {
  const { prepared, tokenizer } = input;
  const kind = kindOf[prepared.manifest.stage];
  const documents = bareDocuments[kind](row, input, found).map(
    ({ tokens, ...document }): TokenDocument => ({
      ...document,
      tokens: written(tokens, tokenizer),
    }),
  );
  const all = documents.flatMap(({ tokens }) => tokens);
  const count = (...states: readonly TokenState[]): number =>
    all.filter(({ state }) => states.includes(state)).length;
  return {
    row,
    fed: count('trained', 'masked', 'measured'),
    trained: count('trained'),
    truncated: count('truncated'),
    ...(kind === 'tagged' ? { wanted: prepared.column('kto_tag', row)[0] === 1 } : {}),
    documents,
  };
}

/** A token before its text is known. */
export type Bare = Pick<Token, 'id' | 'state' | 'part' | 'label'>;
export type BareDocument = Omit<TokenDocument, 'tokens'> & { readonly tokens: readonly Bare[] };

function written(tokens: readonly Bare[], tokenizer: Tokenizer): Token[] {
  const texts = textsOf(
    tokens.map(({ id }) => id),
    tokenizer,
  );
  return tokens.map((token, i): Token => {
    const [learns] = token.label === undefined ? [] : textsOf([token.label], tokenizer);
    const special = tokenizer.isSpecial(token.id);
    return { ...token, ...texts[i], special, ...(learns ? { learns: learns.text } : {}) };
  });
}
