/** @file A trie of tokens by UTF-16 units, in one open-addressed table: (node, unit) → node. */

export type TokenTrie = {
  readonly add: (token: string, id: number) => void;
  /** The node behind `node` along this unit, or -1. The root is 0. */
  readonly step: (node: number, unit: number) => number;
  /** The token that ends at a node, or -1. */
  readonly tokenAt: (node: number) => number;
};

export function createTokenTrie(): TokenTrie {
  let slots = 1 << 12;
  let shift = 20;
  let parents = new Int32Array(slots).fill(-1);
  let units = new Uint16Array(slots);
  let children = new Int32Array(slots);
  let tokens = new Int32Array(1 << 12).fill(-1);
  let nodes = 1;

  const slotOf = (node: number, unit: number): number =>
    (Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> shift;

  /** The slot that holds the edge, or the empty one where it belongs. */
  function find(node: number, unit: number): number {
    let at = slotOf(node, unit);
    while (parents[at] >= 0 && (parents[at] !== node || units[at] !== unit)) {
      at = (at + 1) & (slots - 1);
    }
    return at;
  }

  function grow(): void {
    const [oldParents, oldUnits, oldChildren] = [parents, units, children];
    slots *= 2;
    shift--;
    parents = new Int32Array(slots).fill(-1);
    units = new Uint16Array(slots);
    children = new Int32Array(slots);
    for (const [i, parent] of oldParents.entries()) {
      if (parent < 0) continue;
      const at = find(parent, oldUnits[i]);
      parents[at] = parent;
      units[at] = oldUnits[i];
      children[at] = oldChildren[i];
    }
  }

  return {
    add(token, id) {
      let node = 0;
      for (let i = 0; i < token.length; i++) {
        const unit = token.charCodeAt(i);
        let at = find(node, unit);
        if (parents[at] < 0) {
          if (2 * nodes > slots) {
            grow();
            at = find(node, unit);
          }
          if (nodes === tokens.length) {
            const more = new Int32Array(2 * nodes).fill(-1);
            more.set(tokens);
            tokens = more;
          }
          parents[at] = node;
          units[at] = unit;
          children[at] = nodes++;
        }
        node = children[at];
      }
      tokens[node] = id;
    },
    step(node, unit) {
      const at = find(node, unit);
      return parents[at] < 0 ? -1 : children[at];
    },
    tokenAt: (node) => tokens[node],
  };
}
