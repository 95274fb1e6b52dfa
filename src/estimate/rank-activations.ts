/**
 * @file What a forward pass of the torch engine leaves for its backward pass, tensor by tensor as transformers' layers and
 * PyTorch's autograd keep them. In the manner of Korthikanti et al. 2022 (arXiv:2205.05198, section 4), whose count is of GPT
 * with dropout and everything in two bytes.
 */
import type { ModelShape } from './model-shape.ts';

/** A micro-batch: documents end to end. */
export type Cut = { readonly tokens: number; readonly targets: number; readonly documents: number };

export type Passing = {
  /** `sdpa` has a mask for several documents; `flash` and `efficient` are told where each begins. */
  readonly attention: 'sdpa' | 'eager' | 'flash' | 'efficient';
  /**
   * `cast`: autocast makes two-byte copies of what a product reads; `uncopied`: ZeRO 3's own linear layer keeps what it was
   * given in their place; `sharded`: FSDP2 hands over weights in two bytes, and so is everything between.
   */
  readonly precision: 'f32' | 'cast' | 'uncopied' | 'sharded';
  /** Unset where all weights learn. */
  readonly adapter:
    | { readonly rank: number; readonly dropout: boolean; readonly targets: readonly string[] }
    | undefined;
  readonly checkpointing: boolean;
};

/** Bytes of f32. */
const float = 4;

/** Bytes of a number between layers: under autocast those of the embedding, which in full fine-tuning is f32. */
const streamOf = ({ precision, adapter }: Passing): number =>
  precision === 'f32' || (precision !== 'sharded' && !adapter) ? float : 2;

const computedOf = ({ precision }: Passing): number => (precision === 'f32' ? float : 2);

/** Of one layer. */
export function layerActivations(model: ModelShape, passing: Passing, cut: Cut): number {
  const { tokens: T } = cut;
  const { width: D } = model;
  const stream = streamOf(passing);
  // A norm keeps what it read in f32, the reciprocal of its size, and what it gave before its weight, where that learns.
  const norms = 2 * (D * float + float + (passing.adapter ? 0 : D * stream));
  const attended = attentionKept(model, passing, cut);
  return T * (norms + inputsKept(model, passing) + attended + mlpKept(model, passing));
}

const linearOf = ({ linears }: ModelShape, name: string) =>
  linears.find((linear) => linear.name === name);

const isAttention = (name: string): boolean =>
  ['q_proj', 'k_proj', 'v_proj', 'query_key_value'].includes(name);

/** The layer that leads back from the feed-forward width. */
const isDown = (name: string): boolean => ['down_proj', 'dense_4h_to_h'].includes(name);
const isOut = (name: string): boolean => ['o_proj', 'dense'].includes(name);

/** For each token, what linear layers keep of what they read, where nothing else keeps it. */
function inputsKept(model: ModelShape, passing: Passing): number {
  const { width: D } = model;
  const { adapter, precision } = passing;
  const computed = computedOf(passing);
  const all = model.linears.map(({ name }) => name);
  const learning = adapter ? adapter.targets : all;
  // Those that read the same norm.
  const groups = (names: readonly string[]): readonly string[][] => {
    const first = names.filter((name) => linearOf(model, name) && !isDown(name) && !isOut(name));
    return [first.filter(isAttention), first.filter((name) => !isAttention(name))];
  };
  const once = (names: readonly string[]): number =>
    groups(names).filter((group) => group.length > 0).length * D;
  const each = (names: readonly string[]): number => groups(names).flat().length * D;
  if (!adapter) {
    if (precision === 'cast') return each(all) * computed;
    return once(all) * (precision === 'uncopied' ? float : computed);
  }
  const { rank, dropout, targets } = adapter;
  const widths = targets.reduce((sum, name) => sum + (linearOf(model, name)?.inputs ?? 0), 0);
  const low = targets.length * rank * computed + (dropout ? widths * (computed + 1) : 0);
  // There an adapter has what it reads made f32: a copy of its own.
  if (precision === 'uncopied') return low + once(all) * computed + widths * float;
  return low + once(learning) * computed;
}

/** Queries, keys, values, what came of them, and the sums of the weights. */
function attentionKept(model: ModelShape, passing: Passing, { tokens: T, documents }: Cut): number {
  const { heads: H, keyHeads: K, headWidth: E } = model;
  const { attention } = passing;
  const computed = computedOf(passing);
  // A mask for several documents makes the kernel repeat the key heads, and is itself kept in full.
  const masked = documents > 1 && (attention === 'sdpa' || attention === 'eager');
  const keys = masked || attention === 'eager' || attention === 'efficient' ? H : K;
  const scores = attention === 'eager' ? H * (float + computed) : masked ? computed : 0;
  return 2 * (H + keys) * E * computed + H * float + T * scores;
}

/** What the activation reads and gives, and the product that the last layer reads. */
function mlpKept(model: ModelShape, passing: Passing): number {
  const { adapter, precision } = passing;
  const product = !adapter || precision === 'uncopied' || adapter.targets.some(isDown) ? 1 : 0;
  return ((model.gated ? 3 : 1) + product) * model.feedForward * computedOf(passing);
}

/** Of the whole model, to the logarithms of the probabilities of what is learned. */
export function activations(model: ModelShape, passing: Passing, cut: Cut): number {
  const { layers, width: D, headWidth: E, vocabulary: V } = model;
  const { precision, adapter, checkpointing } = passing;
  const { tokens: T, targets } = cut;
  const computed = computedOf(passing);
  const stream = streamOf(passing);
  const asked = precision === 'uncopied' ? stream : computed;
  const layer = layerActivations(model, passing, cut);
  const last = T * (D * float + float + (adapter ? 0 : D * stream)) + targets * D * asked;
  const positions = 2 * T * E * computed;
  // Checkpointed layers keep what they read, and one of them at a time is computed anew.
  const all = checkpointing ? layers * T * D * stream + layer : layers * layer;
  // A frozen embedding has no gradient, so the first norm keeps nothing.
  const first = adapter && !checkpointing ? T * D * float : 0;
  return all - first + last + positions + targets * V * float;
}

/** What the loss's backward pass has at once beside what was kept: the gradients of logits and of their logarithms. */
export const lossPassing = ({ vocabulary }: ModelShape, { targets }: Cut): number =>
  2 * targets * vocabulary * float;
