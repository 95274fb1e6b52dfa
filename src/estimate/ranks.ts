/**
 * @file What a rank of the torch engine takes, in bytes by class, as `workers/torch` lays a model out on N ranks. Sharding
 * is that of ZeRO (Rajbhandari et al. 2020, arXiv:1910.02054, section 5), whose table `modelStates` reproduces.
 */
import type { ModelShape } from './model-shape.ts';
import { weightsOf } from './model-shape.ts';
import {
  activations,
  type Cut,
  layerActivations,
  lossPassing,
  type Passing,
} from './rank-activations.ts';

/** In bytes of each element that learns. */
export type StateBytes = {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
};

/** The paper's: two-byte weights and gradients; f32 weights and two moments are the optimizer's. */
export const paperBytes: StateBytes = { weights: 2, gradients: 2, optimizer: 12 };

/** What ZeRO's stages leave on each of N ranks: 1 shares the optimizer's state, 2 the gradients too, 3 the weights too. */
export function modelStates(
  elements: number,
  bytes: StateBytes,
  stage: 0 | 1 | 2 | 3,
  ranks: number,
): StateBytes {
  const share = (from: number): number => (stage >= from ? 1 / ranks : 1);
  return {
    weights: elements * bytes.weights * share(3),
    gradients: elements * bytes.gradients * share(2),
    optimizer: elements * bytes.optimizer * share(1),
  };
}

export type RankKind =
  | 'weights'
  | 'gradients'
  | 'optimizer'
  | 'activations'
  | 'casts'
  | 'gathered'
  | 'communication'
  | 'passing'
  | 'device';

export type RankMemory = {
  /** Each at its largest; not all of them stand at once. */
  readonly kinds: Readonly<Record<RankKind, number>>;
  /** Of the device. */
  readonly peak: number;
  /** In the CPU's memory, where states are offloaded. */
  readonly host: number;
};

/** As `workers/torch/strategy.py` names them, DeepSpeed's by stage. */
export type Strategy = 'none' | 'ddp' | 'zero1' | 'zero2' | 'zero3' | 'fsdp';

export type RankInput = {
  readonly model: ModelShape;
  readonly strategy: Strategy;
  readonly ranks: number;
  readonly offload: boolean;
  readonly passing: Omit<Passing, 'precision'>;
  /** Products in two bytes. */
  readonly bf16: boolean;
  /** Frozen matrices of layers; null where they are numbers. */
  readonly quantization: { readonly bits: 4 | 8; readonly nested: boolean } | null;
  /** AdamW's moments in one byte each. */
  readonly optimizer8bit: boolean;
  /** The largest micro-batch, and how many a rank computes in a step. */
  readonly cut: Cut;
  readonly cuts: number;
  /** DeepSpeed's bucket, in elements; `auto` where it is unset. */
  readonly bucket?: number | undefined;
  readonly device: 'cpu' | 'cuda';
};

const float = 4;

/** What CUDA and NCCL take beside PyTorch's own tensors, and what its allocator cannot use. Rules of thumb, not measured. */
const cudaContext = 0.6e9;
const ncclBuffers = 0.5e9;
const fragmented = 0.05;

/** DeepSpeed's `stage3_max_live_parameters` and `stage3_max_reuse_distance`, in elements. */
const zeroLive = 1e9;

const stages: Readonly<Record<Strategy, 0 | 1 | 2 | 3>> = {
  ...{ none: 0, ddp: 0, zero1: 1, zero2: 2, zero3: 3, fsdp: 3 },
};

/** Elements of all adapters of one layer. */
function adapterOf({ linears }: ModelShape, { adapter }: RankInput['passing']): number {
  if (!adapter) return 0;
  const { rank, targets } = adapter;
  return linears
    .filter(({ name }) => targets.includes(name))
    .reduce((sum, { inputs, outputs }) => sum + rank * (inputs + outputs), 0);
}

/** Elements that learn. */
export const trainableOf = ({ model, passing }: Pick<RankInput, 'model' | 'passing'>): number =>
  passing.adapter === undefined ? weightsOf(model) : model.layers * adapterOf(model, passing);

/** Bytes of one layer's weights that do not learn. */
function frozenBlock({ model, quantization, bf16 }: RankInput): number {
  const plain = bf16 ? 2 : float;
  if (quantization === null) return model.block.all * plain;
  const { all, matrices } = model.block;
  // A scale for each 64 weights, itself in a byte and one scale for each 256 where nested; or a scale for each row.
  const rows = model.linears.reduce((sum, { outputs }) => sum + outputs, 0);
  const coded =
    quantization.bits === 8
      ? matrices + rows * float
      : matrices / 2 + (matrices / 64) * (quantization.nested ? 1 + float / 256 : float);
  return coded + (all - matrices) * plain;
}

/** Bytes of small tensors that ZeRO 3 keeps whole beside its parts (`stage3_param_persistence_threshold: auto`). */
function persistent({ model, passing: { adapter }, bf16 }: RankInput): number {
  const small = 10 * model.width;
  const norms = model.block.all - model.block.matrices;
  const sizes = adapter
    ? model.linears
        .filter(({ name }) => adapter.targets.includes(name))
        .flatMap(({ inputs, outputs }) => [adapter.rank * inputs, adapter.rank * outputs])
    : [];
  const kept = sizes.filter((size) => size <= small).reduce((a, b) => a + b, 0) * float;
  return model.layers * (kept + norms * (adapter && bf16 ? 2 : float));
}

