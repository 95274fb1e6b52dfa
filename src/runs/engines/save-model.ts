/** @file Writes what was learned as other programs load it: weights, configuration, tokenizer, template. */
import { join } from 'node:path';
import { writeFileAtomic } from '../../files/atomic.ts';
import { writeSafetensors } from '../../files/safetensors.ts';
import type { ModelSource } from '../../models/source.ts';
import type { Job } from '../../train/job.ts';
import type { Tuned } from '../../tuning/tuning.ts';
import { openJobTemplate } from '../prepare-job.ts';

export function modelSaver(
  job: Pick<Job, 'data' | 'method' | 'tuning'>,
  source: ModelSource,
  tuned: Tuned,
): (folder: string) => void {
  // The tokenizer takes a while to open and never changes: once, at the first save.
  let texts: Readonly<Record<string, string>> | undefined;
  return (folder) => {
    texts ??= textFiles(job, source, tuned);
    writeSafetensors(
      join(folder, tuned.weightsFile),
      tuned.weights.map(({ name, parameter: { tensor } }) => ({
        name,
        dtype: 'F32',
        shape: tensor.shape,
        bytes: new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
      })),
      { format: 'pt' },
    );
    for (const [name, text] of Object.entries(texts)) writeFileAtomic(join(folder, name), text);
  };
}

function textFiles(
  job: Pick<Job, 'data' | 'method' | 'tuning'>,
  source: ModelSource,
  tuned: Tuned,
): Record<string, string> {
  const opened = openJobTemplate(job, source);
  const tokenizer = opened?.tokenizer ?? source.tokenizer();
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const files: Record<string, string> = {
    ...tuned.files,
  };
  if (job.tuning.finetuning_type === 'full') {
    const eos = tokenizer.eos?.id ?? source.config['eos_token_id'];
    files['config.json'] = json({ ...source.config, dtype: 'float32', eos_token_id: eos });
    files['generation_config.json'] = json({ ...source.generationConfig, eos_token_id: eos });
  }
  return files;
}
