/** @file Micro-batches: a step's rows cut by tokens and laid end to end, with what each position is asked for. */

/** A row as the plan names it: ids, labels, and the lengths of its documents. */
export type Row = {
  /** Its number in the Prepared set: what its random draws are known by. */
  readonly row: number;
  readonly ids: Int32Array;
  /** -100 where nothing is learned. The label at i is for the token at i, which position i - 1 predicts. */
  readonly labels: Int32Array;
  readonly documents: Int32Array;
};

export type MicroBatch = {
  readonly rows: readonly number[];
  /** [T] */
  readonly ids: Int32Array;
  /** Position in its document, [T]. */
  readonly positions: Int32Array;
  /** First position of each document, and the end: [N + 1]. */
  readonly documents: Int32Array;
  /** Row of origin and place in it, [T]: the names of random draws. */
  readonly rowIds: Int32Array;
  readonly rowPositions: Int32Array;
  /** Positions that predict a target, and the targets: [n]. */
  readonly asked: Int32Array;
  readonly targets: Int32Array;
  /** First target of each row, and the end: [rows + 1]. */
  readonly targetBounds: Int32Array;
};

/** What `micro_batch_tokens: auto` means: large enough for full speed, small enough for little memory. */
export const autoMicroBatchTokens = 1024;

/** Cuts rows, kept in order, into runs of at most `limit` tokens; a longer row stands alone. */
export function cutMicroBatches<R extends Pick<Row, 'ids'>>(
  rows: readonly R[],
  limit: number,
): R[][] {
  const cuts: R[][] = [];
  let tokens = 0;
  for (const row of rows) {
    const last = cuts.at(-1);
    if (last === undefined || tokens + row.ids.length > limit) {
      cuts.push([row]);
      tokens = row.ids.length;
    } else {
      last.push(row);
      tokens += row.ids.length;
    }
  }
  return cuts;
}

const ignored = -100;

export function layOut(rows: readonly Row[]): MicroBatch {
  const T = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const N = rows.reduce((sum, { documents }) => sum + documents.length, 0);
  const ids = new Int32Array(T);
  const positions = new Int32Array(T);
  const documents = new Int32Array(N + 1);
  const rowIds = new Int32Array(T);
  const rowPositions = new Int32Array(T);
  const asked: number[] = [];
  const targets: number[] = [];
  const targetBounds = new Int32Array(rows.length + 1);
  let at = 0;
  let document = 0;
  for (const [index, row] of rows.entries()) {
    ids.set(row.ids, at);
    let inRow = 0;
    for (const length of row.documents) {
      for (let i = 0; i < length; i++) {
        positions[at + inRow] = i;
        rowIds[at + inRow] = row.row;
        rowPositions[at + inRow] = inRow;
        const label = row.labels[inRow];
        if (i > 0 && label !== ignored) {
          asked.push(at + inRow - 1);
          targets.push(label);
        }
        inRow++;
      }
      document++;
      documents[document] = at + inRow;
    }
    at += row.ids.length;
    targetBounds[index + 1] = targets.length;
  }
  return {
    rows: rows.map(({ row }) => row),
    ids,
    positions,
    documents,
    rowIds,
    rowPositions,
    asked: Int32Array.from(asked),
    targets: Int32Array.from(targets),
    targetBounds,
  };
}