export function rankMemory(input: RankInput): RankMemory {
  const { model, strategy, ranks, offload, passing, bf16, cut, cuts, device } = input;
  const stage = stages[strategy];
  const zero = strategy.startsWith('zero');
  const whole = passing.adapter === undefined;
  const computed = bf16 ? 2 : float;
  const adapter = adapterOf(model, passing);
  const learns = trainableOf(input);
  const frozen = whole ? 0 : model.layers * frozenBlock(input) + model.outside * computed;
  const frozenShare =
    stage === 3 ? frozen / ranks + (strategy === 'zero3' ? persistent(input) : 0) : frozen;
  const moments = input.optimizer8bit ? 2 * (1 + float / 256) : 2 * float;
  const bytes = {
    weights: float,
    gradients: float,
    // ZeRO keeps what it learns a second time, in flat parts.
    // Stage 3 has nothing but such parts.
    optimizer: moments + (strategy === 'zero1' || strategy === 'zero2' ? float : 0),
  };
  const states = modelStates(learns, bytes, stage, ranks);
  const accumulates = cuts > 1;
  // DeepSpeed's stage 1 reduces as stage 2 does; between micro-batches it has whole gradients, and so has FSDP2.
  const meets = strategy === 'zero1' || strategy === 'fsdp';
  const atStep = meets ? states.gradients / (stage === 1 ? ranks : 1) : states.gradients;
  const gradients = meets && accumulates ? learns * float : atStep;

  const precision = !bf16
    ? 'f32'
    : strategy === 'fsdp'
      ? 'sharded'
      : strategy === 'zero3'
        ? 'uncopied'
        : 'cast';
  const kept = activations(model, { ...passing, precision }, cut);
  // Layers that are computed again make theirs again, one layer at a time.
  const layersCast = passing.checkpointing ? 1 : model.layers;
  const matricesThatLearn = whole
    ? layersCast * model.block.matrices + model.vocabulary * model.width
    : layersCast * adapter;
  const casts = precision === 'cast' ? 2 * matricesThatLearn : 0;

  // Autocast comes after ZeRO 3 has gathered.
  const sent = strategy === 'zero3' ? float : computed;
  const block = whole ? model.block.all * sent : frozenBlock(input) + adapter * sent;
  const outside = model.outside * (whole ? sent : computed);
  const [largest] = model.linears
    .map(({ inputs, outputs }) => inputs * outputs)
    .toSorted((a, b) => b - a);
  const dequantized = input.quantization === null ? 0 : (largest ?? 0) * computed;
  // A frozen embedding that is not the head as well is not asked for again, and small tensors are this rank's own.
  const embedding = model.vocabulary * model.width;
  const untied = model.outside > 1.5 * embedding;
  const letGo = whole ? 0 : persistent(input) + (untied ? embedding * computed : 0);
  const gathered =
    ranks === 1 && !offload
      ? 0
      : strategy === 'fsdp'
        ? outside + block
        : strategy === 'zero3'
          ? Math.min(1, zeroLive / weightsOf(model)) * (model.layers * block + outside - letGo)
          : 0;

  const blockLearns = whole ? model.block.all : adapter;
  const bucket = Math.min(learns, input.bucket ?? model.width ** 2);
  const communication =
    strategy === 'ddp' && ranks > 1
      ? learns * float
      : strategy === 'fsdp' && ranks > 1
        ? block + blockLearns * (float + computed)
        : zero
          ? bucket * float
          : 0;

  const loss = lossPassing(model, cut);
  // CUDA's AdamW works on all tensors at once, and has the roots of all second moments.
  const update =
    device === 'cuda' && !input.optimizer8bit ? (learns * float) / (stage >= 1 ? ranks : 1) : 0;
  const layer = layerActivations(model, { ...passing, precision }, cut);

  const onHost = offload
    ? (strategy === 'fsdp' || strategy === 'zero3' ? states.weights + frozenShare : 0) +
      states.optimizer +
      gradients
    : 0;
  const held = {
    weights: offload && stage === 3 ? 0 : states.weights + frozenShare,
    optimizer: offload ? 0 : states.optimizer,
    gradients: offload ? 0 : gradients,
  };
  const lasting = held.weights + held.optimizer + communication;
  const atLoss = kept + casts + gathered + loss + dequantized + (accumulates ? held.gradients : 0);
  const left = offload ? 0 : atStep;
  const atFirstLayer = layer + casts + gathered + dequantized + left;
  const atUpdate = left + (offload ? 0 : update);
  const tensors = lasting + Math.max(atLoss, atFirstLayer, atUpdate);
  const around =
    device === 'cuda' ? cudaContext + (ranks > 1 ? ncclBuffers : 0) + fragmented * tensors : 0;
  return {
    kinds: {
      ...held,
      activations: kept,
      casts,
      gathered: gathered + dequantized,
      communication,
      passing: Math.max(loss, offload ? 0 : update),
      device: around,
    },
    peak: tensors + around,
    host: onHost,
  };
}
