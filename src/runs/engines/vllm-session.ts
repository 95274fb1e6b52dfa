/** @file A session of vLLM, in an environment of its own. */
import { openModel } from '../../models/source.ts';
import { availableMemory } from '../../native/memory.ts';
import { readAdapter } from '../../tuning/peft-adapter.ts';
import { brokenVllm, severalForVllm } from '../errors.ts';
import type { OpenedSession } from './engine.ts';
import { contextLength, inferDtype } from './native-session.ts';
import type { SessionRequest } from './protocol.ts';
import { openPython } from './python-session.ts';
import { vllmPython } from './torch-environment.ts';
import { modelForTorch } from './torch-model.ts';

export async function openVllm({ job, version }: SessionRequest): Promise<OpenedSession> {
  const { model: settings, engine, infer } = job;
  const python = vllmPython(infer);
  if (settings.adapter_name_or_path.length > 1) throw severalForVllm();
  const source = await openModel(settings.model_name_or_path, {
    revision: settings.model_revision,
    hubCache: settings.cache_dir,
  });
  const dtype = inferDtype(settings.infer_dtype, source);
  const [adapter] = settings.adapter_name_or_path;
  const modules = Object.entries(infer.lora_modules);
  const context_length = Math.min(contextLength(source) ?? Infinity, infer.vllm_maxlen);
  return openPython({
    backend: 'vllm',
    python,
    broken: brokenVllm,
    limit: context_length,
    modules: modules.map(([name]) => name),
    about: {
      model: settings.model_name_or_path,
      adapters: settings.adapter_name_or_path,
      dtype,
      context_length,
    },
    env: {
      // One process, which ends with ours.
      VLLM_ENABLE_V1_MULTIPROCESSING: '0',
      VLLM_NO_USAGE_STATS: '1',
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      ...(engine.threads !== null && { OMP_NUM_THREADS: String(engine.threads) }),
    },
    task: {
      model: await modelForTorch(source, version),
      adapter: adapter === undefined ? null : readAdapter(adapter).folder,
      modules: Object.fromEntries(
        modules.map(([name, folder]) => [name, readAdapter(folder).folder]),
      ),
      dtype,
      context: context_length,
      heads: Number(source.config['num_attention_heads'] ?? 1),
      max_num_seqs: settings.max_num_seqs,
      cache_bytes: settings.kv_cache_memory && Math.round(settings.kv_cache_memory * 1e9),
      // As the native engine's: vLLM alone would take most of the machine.
      cpu_cache_bytes: Math.round(availableMemory() / 4),
      cache_dtype: settings.kv_cache_dtype,
      gpu_util: infer.vllm_gpu_util,
      enforce_eager: infer.vllm_enforce_eager,
      max_lora_rank: infer.vllm_max_lora_rank,
      config: infer.vllm_config ?? {},
    },
  });
}
