/** @file `tunery export`: a model for other programs, its adapters folded in. */

import { formatPlace } from '../../core/errors.ts';
import { formatBytes, formatDuration } from '../../core/units.ts';
import { dataSection } from '../../data/settings.ts';
import { type Exported, exportModel } from '../../export/export-model.ts';
import { exportSection } from '../../export/settings.ts';
import { modelSection } from '../../models/settings.ts';
import type { ModelSource } from '../../models/source.ts';
import { openJobTemplate } from '../../runs/prepare-job.ts';
import { trainedModel } from '../../runs/trained-model.ts';
import { type Context, defineCommand } from '../command.ts';
import { nothingToExport } from '../errors.ts';
import { openSource } from '../open-source.ts';
import { packageVersion } from '../version.ts';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Write a model, its adapters folded in, for other programs to load.',
  examples: [
    'tunery export examples/smollm2_lora_export.yaml',
    'tunery export examples/smollm2_lora_sft.yaml export_dir=saves/smollm2/merged',
    'tunery export examples/smollm2_lora_export.yaml adapter_name_or_path=saves/smollm2/lora/sft/checkpoint-48 infer_dtype=bfloat16',
  ],
  sections: [modelSection, exportSection, dataSection],

  async run(job, context) {
    const { print, note, progress, signal, json, emit, loaded } = context;
    const { export: target, data, method } = job;
    const given = (key: string): boolean =>
      ['file', 'argument'].includes(loaded?.origins.get(key)?.kind ?? 'default');
    const trained = trainedModel(job, given);
    if (trained.note !== undefined) {
      if (trained.model === job.model) throw nothingToExport(trained.note, job.train.output_dir);
      note(`note: ${trained.note}`);
    }
    const { adapter_name_or_path: adapters } = trained.model;
    const source = await openSource(trained.model, { note, progress, signal });
    const opened = templateOf({ data, method }, source);
    for (const { message, place, help } of opened?.warnings ?? []) {
      note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`);
    }
    const began = performance.now();
    try {
      const done = await exportModel({
        source,
        adapters,
        opened,
        dtype: job.model.infer_dtype,
        folder: target.export_dir ?? '',
        shardBytes: target.export_size * 1e9,
        version: packageVersion(),
        turn: turnOf(context),
      });
      if (json) emit(done);
      print(closing(done, adapters, (performance.now() - began) / 1000));
    } catch (error) {
      if (!signal.aborted) throw error;
      print('Stopped. Nothing was written.');
    }
    return undefined;
  },
});

/** A base model may have no template: then none is written. */
const templateOf = (
  job: Parameters<typeof openJobTemplate>[0],
  source: ModelSource,
): ReturnType<typeof openJobTemplate> =>
  job.data.template === null && source.chatTemplate === undefined
    ? undefined
    : openJobTemplate(job, source);

/** Shows how far it is, and lets Ctrl+C be heard. */
function turnOf({ progress, signal }: Pick<Context, 'progress' | 'signal'>) {
  return async (written: number, all: number): Promise<void> => {
    progress(`writing · ${formatBytes(written)} of ${formatBytes(all)}`);
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  };
}

function closing(done: Exported, adapters: readonly string[], seconds: number): string {
  const { tensors, changed, folder, dtype, bytes, largestError, files } = done;
  const count = adapters.length;
  const merged =
    count === 0
      ? ''
      : `, ${count === 1 ? 'the adapter' : `${count} adapters`} merged into ${changed} of them`;
  const rounding =
    largestError === 0
      ? 'no number was rounded'
      : `largest rounding ${largestError.toExponential(1)}`;
  return `Wrote ${tensors} tensors as ${dtype}${merged}, to ${folder} (${formatBytes(bytes)}, ${files} files, ${formatDuration(seconds)}); ${rounding}.`;
}
