/**
 * @file Reads PEFT's adapter_config.json (0.18) for LoRA. What would change the numbers and is not done here is
 * refused by name: an adapter is applied as it was trained, or not at all.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { findSnapshot } from '../files/hub-cache.ts';
import { isJsonObject, type JsonObject, readJson } from '../files/json.ts';
import { badAdapterConfig, noAdapter, unsupportedAdapter } from './errors.ts';
import { isNamed } from './module-names.ts';

export const configName = 'adapter_config.json';
export const weightsName = 'adapter_model.safetensors';

const names = z.union([z.string(), z.array(z.string())]);

const LoraConfig = z.looseObject({
  r: z.int().positive(),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  target_modules: names.nullish(),
  exclude_modules: names.nullish(),
  modules_to_save: z.array(z.string()).nullish(),
  ensure_weight_tying: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
});

export type PeftConfig = z.infer<typeof LoraConfig>;

/** Keys that change nothing of what a saved adapter computes. */
const withoutEffect: ReadonlySet<string> = new Set([
  'auto_mapping',
  'base_model_class',
  'corda_config',
  'eva_config',
  // For Linear layers PEFT itself takes it as false.
  'fan_in_fan_out',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'loftq_config',
  'lora_dropout',
  'megatron_config',
  'megatron_core',
  'parent_library',
  'peft_type',
  'peft_version',
  'qalora_group_size',
  'revision',
  'task_type',
]);
const understood: ReadonlySet<string> = new Set([
  ...withoutEffect,
  ...Object.keys(LoraConfig.shape),
  'bias',
  'init_lora_weights',
]);

const merged =
  'merge it into its base with PEFT (`merge_and_unload()`), and use the merged model here; `infer_backend: torch` talks to it as it is';

/** What these keys stand for, where they are set. */
const refused: Readonly<Record<string, string>> = {
  alora_invocation_tokens: 'an adapter that begins at given tokens (aLoRA)',
  arrow_config: 'a router over several adapters (Arrow)',
  layer_replication: 'layers that are used several times',
  lora_bias: 'a bias of the adapters themselves',
  target_parameters: 'adapters on parameters instead of modules',
  trainable_token_indices: 'tokens that are trained by themselves',
  use_dora: 'DoRA, which scales the merged weight column by column',
  use_qalora: 'QALoRA, which groups the inputs',
};

/** These ways to begin changed the base too, so the adapter fits only that changed base. */
const changesBase = /^(pissa|olora|corda|loftq)/;

const isSet = (value: unknown): boolean =>
  value !== null &&
  value !== undefined &&
  value !== false &&
  !(Array.isArray(value) && value.length === 0) &&
  !(typeof value === 'object' && Object.keys(value).length === 0);

/** The folder itself, or where the hub's cache has a repository of that name. */
export const adapterFolder = (name: string): string =>
  existsSync(name) ? name : (findSnapshot({ kind: 'model', id: name })?.folder ?? name);

/** The folder's config, and the same as it was written. Throws `tuning/no-adapter`, `tuning/adapter-unsupported` and their kin. */
export function readPeftConfig(folder: string): { config: PeftConfig; raw: JsonObject } {
  const file = configOf(folder);
  const raw = readJson(file);
  if (!isJsonObject(raw)) throw badAdapterConfig(file, undefined, 'it is no JSON object');
  refuseUnknown(file, raw);
  const parsed = LoraConfig.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badAdapterConfig(file, issue.path.join('.'), issue.message);
  }
  return { config: parsed.data, raw };
}

/** The path of its adapter_config.json; throws where there is none. */
export function configOf(folder: string): string {
  const file = join(folder, configName);
  if (!existsSync(file)) throw noAdapter(folder, absence(folder));
  return file;
}

function absence(folder: string): string {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat) return 'there is no such folder';
  if (!stat.isDirectory()) return 'it is a file';
  if (existsSync(join(folder, 'config.json'))) {
    return 'it holds a whole model; name it in `model_name_or_path`';
  }
  return readdirSync(folder).some((name) => /^checkpoint-\d+$/.test(name))
    ? 'it holds only checkpoints of a run; name one of them, or let the run finish'
    : `it has no ${configName}`;
}

function refuseUnknown(file: string, raw: JsonObject): void {
  const type = raw['peft_type'];
  if (type !== 'LORA') {
    throw unsupportedAdapter(
      file,
      'peft_type',
      `it is of the kind ${JSON.stringify(type)}`,
      merged,
    );
  }
  if (isSet(raw['bias']) && raw['bias'] !== 'none') {
    const what = `it trained biases of the base too (${JSON.stringify(raw['bias'])})`;
    throw unsupportedAdapter(file, 'bias', what, merged);
  }
  const start = raw['init_lora_weights'];
  if (typeof start === 'string' && changesBase.test(start)) {
    throw unsupportedAdapter(
      file,
      'init_lora_weights',
      `it began as ${JSON.stringify(start)}, which changed the base as well`,
      'save it once more with PEFT’s `path_initial_model_for_weight_conversion`, which makes a plain LoRA of it',
    );
  }
  for (const [key, value] of Object.entries(raw)) {
    if (understood.has(key) || !isSet(value)) continue;
    const what =
      refused[key] ?? `the key is not known here, and its value is ${JSON.stringify(value)}`;
    throw unsupportedAdapter(file, key, what, merged);
  }
}

/** Whether a module is meant by a list of names or by a pattern over whole names. */
function meant(module: string, wanted: string | readonly string[]): boolean | undefined {
  if (typeof wanted !== 'string') {
    return wanted.some((name) => isNamed(module, name));
  }
  try {
    return new RegExp(`^(?:${wanted})$`).test(module);
  } catch {
    // Python's patterns know more than JavaScript's.
    return undefined;
  }
}

/** Whether the config gives `module` (a Linear) an adapter; undefined where that cannot be told. */
export function isTarget(config: PeftConfig, module: string, isHead: boolean): boolean | undefined {
  const { target_modules: targets, exclude_modules: excluded, modules_to_save: saved } = config;
  if (!targets || isSet(config['layers_to_transform'])) return undefined;
  if (saved && meant(module, saved)) return false;
  const out = isSet(excluded) && excluded ? meant(module, excluded) : false;
  if (out !== false) return out === undefined ? undefined : false;
  return targets === 'all-linear' ? !isHead : meant(module, targets);
}

/** Rank and scale of one module. */
export function rankAndScale(
  config: PeftConfig,
  module: string,
): { rank: number; alpha: number; scale: number } {
  const of = (patterns: Readonly<Record<string, number>> | null | undefined, plain: number) => {
    const found = Object.entries(patterns ?? {}).find(([pattern]) => fits(pattern, module));
    return found ? found[1] : plain;
  };
  const rank = of(config.rank_pattern, config.r);
  const alpha = of(config.alpha_pattern, config.lora_alpha);
  return { rank, alpha, scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank) };
}

function fits(pattern: string, module: string): boolean {
  try {
    return new RegExp(`^(.*\\.)?(${pattern})$`).test(module);
  } catch {
    return isNamed(module, pattern);
  }
}
