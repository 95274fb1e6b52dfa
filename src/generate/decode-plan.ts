/**
 * @file Passes over one token of each sequence, without their overhead: the first of so many sequences is recorded as
 * a flat list of kernel calls on fixed buffers, and the next ones call that list, with ids and places changed in
 * their arrays. It is a recording, so it holds for every model family, storage and adapter.
 */
import { Memory } from '../engine/memory.ts';
import type { Cache } from '../engine/nn/index.ts';
import { within } from '../engine/session.ts';
import {
  type KernelCall,
  recordKernels,
  replayKernels,
  type TensorData,
} from '../kernels/kernel.ts';
import {
  type Loaded,
  logitsOf,
  type PassArrays,
  type Piece,
  passArrays,
  writePieces,
} from './forward.ts';

type Plan = {
  readonly arrays: PassArrays;
  readonly calls: readonly KernelCall[];
  /** [n, V] */
  readonly logits: TensorData;
};

export class DecodePlans {
  private readonly loaded: Loaded;
  private readonly cache: Cache;
  /** Most ranges of one sequence. */
  private readonly ranges: number;
  /** By number of sequences. */
  private readonly plans = new Map<number, Plan>();

  constructor({ model }: Loaded, cache: Cache, ranges: number) {
    // Buffers of a plan are used again after their scope has ended: nobody else may have them meanwhile.
    this.loaded = { model, memory: new Memory() };
    this.cache = cache;
    this.ranges = ranges;
  }

  /** Pieces of one token each → logits of what follows it: [n, V], f32, until the next call. */
  run(pieces: readonly Piece[]): TensorData {
    const known = this.plans.get(pieces.length);
    if (known) {
      writePieces(pieces, known.arrays);
      replayKernels(known.calls);
      return known.logits;
    }
    const plan = this.record(pieces);
    this.plans.set(pieces.length, plan);
    return plan.logits;
  }

  private record(pieces: readonly Piece[]): Plan {
    const { model, memory } = this.loaded;
    const n = pieces.length;
    const arrays = passArrays(n, n, n * this.ranges);
    writePieces(pieces, arrays);
    const { ids, positions, documents, rows, ranges } = arrays;
    const pass = {
      positions,
      documents,
      cache: this.cache.pass(rows, ranges),
      checkpointing: false,
    };
    let logits: TensorData | undefined;
    const calls = recordKernels(() =>
      within({ memory, tape: null, randomness: null, decoding: true }, () =>
        memory.scope(() => {
          logits = logitsOf(this.loaded, model.decoder({ ids }, pass)).data;
        }),
      ),
    );
    return { arrays, calls, logits: logits! };
  }
}
