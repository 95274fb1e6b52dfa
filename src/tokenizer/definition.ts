/** @file All that makes a tokenizer what it is, wherever it was read: the loaders write it, `createTokenizer` runs it. */
import { createHash } from 'node:crypto';
import type { AddedToken } from './added-tokens.ts';
import type { Part } from './normalizers.ts';

export type SpecialRole = 'bos' | 'eos' | 'pad';
export const specialRoles: readonly SpecialRole[] = ['bos', 'eos', 'pad'];

export type Definition = {
  /** What errors name. */
  readonly file: string;
  /** The model's vocabulary by id; ids that only an added token holds are absent. */
  readonly tokens: readonly (string | undefined)[];
  /** Left and right id of every merge, by rank. */
  readonly merges: Int32Array;
  /** The id that each merge makes. */
  readonly mergeResults: Int32Array;
  /** A pre-token that is in the vocabulary is taken whole, whatever the merges say (LLaMA 3). */
  readonly ignoreMerges: boolean;
  /** Stands for bytes that the vocabulary lacks; without it they are left out. */
  readonly unknown: string | undefined;
  readonly fuseUnknown: boolean;
  readonly normalizer: Part | undefined;
  readonly preTokenizer: Part | undefined;
  readonly postProcessor: Part | undefined;
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
  const { tokens, merges, ignoreMerges, unknown, fuseUnknown, added, special } = definition;
  const { normalizer, preTokenizer, postProcessor } = definition;
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify({
      // `null` for holes, which JSON has no word for.
      tokens: Array.from(tokens, (token) => token ?? null),
      ignoreMerges,
      unknown: unknown ?? null,
      fuseUnknown,
      normalizer: sorted(normalizer),
      preTokenizer: sorted(preTokenizer),
      postProcessor: sorted(postProcessor),
      added,
      special: [special.bos ?? null, special.eos ?? null, special.pad ?? null],
    }),
  );
  hash.update(new Uint8Array(merges.buffer, merges.byteOffset, merges.byteLength));
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
