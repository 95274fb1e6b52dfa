/** @file What torch's ranks load: a folder that transformers reads, and the adapter that they start from. */
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Memory } from '../../engine/memory.ts';
import type { CausalLM } from '../../engine/nn/index.ts';
import { exportModel } from '../../export/export-model.ts';
import { makeFolder, writeFileAtomic } from '../../files/atomic.ts';
import { digestOf } from '../../files/digest.ts';
import { tuneryCache } from '../../files/hub-cache.ts';
import type { JsonObject } from '../../files/json.ts';
import { writeSafetensors } from '../../files/safetensors.ts';
import type { LoadedModel } from '../../models/load.ts';
import type { ModelSource } from '../../models/source.ts';
import type { Job } from '../../train/job.ts';
import { tunings } from '../../tuning/index.ts';
import { wholeParameters } from '../../tuning/lora.ts';
import type { StoredAdapter } from '../../tuning/peft-adapter.ts';
import { configName, weightsName } from '../../tuning/peft-config.ts';
import { isTied } from '../../tuning/tied-head.ts';
import type { Tuned } from '../../tuning/tuning.ts';
import { savedTensors, shardBytes } from './save-model.ts';

/** For what lives as long as a run: short, for a socket's path has 100 bytes. */
export const scratchFolder = (): string => mkdtempSync(join(tmpdir(), 'tunery-'));

/** A folder of SafeTensors as it is; what is none is written out once, in f32, into the cache. */
export async function modelForTorch(source: ModelSource, version: string): Promise<string> {
  if (existsSync(join(source.path, 'config.json'))) return source.path;
  const folder = join(tuneryCache(), 'torch-models', digestOf(source.digest));
  if (existsSync(join(folder, 'config.json'))) return folder;
  makeFolder(join(tuneryCache(), 'torch-models'));
  await exportModel({
    source,
    adapters: [],
    opened: undefined,
    dtype: 'float32',
    folder,
    shardBytes,
    version,
  });
  return folder;
}

/**
 * The adapter as PEFT loads it: the one that training goes on with, or a new one, begun here with the numbers that the
 * native engine begins with. Those that are given before the last are merged into the base.
 */
export function adapterForTorch(
  job: Job,
  { family, model }: LoadedModel,
  adapters: readonly StoredAdapter[],
  scratch: string,
): {
  readonly folder: string | null;
  readonly merged: readonly string[];
  readonly files: Tuned['files'];
} {
  const { finetuning_type: type } = job.tuning;
  if (type === 'full') return { folder: null, merged: [], files: {} };
  const given = adapters.at(-1);
  if (given) {
    const config = {
      ...given.raw,
      base_model_name_or_path: job.model.model_name_or_path,
      lora_dropout: job.tuning.lora_dropout,
    };
    return {
      folder: given.folder,
      merged: adapters.slice(0, -1).map(({ folder }) => folder),
      files: { [configName]: `${JSON.stringify(config, null, 2)}\n` },
    };
  }
  // Modules that are trained whole begin as the base has them: PEFT copies them where it has loaded it.
  const { additional_target: whole } = job.tuning;
  const tuned = tunings[type].apply(model, {
    settings: { ...job.tuning, additional_target: [] },
    memory: new Memory(),
    seed: job.train.seed,
    adapterTargets: family.adapterTargets,
    baseModel: job.model.model_name_or_path,
    adapters: [],
  });
  const begun = whole.length === 0 ? tuned.files : withWhole(tuned.files, model, whole);
  const { pissa_init: pissa, pissa_iter: iterations } = job.tuning;
  const init_lora_weights = iterations < 0 ? 'pissa' : `pissa_niter_${iterations}`;
  const folder = join(scratch, 'adapter');
  makeFolder(folder);
  const asked = pissa ? changed(begun, () => ({ init_lora_weights })) : begun;
  for (const [name, text] of Object.entries(asked)) writeFileAtomic(join(folder, name), text);
  // Without any, PEFT begins it.
  const known = tuned.weights.length > 0 && !pissa;
  if (known) writeSafetensors(join(folder, weightsName), savedTensors(tuned));
  return { folder, merged: [], files: pissa ? changed(begun, twice) : begun };
}

/** A head that learns by name is no longer the embedding; an embedding that learns alone takes its head with it. */
function withWhole(
  files: Tuned['files'],
  model: CausalLM,
  names: readonly string[],
): Tuned['files'] {
  const ties =
    isTied(model) &&
    !names.includes('lm_head') &&
    [...wholeParameters(model, names).values()].includes(model.head.weight);
  return changed(files, () => ({ modules_to_save: names, ensure_weight_tying: ties }));
}

/** What PiSSA learned, and what it had taken out of the base, side by side: the same scale at twice the rank. */
const twice = ({ r, lora_alpha, use_rslora }: JsonObject): JsonObject => ({
  r: 2 * Number(r),
  lora_alpha: Number(lora_alpha) * (use_rslora === true ? Math.SQRT2 : 2),
});

/** The files with another adapter_config.json. */
function changed(
  files: Tuned['files'],
  change: (config: JsonObject) => JsonObject,
): Tuned['files'] {
  const config: JsonObject = JSON.parse(files[configName] ?? '{}');
  return {
    ...files,
    [configName]: `${JSON.stringify({ ...config, ...change(config) }, null, 2)}\n`,
  };
}
