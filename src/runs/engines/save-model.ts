/** @file Writes what was learned as other programs load it: weights, configuration, tokenizer, template. */
import { join } from 'node:path';
import { configFilesOf, tokenizerFilesOf } from '../../export/model-files.ts';
import { exportSection } from '../../export/settings.ts';
import { indexName, shardTensors } from '../../export/shards.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { writeSafetensors } from '../../files/safetensors.ts';
import type { ModelSource } from '../../models/source.ts';
import type { Job } from '../../train/job.ts';
import type { Tuned } from '../../tuning/tuning.ts';

type Parts = Pick<Job, 'data' | 'method' | 'tuning'>;

/** Bytes of the largest file of a whole model: as an export's by default. */
export const shardBytes = exportSection.fields.export_size.schema.parse(undefined) * 1e9;

/**
 * Each file is there whole or not at all, whatever happens on the way. An adapter goes into PEFT's one file, a whole
 * model into as many as an export of it would have.
 */
export function modelSaver(
  job: Parts,
  source: ModelSource,
  tuned: Tuned,
): (folder: string) => Promise<void> {
  const texts = savedTexts(job, source, tuned.files);
  const isWhole = job.tuning.finetuning_type === 'full';
  const tensors = savedTensors(tuned);
  const { shards, index } = isWhole
    ? shardTensors(tensors, shardBytes)
    : { shards: [{ file: tuned.weightsFile, tensors }], index: undefined };
  return async (folder) => {
    for (const shard of shards) writeSafetensors(join(folder, shard.file), shard.tensors);
    for (const [name, text] of Object.entries(await texts())) {
      writeFileAtomic(join(folder, name), text);
    }
    // Last: an index names files that are all there.
    if (index !== undefined) writeFileAtomic(join(folder, indexName), index);
  };
}

/** The weights as they go into a file: views of what is learned. */
export const savedTensors = ({ weights }: Pick<Tuned, 'weights'>) =>
  weights.map(({ name, parameter: { tensor } }) => ({
    name,
    dtype: 'F32',
    shape: tensor.shape,
    bytes: new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
    size: tensor.data.byteLength,
  }));

/** The modules behind templates and tokenizers: many, and no training needs one before it saves. */
export const savingModules = () => import('../prepare-job.ts');

/** What stands beside the weights, by name. The tokenizer takes a while to open and never changes: once, at the first save. */
export function savedTexts(
  job: Parts,
  source: ModelSource,
  ofTuning: Tuned['files'],
): () => Promise<Readonly<Record<string, string>>> {
  let texts: Readonly<Record<string, string>> | undefined;
  const made = async (): Promise<Readonly<Record<string, string>>> => {
    const { openJobTemplate } = await savingModules();
    const opened = openJobTemplate(job, source);
    return {
      ...ofTuning,
      ...tokenizerFilesOf(source, opened),
      // A whole model is saved as it was trained.
      ...(job.tuning.finetuning_type === 'full'
        ? configFilesOf(source, opened, { dtype: 'float32' })
        : {}),
    };
  };
  return async () => {
    texts ??= await made();
    return texts;
  };
}
