/** @file A session of transformers, in the Python of the torch engine. */

import { quantizationOf } from '../../models/hold.ts';
import { openModel } from '../../models/source.ts';
import { adapterForPeft } from '../../tuning/peft-adapter.ts';
import { brokenEnvironment } from '../errors.ts';
import type { OpenedSession } from './engine.ts';
import { contextLength, inferDtype } from './native-session.ts';
import type { SessionRequest } from './protocol.ts';
import { openPython } from './python-session.ts';
import { torchPython } from './torch-environment.ts';
import { modelForTorch } from './torch-model.ts';
import { attentions } from './torch-task.ts';
import { worldOf } from './torch-world.ts';

export async function openTorch({ job, version }: SessionRequest): Promise<OpenedSession> {
  const { model: settings, engine } = job;
  const python = torchPython(engine);
  const source = await openModel(settings.model_name_or_path, {
    revision: settings.model_revision,
    hubCache: settings.cache_dir,
  });
  const dtype = inferDtype(settings.infer_dtype, source);
  const context_length = contextLength(source);
  const { device } = worldOf(engine);
  return openPython({
    backend: 'torch',
    python,
    broken: brokenEnvironment,
    limit: context_length ?? Infinity,
    about: {
      model: settings.model_name_or_path,
      adapters: settings.adapter_name_or_path,
      dtype,
      context_length,
    },
    env: device === 'cpu' ? { CUDA_VISIBLE_DEVICES: '' } : {},
    task: {
      model: await modelForTorch(source, version),
      adapters: settings.adapter_name_or_path.map(adapterForPeft),
      dtype,
      compute_dtype: dtype,
      attention: attentions[settings.flash_attn],
      quantization:
        quantizationOf(settings) === null
          ? null
          : {
              bits: settings.quantization_bit,
              type: settings.quantization_type,
              double: settings.double_quantization,
            },
      device,
      threads: engine.threads,
      max_num_seqs: settings.max_num_seqs,
    },
  });
}
