/** @file What `engine: auto` is here: torch where a GPU and its Python are, native elsewhere. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { tuneryCache } from '../files/hub-cache.ts';
import { environment, isSet } from '../native/environment.ts';

/** Of the Python environment that `tunery engine install torch` makes. */
export const environmentFolder = (): string => join(tuneryCache(), 'engines', 'torch');
export const manifestOf = (folder: string): string => join(folder, 'tunery-engine.json');
export const isInstalled = (): boolean => existsSync(manifestOf(environmentFolder()));

/** NVIDIA's devices that this process may use. */
export function countGpus(): number {
  if (isSet('CUDA_VISIBLE_DEVICES')) {
    const visible = environment('CUDA_VISIBLE_DEVICES') ?? '';
    return visible === '' || visible === '-1' ? 0 : visible.split(',').length;
  }
  try {
    return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}

/** Settings as they are written: what decides the engine is asked before they are read. */
export type Written = (key: string) => unknown;

export type Choice = {
  readonly engine: 'native' | 'torch';
  /** Why, where nobody has said it. */
  readonly from?: string;
};

export const isOn = (value: unknown): boolean =>
  value === true || /^(true|yes|on|1)$/i.test(String(value));

/** The setting that only the native engine serves, where there is one. */
export function nativeOnly(value: Written): string | undefined {
  if (value('base_compute') === 'int8') return 'base_compute';
  return value('quantization_method') === 'gguf' ? 'quantization_method' : undefined;
}

/** The setting that only the torch engine serves, where there is one. */
function torchOnly(value: Written): string | undefined {
  if (value('finetuning_type') === 'oft') return 'finetuning_type';
  return ['use_dora', 'pissa_init'].find((key) => isOn(value(key)));
}

export function chooseEngine(written: Written): Choice {
  const said = String(written('engine') ?? 'auto');
  if (said === 'native' || said === 'torch') return { engine: said };
  if (nativeOnly(written) !== undefined) return { engine: 'native' };
  const from = torchOnly(written);
  if (from !== undefined) return { engine: 'torch', from };
  if (isOn(environment('FORCE_TORCHRUN'))) return { engine: 'torch', from: 'FORCE_TORCHRUN' };
  const there = typeof written('engine_python') === 'string' || isInstalled();
  return there && countGpus() > 0 && !isOn(written('use_cpu'))
    ? { engine: 'torch', from: 'the GPU that is there' }
    : { engine: 'native' };
}
