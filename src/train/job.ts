/** @file The Job: every resolved setting that an engine may need, as plain JSON. It crosses into the engine's process. */
import type { DataSettings } from '../data/settings.ts';
import type { EngineSettings } from '../engine/settings.ts';
import type { GenerateSettings } from '../generate/settings.ts';
import type { MethodSettings } from '../methods/settings.ts';
import type { ModelSettings } from '../models/settings.ts';
import type { TuningSettings } from '../tuning/settings.ts';
import type { TrainSettings } from './settings.ts';

export type Job = {
  readonly engine: EngineSettings;
  readonly model: ModelSettings;
  readonly data: DataSettings;
  readonly tuning: TuningSettings;
  readonly method: MethodSettings;
  readonly train: TrainSettings;
  readonly generate: GenerateSettings;
};
