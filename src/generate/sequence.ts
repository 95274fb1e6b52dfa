/** @file A sequence under way, and the call that it belongs to: what is known of them between two passes. */
import type { BlockTable } from './blocks.ts';
import type { Sampling } from './sampling.ts';
import type { Generated, NewToken } from './session.ts';

export type Sequence = {
  readonly call: Call;
  /** What is read as a prompt, all of it before anything is chosen. */
  readonly prompt: Int32Array;
  /** So many tokens of the prompt need not be read where they are known already. */
  readonly reusable: number;
  /** Most tokens that the cache will hold of it. */
  readonly most: number;
  readonly table: BlockTable;
  /** Tokens that are in the cache. */
  read: number;
  /** Of them, tokens that an earlier sequence had read. */
  reused: number;
  /** Blocks that are set aside for it, and not taken yet. */
  promised: number;
  readonly work: Generating | Scoring;
};

export type Generating = {
  readonly kind: 'generate';
  /** Its place in its call. */
  readonly index: number;
  readonly seed: number;
  readonly sampling: Sampling;
  readonly stopIds: readonly number[];
  readonly logp: boolean;
  /** Prompt and reply, with room for the longest. */
  readonly ids: Int32Array;
  length: number;
  reason: Generated['reason'] | undefined;
};

export type Scoring = {
  readonly kind: 'score';
  readonly ids: Int32Array;
  readonly from: number;
  /** log p of tokens `from`, `from` + 1, … */
  readonly into: Float32Array;
};

/** What one caller waits for. */
export class Call {
  /** Tokens that the caller has not taken yet. */
  readonly tokens: NewToken[] = [];
  /** Sequences that are not done. */
  open: number;
  error: Error | undefined;
  private wake: () => void = () => {};

  constructor(sequences: number) {
    this.open = sequences;
  }

  get over(): boolean {
    return this.open === 0 || this.error !== undefined;
  }

  /** Tells the caller that there is news. */
  tell(): void {
    this.wake();
  }

  /** Resolves at the next news. */
  news(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
