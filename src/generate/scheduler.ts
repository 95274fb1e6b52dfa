/**
 * @file Which sequences are under way: they begin as room becomes free, the call with the fewest first, and each is
 * promised all the blocks that it may ever need, so none is ever put off once it began.
 */
import type { Cache } from '../engine/nn/index.ts';
import { BlockPool, BlockTable } from './blocks.ts';
import type { Piece } from './forward.ts';
import { PrefixTree, sharedLength } from './prefix-tree.ts';
import type { Call, Sequence } from './sequence.ts';

export type SchedulerOptions = {
  /** Blocks of the cache. */
  readonly blocks: number;
  /** Most sequences that are under way together. */
  readonly sequences: number;
  /** Most tokens of prompts in one pass: while nobody waits for a next token, and while somebody does. */
  readonly passTokens: number;
  readonly mixedTokens: number;
};

export class Scheduler {
  /** In the order in which they began. */
  readonly active: Sequence[] = [];
  private readonly pool: BlockPool;
  private readonly known: PrefixTree;
  private readonly cache: Cache;
  private readonly options: SchedulerOptions;
  /** Calls in the order they came, with what has not begun. */
  private readonly waiting = new Map<Call, Sequence[]>();

  constructor(cache: Cache, options: SchedulerOptions) {
    this.cache = cache;
    this.options = options;
    this.pool = new BlockPool(options.blocks);
    this.known = new PrefixTree(this.pool);
  }

  /** Tokens that a sequence alone may have. */
  get capacity(): number {
    return this.pool.count * this.pool.size;
  }

  get idle(): boolean {
    return this.active.length === 0 && this.waiting.size === 0;
  }

  newTable(): BlockTable {
    return new BlockTable(this.pool);
  }

  add(call: Call, sequences: readonly Sequence[]): void {
    if (sequences.length > 0) this.waiting.set(call, [...sequences]);
  }

  /** Lets those begin for whom there is room. */
  admit(): void {
    const put = new Set<Call>();
    while (this.active.length < this.options.sequences) {
      const call = this.next(put);
      if (call === undefined) return;
      const queue = this.waiting.get(call)!;
      const [sequence] = queue;
      // What another is about to read need not be read twice.
      if (this.beingRead(sequence)) {
        put.add(call);
        continue;
      }
      // Nobody overtakes who waits for blocks: else a large one might wait for ever.
      if (!this.begin(sequence)) return;
      queue.shift();
      if (queue.length === 0) this.waiting.delete(call);
      this.active.push(sequence);
    }
  }

  /** What the next pass over prompts reads: each its share of the tokens, and what is left over to the longer ones. */
  reading(): { sequence: Sequence; piece: Piece }[] {
    const readers = this.active.filter(isReading);
    const { passTokens, mixedTokens } = this.options;
    let room = readers.length < this.active.length ? mixedTokens : passTokens;
    const pieces = readers
      .sort((a, b) => a.prompt.length - a.read - (b.prompt.length - b.read))
      .map((sequence, i) => {
        const share = Math.ceil(room / (readers.length - i));
        const ids = sequence.prompt.subarray(sequence.read, sequence.read + share);
        room -= ids.length;
        this.grow(sequence, sequence.read + ids.length);
        return { sequence, piece: { ids, at: sequence.read, table: sequence.table } };
      });
    return pieces.filter(({ piece }) => piece.ids.length > 0);
  }

  /** Those that wait for their next token, with room for it in the cache. */
  decoding(): Sequence[] {
    const sequences = this.active.filter((sequence) => !isReading(sequence));
    for (const sequence of sequences) this.grow(sequence, sequence.read + 1);
    return sequences;
  }

  /** The next `count` tokens of its prompt were read: others may have them. */
  wasRead(sequence: Sequence, count: number): void {
    const { prompt, table } = sequence;
    sequence.read += count;
    const whole = sequence.read - (sequence.read % this.pool.size);
    const done = sequence.read === prompt.length;
    this.known.insert(prompt, done ? sequence.read : whole, table.blocks);
  }

  /** Ends it, wherever it stands. */
  end(sequence: Sequence): void {
    const { call, table } = sequence;
    const at = this.active.indexOf(sequence);
    if (at >= 0) this.active.splice(at, 1);
    const queue = this.waiting.get(call);
    const place = queue?.indexOf(sequence) ?? -1;
    if (place >= 0) queue?.splice(place, 1);
    if (queue?.length === 0) this.waiting.delete(call);
    // The last first: taken again, they lie in order.
    while (table.blocks.length > 0) this.pool.release(table.blocks.pop()!);
    sequence.promised = 0;
  }

  /** All sequences that are not done. */
  everything(): Sequence[] {
    return [...this.active, ...[...this.waiting.values()].flat()];
  }

  /** The call that has the fewest under way; of equals, the first that came. */
  private next(without: ReadonlySet<Call>): Call | undefined {
    let best: Call | undefined;
    let fewest = Infinity;
    for (const call of this.waiting.keys()) {
      if (without.has(call)) continue;
      const count = this.active.filter((each) => each.call === call).length;
      if (count < fewest) [best, fewest] = [call, count];
    }
    return best;
  }

  /** Whether somebody reads a beginning of it that is not known yet, by a block or more. */
  private beingRead({ prompt, reusable }: Sequence): boolean {
    const { size } = this.pool;
    return this.active.filter(isReading).some((reader) => {
      const shared = Math.min(sharedLength(reader.prompt, prompt), reusable);
      return shared - (shared % size) > reader.read;
    });
  }

  /** Takes what is known of its prompt, and sets aside what it may need; false where there is no room. */
  private begin(sequence: Sequence): boolean {
    const { prompt, reusable, most, table } = sequence;
    const { blocks, part } = this.known.match(prompt, reusable);
    for (const block of blocks) this.pool.hold(block);
    if (part) this.pool.hold(part.block);
    const needed = Math.ceil(most / this.pool.size) - blocks.length;
    const promised = this.active.reduce((sum, each) => sum + each.promised, 0);
    // The part is held only until it is copied.
    const lent = part && this.pool.holdersOf(part.block) === 2 ? 1 : 0;
    const enough = this.pool.free + this.known.evictable + lent - promised >= needed;
    if (enough) {
      table.blocks.push(...blocks);
      sequence.promised = needed;
      sequence.read = blocks.length * this.pool.size;
      if (part && this.room()) {
        this.grow(sequence, sequence.read + part.rows);
        const { size } = this.pool;
        this.cache.copy(part.block * size, table.blocks[blocks.length] * size, part.rows);
        sequence.read += part.rows;
      }
      sequence.reused = sequence.read;
    } else {
      for (const block of blocks) this.pool.release(block);
    }
    if (part) this.pool.release(part.block);
    return enough;
  }

  /** Makes sure that a block is free. */
  private room(): boolean {
    return this.pool.free > 0 || this.known.evict();
  }

  /** Takes blocks until `tokens` fit. */
  private grow(sequence: Sequence, tokens: number): void {
    const { table } = sequence;
    while (table.capacity < tokens) {
      const block = this.room() ? this.pool.take() : undefined;
      if (block === undefined) throw new Error('a block that was promised is not there');
      table.blocks.push(block);
      sequence.promised--;
    }
    this.cache.claim(this.pool.rows);
  }
}

const isReading = ({ read, prompt }: Sequence): boolean => read < prompt.length;
