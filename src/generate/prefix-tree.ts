/**
 * @file What was read before, as a tree of blocks: a path from the root is a beginning of prompts. What a new prompt
 * shares with a path is not read again (Zheng et al. 2023, arXiv:2312.07104); the least recently used leaf makes room.
 */
import type { BlockPool } from './blocks.ts';

type Node = {
  /** Tokens of its block: as many as a block holds, or fewer where a prompt ended. */
  readonly ids: Int32Array;
  readonly block: number;
  readonly parent: Node | undefined;
  readonly children: Set<Node>;
  /** When it was last of use: a count, not a time. */
  used: number;
};

export type Match = {
  /** Whole blocks that are shared as they are. */
  readonly blocks: readonly number[];
  /** A block of which the first `rows` rows are shared: they must be copied, for others go on differently. */
  readonly part: { readonly block: number; readonly rows: number } | undefined;
};

export class PrefixTree {
  private readonly pool: BlockPool;
  private readonly children = new Set<Node>();
  private readonly nodes = new Set<Node>();
  private clock = 0;

  constructor(pool: BlockPool) {
    this.pool = pool;
  }

  /** The longest known beginning of `ids`, at most `most` tokens of it. */
  match(ids: Int32Array, most: number): Match {
    const { size } = this.pool;
    const blocks: number[] = [];
    let children = this.children;
    for (let at = 0; ; at += size) {
      const wanted = ids.subarray(at, Math.min(most, at + size));
      const [node, rows] = longest(children, wanted);
      if (node === undefined) return { blocks, part: undefined };
      node.used = ++this.clock;
      if (rows < size) return { blocks, part: { block: node.block, rows } };
      blocks.push(node.block);
      children = node.children;
    }
  }

  /**
   * Remembers the first `length` tokens of `ids`, which were read into `blocks`. Where the same was remembered already,
   * `blocks` is given the block that is there in place of its own: the rows of both are equal bit for bit.
   */
  insert(ids: Int32Array, length: number, blocks: number[]): void {
    const { pool } = this;
    let parent: Node | undefined;
    let children = this.children;
    for (let i = 0; i * pool.size < length; i++) {
      const own = ids.slice(i * pool.size, Math.min(length, (i + 1) * pool.size));
      const [before, rows] = longest(children, own);
      if (before !== undefined && rows === own.length) {
        before.used = ++this.clock;
        // The rest of a last block is the sequence's own.
        if (rows < pool.size) return;
        if (before.block !== blocks[i]) {
          pool.release(blocks[i]);
          pool.hold(before.block);
          blocks[i] = before.block;
        }
        [parent, children] = [before, before.children];
        continue;
      }
      // What is known of it so far is a part of what is known now.
      if (before !== undefined && rows === before.ids.length) this.remove(before);
      const node: Node = {
        ids: own,
        block: blocks[i],
        parent,
        children: new Set(),
        used: ++this.clock,
      };
      pool.hold(node.block);
      children.add(node);
      this.nodes.add(node);
      [parent, children] = [node, node.children];
    }
  }

  /** Blocks that nobody but the tree holds: `evict` can free them all. */
  get evictable(): number {
    let count = 0;
    for (const { block } of this.nodes) if (this.pool.holdersOf(block) === 1) count++;
    return count;
  }

  /** Frees the block of the least recently used leaf; false where all are in use. */
  evict(): boolean {
    let oldest: Node | undefined;
    for (const node of this.nodes) {
      if (node.children.size > 0 || this.pool.holdersOf(node.block) > 1) continue;
      if (oldest === undefined || node.used < oldest.used) oldest = node;
    }
    if (oldest === undefined) return false;
    this.remove(oldest);
    return true;
  }

  private remove(node: Node): void {
    (node.parent?.children ?? this.children).delete(node);
    this.nodes.delete(node);
    this.pool.release(node.block);
  }
}

/** Of `nodes` the one that shares most with the beginning of `ids`, and how many tokens; none where that is nothing. */
function longest(nodes: ReadonlySet<Node>, ids: Int32Array): [Node | undefined, number] {
  let best: Node | undefined;
  let most = 0;
  for (const node of nodes) {
    const shared = sharedLength(node.ids, ids);
    if (shared > most) [best, most] = [node, shared];
  }
  return [best, most];
}

/** Tokens that two lists have in common at their beginning. */
export function sharedLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < most && a[shared] === b[shared]) shared++;
  return shared;
}
