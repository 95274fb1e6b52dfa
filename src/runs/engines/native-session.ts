/** @file A session in the native engine's process: the model with its adapters, and the calls that reach it. */
import { Memory } from '../../engine/memory.ts';
import { openGenerator } from '../../generate/generator.ts';
import { GenerateRequest, ScoreRequest } from '../../generate/session.ts';
import { quantizationOf } from '../../models/hold.ts';
import { loadModel } from '../../models/load.ts';
import type { ModelSettings } from '../../models/settings.ts';
import { type ModelSource, openModel } from '../../models/source.ts';
import { setThreads } from '../../native/machine.ts';
import { availableMemory } from '../../native/memory.ts';
import type { Job } from '../../train/job.ts';
import { attachAdapters } from '../../tuning/attach-adapters.ts';
import type { OpenedSession } from './engine.ts';

export async function openNative({
  job: { engine, model: settings },
}: {
  readonly job: Pick<Job, 'engine' | 'model'>;
}): Promise<OpenedSession> {
  setThreads(engine.threads ?? 0);
  const source = await openModel(settings.model_name_or_path, {
    revision: settings.model_revision,
    hubCache: settings.cache_dir,
  });
  const memory = new Memory();
  const dtype = inferDtype(settings.infer_dtype, source);
  const { model } = await loadModel(source, {
    memory,
    dtype,
    quantization: quantizationOf(settings),
  });
  attachAdapters(model, settings.adapter_name_or_path, {
    memory,
    modelName: settings.model_name_or_path,
  });
  const session = openGenerator(
    { model, memory },
    {
      model: settings.model_name_or_path,
      adapters: settings.adapter_name_or_path,
      dtype,
      context_length: contextLength(source),
    },
    {
      cacheBytes: settings.kv_cache_memory ? settings.kv_cache_memory * 1e9 : availableMemory() / 4,
      sequences: settings.max_num_seqs,
      cacheDtype: cacheDtypes[settings.kv_cache_dtype],
    },
  );
  return {
    about: session.about,
    methods: {
      async generate(params, { part, signal }) {
        const tokens = session.generate(GenerateRequest.parse(params), signal);
        for (;;) {
          const { done, value } = await tokens.next();
          if (done) return value;
          part(value);
        }
      },
      score: (params, { signal }) => session.score(ScoreRequest.parse(params), signal),
    },
  };
}

const cacheDtypes = { auto: undefined, bfloat16: 'bf16', float32: 'f32' } as const;

/** `auto` is the checkpoint's own: f32 where its matrices are f32, else bf16, which loses less than quantizing did. */
export function inferDtype(
  asked: ModelSettings['infer_dtype'],
  { weights }: Pick<ModelSource, 'weights'>,
): 'f32' | 'bf16' {
  if (asked !== 'auto') return asked === 'float32' ? 'f32' : 'bf16';
  for (const name of weights.names()) {
    const { shape, type } = weights.get(name);
    if (shape.length > 1) return type === 'F32' ? 'f32' : 'bf16';
  }
  return 'f32';
}

export function contextLength({ config }: Pick<ModelSource, 'config'>): number | null {
  const most = config['max_position_embeddings'];
  return typeof most === 'number' ? most : null;
}
