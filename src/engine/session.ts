/** @file What ops run in: the memory they take from, the tape they record on, and the micro-batch's randomness. */
import { invariant } from '../core/errors.ts';
import { Memory } from './memory.ts';
import type { RoundedCopies } from './rounded.ts';
import type { Tape } from './tape.ts';

/** Names every random draw by what it is for, never by a place in a buffer. */
export type Randomness = {
  readonly seed: number;
  readonly step: number;
  /** Row of origin of each position, [T]. */
  readonly rowIds: Int32Array;
  /** Position in its row, [T]. */
  readonly positions: Int32Array;
  /** Rows of the pass that its last block goes on with: an op that reads as many draws for them. */
  readonly asked?: Int32Array;
};

/** The names of the draws of an input of `rows` rows: of the whole pass, or of what was asked of it. */
export function drawsOf(randomness: Randomness, rows: number): Randomness {
  const { asked, rowIds, positions, ...rest } = randomness;
  if (asked === undefined || rows === rowIds.length) return { ...rest, rowIds, positions };
  invariant(rows === asked.length, 'randomness is for another number of rows');
  const of = (names: Int32Array) => asked.map((row) => names[row]);
  return { ...rest, rowIds: of(rowIds), positions: of(positions) };
}

export type Session = {
  readonly memory: Memory;
  readonly tape: Pick<Tape, 'record' | 'selective'> | null;
  /** Set while training: without it dropout passes its input through. */
  readonly randomness: Randomness | null;
  /** Of what is learned, while a step learns it in bf16. */
  readonly rounded: RoundedCopies | null;
  /** Each sequence adds one token: weights are read where they lie, and no row's result depends on the others. */
  readonly decoding: boolean;
};

let current: Session = {
  memory: new Memory(),
  tape: null,
  randomness: null,
  rounded: null,
  decoding: false,
};

export const session = (): Session => current;

/** Runs `work` in the open session changed by `changes`. Sessions nest and are synchronous. */
export function within<Result>(changes: Partial<Session>, work: () => Result): Result {
  const before = current;
  current = { ...before, ...changes };
  try {
    const result = work();
    invariant(!(result instanceof Promise), 'a session cannot outlive its call');
    return result;
  } finally {
    current = before;
  }
}
