/**
 * @file What a Prepared set holds, in figures: lengths, what is learned, what was cut and where, sources, scripts,
 * duplicates. One pass over its mapped columns; memory grows by twelve bytes a document, never by its tokens.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Prepared } from './prepared.ts';
import { kindOf } from './stage.ts';
import { createTokenScript } from './token-script.ts';

export type Spread = {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
};

/** Documents that were cut, and the tokens that they lost. */
export type Cut = { readonly documents: number; readonly tokens: number };

export type SourceFigures = {
  readonly file: string;
  readonly documents: number;
  readonly tokens: number;
  readonly learned: number;
};

export type Stats = {
  readonly rows: number;
  /** As many as rows, but where rows are packs. */
  readonly documents: number;
  /** Tokens that are fed. */
  readonly tokens: number;
  readonly learned: number;
  /** Documents that were left out, and are in no other figure. */
  readonly left_out: number;
  /** Tokens of a document before it was cut, as `cutoff_len` bounds them: of a pair, the prompt and the longer reply. */
  readonly lengths: Spread;
  /** A document whose prompt and reply were both cut counts in both. */
  readonly cut: { readonly all: Cut; readonly prompt: Cut; readonly reply: Cut };
  /** In the order in which they first occur. */
  readonly sources: readonly SourceFigures[];
  /** Documents by the script of what is learned, the commonest first. `other` has no letters of those that are known. */
  readonly scripts: readonly { readonly script: string; readonly documents: number }[];
  /** Documents that are the same as an earlier one, token for token. */
  readonly duplicates: number;
};

export type Measured = {
  readonly stats: Stats;
  /** Of each document, before it was cut; ascending. */
  readonly lengths: Int32Array;
};

export function measure(prepared: Prepared, tokenizer: Tokenizer): Measured {
  const { manifest, perDocument } = prepared;
  const { documents, files } = manifest;
  const digests = new Float64Array(documents);
  const sources = files.map((file) => ({ file, documents: 0, tokens: 0, learned: 0 }));
  const byScript = new Map<string, number>();
  const scriptOf = createTokenScript(tokenizer);

  let at = 0;
  for (let row = 0; row < prepared.count; row++) {
    for (const { ids, labels, all } of documentsOf(prepared, row)) {
      digests[at] = hash(all);
      const name = scriptOf(ids, labels) ?? 'other';
      byScript.set(name, (byScript.get(name) ?? 0) + 1);
      const source = sources[perDocument.file[at]];
      if (source) {
        source.documents++;
        source.tokens += perDocument.length[at];
        source.learned += perDocument.targets[at];
      }
      at++;
    }
  }
  const { whole, truncated, truncated_reply: ofReply } = perDocument;
  const lengths = whole.slice().sort();
  return {
    lengths,
    stats: {
      rows: prepared.count,
      documents,
      tokens: prepared.tokens,
      learned: prepared.targets,
      left_out: manifest.left_out,
      lengths: spreadOf(lengths),
      cut: {
        all: cutOf(documents, (i) => truncated[i]),
        prompt: cutOf(documents, (i) => truncated[i] - ofReply[i]),
        reply: cutOf(documents, (i) => ofReply[i]),
      },
      sources: sources.filter((source) => source.documents > 0),
      scripts: [...byScript]
        .map(([script, count]) => ({ script, documents: count }))
        .sort((a, b) => b.documents - a.documents),
      duplicates: repeated(digests),
    },
  };
}

type DocumentColumns = {
  /** What tells the script, with what of it is learned. */
  readonly ids: Int32Array;
  readonly labels?: Int32Array;
  /** All that makes two documents the same. */
  readonly all: readonly Int32Array[];
};

/** The documents of a row, each by its columns. */
function* documentsOf(prepared: Prepared, row: number): Generator<DocumentColumns> {
  const column = (name: string): Int32Array => prepared.column(name, row);
  const kind = kindOf[prepared.manifest.stage];
  if (kind === 'pairs') {
    const ids = column('chosen_ids');
    yield { ids, all: [column('prompt_ids'), ids, column('rejected_ids')] };
  } else if (kind === 'prompts') {
    const [prompt, reply] = [column('prompt_ids'), column('reply_ids')];
    yield { ids: reply.length > 0 ? reply : prompt, all: [prompt] };
  } else if (kind === 'tagged') {
    const [ids, labels] = [column('input_ids'), column('labels')];
    yield { ids, labels, all: [ids, labels, column('kto_tag')] };
  } else {
    const [ids, labels] = [column('input_ids'), column('labels')];
    let from = 0;
    for (const length of prepared.documents(row)) {
      const own = ids.subarray(from, from + length);
      const ownLabels = labels.subarray(from, from + length);
      yield { ids: own, labels: ownLabels, all: [own, ownLabels] };
      from += length;
    }
  }
}

/** 53 bits of two multiplicative hashes: among a million documents two differing ones meet once in 18,000 sets. */
function hash(columns: readonly Int32Array[]): number {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (const column of columns) {
    a = Math.imul(a ^ column.length, 0x01000193);
    b = Math.imul(b + column.length, 0x85ebca6b);
    for (let i = 0; i < column.length; i++) {
      const value = column[i];
      a = Math.imul(a ^ value, 0x01000193);
      a ^= a >>> 15;
      b = Math.imul(b + value, 0x85ebca6b);
      b ^= b >>> 13;
    }
  }
  return (a >>> 0) * 2 ** 21 + (b >>> 11);
}

function repeated(digests: Float64Array): number {
  digests.sort();
  let count = 0;
  for (let i = 1; i < digests.length; i++) if (digests[i] === digests[i - 1]) count++;
  return count;
}

function cutOf(documents: number, cutAt: (document: number) => number): Cut {
  let [count, tokens] = [0, 0];
  for (let i = 0; i < documents; i++) {
    const cut = cutAt(i);
    if (cut > 0) count++;
    tokens += cut;
  }
  return { documents: count, tokens };
}

/** The smallest value that so large a share of the ascending values does not exceed. */
export function quantile(sorted: Int32Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function spreadOf(sorted: Int32Array): Spread {
  const total = sorted.reduce((sum, value) => sum + value, 0);
  return {
    min: quantile(sorted, 0),
    mean: total / sorted.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}
