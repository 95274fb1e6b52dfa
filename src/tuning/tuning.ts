/** @file What a way to tune is: which parameters learn, and what is written of them. */
import type { Memory } from '../engine/memory.ts';
import type { CausalLM } from '../engine/nn/index.ts';
import type { Parameter } from '../engine/parameter.ts';
import type { StoredAdapter } from './peft-adapter.ts';
import type { TuningSettings } from './settings.ts';

export type TuningContext = {
  readonly settings: TuningSettings;
  readonly memory: Memory;
  readonly seed: number;
  /** Linear layers that `all` means, by short name. */
  readonly adapterTargets: readonly string[];
  /** What the adapter says it belongs to. */
  readonly baseModel: string;
  /** Training goes on with the last; those before it are merged. */
  readonly adapters?: readonly StoredAdapter[];
};

/** A weight as it goes to a file. */
export type SavedWeight = { readonly name: string; readonly parameter: Parameter };

export type Tuned = {
  /** What learns, by its name in a checkpoint. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** The weights' file, and other files as text. */
  readonly weightsFile: string;
  readonly weights: readonly SavedWeight[];
  readonly files: Readonly<Record<string, string>>;
  /** What a person should know of how it began. */
  readonly notes?: readonly TuningNote[];
};

export type TuningNote = { readonly code: string; readonly message: string; readonly help: string };

export type Tuning = {
  /** As `finetuning_type` names it. */
  readonly type: string;
  /** Every weight learns: then each is f32 from the first, and none is rounded on its way into memory. */
  readonly everyWeight?: boolean;
  /** Makes the model ready to learn. Its weights are loaded; frozen unless this thaws them. */
  readonly apply: (model: CausalLM, context: TuningContext) => Tuned;
};

export const defineTuning = (tuning: Tuning): Tuning => tuning;
