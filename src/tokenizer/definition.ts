/** @file All that makes a tokenizer what it is, wherever it was read: the loaders write it, `createTokenizer` runs it. */
import { createHash } from 'node:crypto';
import type { AddedToken } from './added-tokens.ts';
import type { Part } from './normalizers.ts';

export type SpecialRole = 'bos' | 'eos' | 'pad';
export const specialRoles: readonly SpecialRole[] = ['bos', 'eos', 'pad'];

export type BpeModel = {
  readonly type: 'bpe';
  /** Left and right id of every merge, by rank. */
  readonly merges: Int32Array;
  /** The id that each merge makes. */
  readonly mergeResults: Int32Array;
  /** Rank of every merge where several may be equal, as SentencePiece's scores are; without it its place in the list. */
  readonly ranks?: Int32Array;
  /** A pre-token that is in the vocabulary is taken whole, whatever the merges say (LLaMA 3). */
  readonly ignoreMerges: boolean;
  /** Stands for what the vocabulary lacks; without it that is left out. */
  readonly unknown: string | undefined;
  /** One unknown token for a run of unknown characters. */
  readonly fuseUnknown: boolean;
  /** A character that the vocabulary lacks becomes the tokens `<0x00>` … `<0xFF>` of its bytes. */
  readonly byteFallback: boolean;
  /** Ids of tokens that are found in the text before anything merges, and never merge (SentencePiece's user-defined symbols). */
  readonly frozen?: readonly number[];
};

export type UnigramModel = {
  readonly type: 'unigram';
  /** Logarithms of probability by id; NaN where no text may become the token. */
  readonly scores: Float64Array;
  readonly unknown: number | undefined;
  readonly byteFallback: boolean;
  /** Sums in single precision and with its bonus for these ids, as SentencePiece does it; without it as the library. */
  readonly userDefined?: readonly number[];
};

export type Definition = {
  /** What errors name. */
  readonly file: string;
  /** The model's vocabulary by id; ids that only an added token holds are absent. */
  readonly tokens: readonly (string | undefined)[];
  /** How a pre-token becomes ids. */
  readonly model: BpeModel | UnigramModel;
  readonly normalizer: Part | undefined;
  readonly preTokenizer: Part | undefined;
  readonly postProcessor: Part | undefined;
  /** Without it the tokens stand apart by spaces, as in the library. */
  readonly decoder: Part | undefined;
  readonly added: readonly AddedToken[];
  /** Token texts. */
  readonly special: Readonly<Partial<Record<SpecialRole, string>>>;
  /** The files that it was read from, to be written again as they were. */
  readonly source?: {
    readonly tokenizerJson: string;
    readonly config: Readonly<Record<string, unknown>>;
  };
};

/** SHA-256 of what decides ids and text: the same for a GGUF's tokenizer and for the files written from it. */
export function digestOf(definition: Definition): string {
  const { tokens, model, added, special } = definition;
  const { normalizer, preTokenizer, postProcessor, decoder } = definition;
  const bpe = model.type === 'bpe' ? model : undefined;
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify({
      // `null` for holes, which JSON has no word for.
      tokens: Array.from(tokens, (token) => token ?? null),
      ...(bpe && { ignoreMerges: bpe.ignoreMerges }),
      unknown: model.unknown ?? null,
      ...(bpe && { fuseUnknown: bpe.fuseUnknown }),
      normalizer: sorted(normalizer),
      preTokenizer: sorted(preTokenizer),
      postProcessor: sorted(postProcessor),
      added,
      special: [special.bos ?? null, special.eos ?? null, special.pad ?? null],
      // The flags of a byte-level decoder mean nothing.
      ...(decoder?.type !== 'ByteLevel' && { decoder: sorted(decoder) }),
      ...(model.byteFallback && { byteFallback: true }),
      ...(bpe?.frozen && { frozen: bpe.frozen }),
      ...(model.type === 'unigram' && { userDefined: model.userDefined ?? null }),
    }),
  );
  const numbers =
    model.type === 'unigram' ? [model.scores] : [model.merges, model.ranks ?? new Int32Array(0)];
  for (const { buffer, byteOffset, byteLength } of numbers) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

/** Keys in one order, so that a file's own order does not matter. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
