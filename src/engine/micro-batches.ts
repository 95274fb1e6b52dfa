/** @file Micro-batches: a step's rows cut by tokens and laid end to end, with what each position is asked for. */
import { balancedCuts } from './balanced-cuts.ts';
import type { KeyRanges } from './ops/attention.ts';

/** A row as the plan names it: ids, labels, and the lengths of its documents. */
export type Row = {
  /** Its number in the Prepared set: what its random draws are known by. */
  readonly row: number;
  readonly ids: Int32Array;
  /** -100 where nothing is learned. The label at i is for the token at i, which position i - 1 predicts. */
  readonly labels: Int32Array;
  readonly documents: Int32Array;
};

/** Replies to one prompt, as preference methods have them: a chosen and a rejected one. The prompt is read once. */
export type RepliesRow = {
  readonly row: number;
  readonly prompt: Int32Array;
  /** Each goes on from the prompt and sees nothing of the others; the prompt's last position predicts its first token. */
  readonly replies: readonly Reply[];
};
export type Reply = Pick<Row, 'ids' | 'labels'>;

export type MicroBatch = {
  readonly rows: readonly number[];
  /** [T] */
  readonly ids: Int32Array;
  /** Position in its document, [T]. */
  readonly positions: Int32Array;
  /** First position of each document, and the end: [N + 1]. A prompt and each of its replies are one each. */
  readonly documents: Int32Array;
  /** Which positions each document reads, where replies share a prompt. */
  readonly keys?: KeyRanges;
  /** Row of origin and place in it, [T]: the names of random draws. */
  readonly rowIds: Int32Array;
  readonly rowPositions: Int32Array;
  /** Positions that predict a target, and the targets: [n]. A prompt's last one may predict several. */
  readonly asked: Int32Array;
  readonly targets: Int32Array;
  /** First target of each row, and the end: [rows + 1]. */
  readonly targetBounds: Int32Array;
  /** The same of each reply in the order of the rows; a row without a shared prompt counts as one. */
  readonly replyBounds: Int32Array;
};

const tokensOf = (row: Row | RepliesRow): number =>
  'ids' in row
    ? row.ids.length
    : row.replies.reduce((sum, { ids }) => sum + ids.length, row.prompt.length);

/** Cuts rows, kept in order, into even runs of at most `limit` tokens; a longer row stands alone. */
export const cutMicroBatches = <R extends Row | RepliesRow>(
  rows: readonly R[],
  limit: number,
): R[][] => balancedCuts(rows, limit, tokensOf);

/** The row as it is without sharing: the prompt before each reply. What sharing is held against. */
export const apart = ({ row, prompt, replies }: RepliesRow): Row[] =>
  replies.map(({ ids, labels }) => ({
    row,
    ids: Int32Array.of(...prompt, ...ids),
    labels: Int32Array.of(...prompt.map(() => ignored), ...labels),
    documents: Int32Array.of(prompt.length + ids.length),
  }));

const ignored = -100;

/** What lies together: a document, a prompt, or a reply after its prompt. */
type Piece = {
  readonly ids: Int32Array;
  readonly labels: Int32Array | null;
  readonly prompt: Piece | null;
};

function piecesOf(row: Row | RepliesRow): Piece[] {
  if ('ids' in row) {
    let from = 0;
    return Array.from(row.documents, (length) => {
      const [ids, labels] = [row.ids, row.labels].map((all) => all.subarray(from, from + length));
      from += length;
      return { ids, labels, prompt: null };
    });
  }
  const prompt = row.prompt.length > 0 ? { ids: row.prompt, labels: null, prompt: null } : null;
  const replies = row.replies.map((reply) => ({ ...reply, prompt }));
  return prompt ? [prompt, ...replies] : replies;
}

export function layOut(rows: readonly (Row | RepliesRow)[]): MicroBatch {
  const T = rows.reduce((sum, row) => sum + tokensOf(row), 0);
  const ids = new Int32Array(T);
  const positions = new Int32Array(T);
  const rowIds = new Int32Array(T);
  const rowPositions = new Int32Array(T);
  const documents = [0];
  const ranges: number[] = [];
  const rangeStarts = [0];
  const asked: number[] = [];
  const targets: number[] = [];
  const targetBounds = [0];
  const replyBounds = [0];
  const starts = new Map<Piece, number>();
  let at = 0;
  for (const row of rows) {
    const first = at;
    for (const piece of piecesOf(row)) {
      const { labels, prompt } = piece;
      const start = at;
      const promptStart = prompt ? starts.get(prompt)! : start;
      const before = prompt?.ids.length ?? 0;
      starts.set(piece, start);
      ids.set(piece.ids, start);
      for (let i = 0; i < piece.ids.length; i++, at++) {
        positions[at] = before + i;
        rowIds[at] = row.row;
        rowPositions[at] = at - first;
        if (labels === null || labels[i] === ignored || before + i === 0) continue;
        asked.push(i > 0 ? at - 1 : promptStart + before - 1);
        targets.push(labels[i]);
      }
      documents.push(at);
      if (before > 0) ranges.push(promptStart, before);
      ranges.push(start, at - start);
      rangeStarts.push(ranges.length / 2);
      if ('replies' in row && labels !== null) replyBounds.push(targets.length);
    }
    targetBounds.push(targets.length);
    if ('ids' in row) replyBounds.push(targets.length);
  }
  const keys = { ranges: Int32Array.from(ranges), starts: Int32Array.from(rangeStarts) };
  return {
    rows: rows.map(({ row }) => row),
    ids,
    positions,
    documents: Int32Array.from(documents),
    ...(rows.some((row) => 'replies' in row) ? { keys } : {}),
    rowIds,
    rowPositions,
    asked: Int32Array.from(asked),
    targets: Int32Array.from(targets),
    targetBounds: Int32Array.from(targetBounds),
    replyBounds: Int32Array.from(replyBounds),
  };
}
