/**
 * @file Truncation and labels of a conversation's turns, as LLaMA-Factory has them: how prompts and
 * replies share `cutoff_len`, and which tokens are learned.
 */

/** A label of a token that is not learned. */
export const ignored = -100;

/** One prompt with its reply. */
export type Turn = {
  readonly source: Int32Array;
  readonly target: Int32Array;
  /** So many leading tokens of the target are learned; what follows its stop token need not be. */
  readonly learned: number;
};

/** Tokens of a turn that were kept: always its first ones. */
export type Kept = { readonly source: number; readonly target: number };

/** How a prompt and its reply share `cutoff` tokens. */
export function inferLengths(source: number, target: number, cutoff: number): Kept {
  let room: number;
  if (target * 2 < cutoff) room = cutoff;
  else if (source * 2 < cutoff) room = cutoff - source;
  else room = Math.floor(cutoff * (target / (source + target)));
  const kept = Math.min(room, target);
  return { source: Math.min(Math.max(cutoff - kept, 0), source), target: kept };
}

export type LabelOptions = {
  readonly cutoff: number;
  readonly maskHistory: boolean;
  readonly trainOnPrompt: boolean;
  /** The stop token's id in an `efficient_eos` template, where it is learned in place of a prompt's first token. */
  readonly efficientEos: number | undefined;
};

export type Labeled = {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  /** Of each turn, in their order. */
  readonly kept: readonly Kept[];
  /** Tokens that were cut off. */
  readonly truncated: number;
};

/**
 * Turn by turn with the room that is left. With `maskHistory` the last turn comes first, so that it
 * has the room, and is the only one that is learned.
 */
export function labelTurns(turns: readonly Turn[], options: LabelOptions): Labeled {
  const { cutoff, maskHistory, efficientEos } = options;
  const order = turns.map((_, i) => (maskHistory ? turns.length - 1 - i : i));
  const kept: Kept[] = turns.map(() => ({ source: 0, target: 0 }));
  let total = efficientEos === undefined ? 0 : 1;
  let whole = total;
  for (const { source, target } of turns) whole += source.length + target.length;
  for (const i of order) {
    if (total >= cutoff) break;
    const turn = turns[i];
    kept[i] = inferLengths(turn.source.length, turn.target.length, cutoff - total);
    total += kept[i].source + kept[i].target;
  }

  const ids = new Int32Array(total);
  const labels = new Int32Array(total).fill(ignored);
  let at = 0;
  for (const [i, { source, target, learned }] of turns.entries()) {
    const { source: sources, target: targets } = kept[i];
    const place = order[i];
    ids.set(source.subarray(0, sources), at);
    if (options.trainOnPrompt) labels.set(source.subarray(0, sources), at);
    else if (efficientEos !== undefined && place !== 0 && sources > 0) labels[at] = efficientEos;
    at += sources;
    ids.set(target.subarray(0, targets), at);
    if (!maskHistory || place === 0) {
      const count = options.trainOnPrompt ? targets : Math.min(targets, learned);
      labels.set(target.subarray(0, count), at);
    }
    at += targets;
  }
  if (efficientEos !== undefined) {
    ids[total - 1] = efficientEos;
    labels[total - 1] = efficientEos;
  }
  return { ids, labels, kept, truncated: whole - total };
}

/** Targets of one document: labels that some position before them predicts. */
export function countTargets(labels: Int32Array): number {
  let count = 0;
  for (let i = 1; i < labels.length; i++) if (labels[i] !== ignored) count++;
  return count;
}
