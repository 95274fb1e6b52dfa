/** @file `tunery debug …`: what is computed, in files that other implementations can be held against. */
import { z } from 'zod';
import { field, textList } from '../../core/field.ts';
import { noSuchSet } from '../../data/errors.ts';
import type { Prepared } from '../../data/prepared.ts';
import { dataSection } from '../../data/settings.ts';
import { Memory } from '../../engine/memory.ts';
import { type CausalLM, documentsContext } from '../../engine/nn/index.ts';
import { linear } from '../../engine/ops/linear.ts';
import { within } from '../../engine/session.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { writeSafetensors } from '../../files/safetensors.ts';
import { methodSection } from '../../methods/settings.ts';
import { loadModel } from '../../models/load.ts';
import { modelSection } from '../../models/settings.ts';
import { openModel } from '../../models/source.ts';
import { planOfJob } from '../../runs/plan-of-job.ts';
import { trainSection } from '../../train/settings.ts';
import { attachAdapters } from '../../tuning/attach-adapters.ts';
import { defineCommand } from '../command.ts';
import { badIds, oneOf } from '../errors.ts';
import { openData } from '../open-data.ts';

export const debugLogitsCommand = defineCommand({
  name: 'debug logits',
  summary:
    'Write the logits of some tokens, in f32, to a SafeTensors file: `ids` [T], `logits` [T, V].',
  examples: [
    'tunery debug logits HuggingFaceTB/SmolLM2-135M-Instruct --ids 1,2,3 --out logits.safetensors',
    'tunery debug logits saves/smollm2/merged --text "Hello" --out logits.safetensors',
    'tunery debug logits HuggingFaceTB/SmolLM2-135M-Instruct --adapter saves/smollm2/lora/sft --text "Hello" --out logits.safetensors',
  ],
  positionals: [{ name: 'MODEL', help: 'the model, as `model_name_or_path` takes it' }],
  options: {
    adapter: field(textList().default([]), {
      help: 'Adapter folders; all but the last are merged.',
    }),
    ids: field(textList().default([]), { help: 'Token ids, with commas.' }),
    text: field(z.string().nullable().default(null), {
      help: 'Text to tokenize as it stands, without a template.',
    }),
    out: field(z.string(), { help: 'The file to write.' }),
  },

  async run(_job, { positionals: [name], options, signal, print, note, json, emit }) {
    if (options.ids.length > 0 === (options.text !== null))
      throw oneOf('debug logits', '--ids', '--text');
    const source = await openModel(name, { signal });
    if (source.note) note(`note: ${source.note}`);
    const ids =
      options.text === null ? parseIds(options.ids) : source.tokenizer().encode(options.text);
    const memory = new Memory();
    const { model } = await loadModel(source, { memory, dtype: 'f32' });
    attachAdapters(model, options.adapter, { memory, modelName: name });
    const [V] = model.head.weight.shape;
    const outside = ids.find((id) => id >= V);
    if (outside !== undefined) throw badIds(String(outside), `the model has ${V} tokens`);

    const hidden = within({ memory, tape: null, randomness: null }, () =>
      model.decoder({ ids }, documentsContext([ids.length])),
    );
    writeSafetensors(options.out, [
      { name: 'ids', dtype: 'I32', shape: [ids.length], bytes: bytesOf(ids) },
      {
        name: 'logits',
        dtype: 'F32',
        shape: [ids.length, V],
        *bytes() {
          for (const piece of logitsInPieces(model, hidden, memory)) yield bytesOf(piece);
        },
      },
    ]);
    if (json) emit({ out: options.out, ids: [...ids], vocabulary: V });
    print(`${ids.length} positions, ${V} logits each, in ${options.out}`);
    return undefined;
  },
});

/** Rows that meet the head at a time: [T, V] at once could be larger than the model. */
const pieceRows = 64;

function* logitsInPieces(
  { head }: CausalLM,
  hidden: ReturnType<CausalLM['decoder']>,
  memory: Memory,
): Generator<Float32Array> {
  const { weight, bias } = head;
  for (let from = 0; from < hidden.rows; from += pieceRows) {
    const rows = Math.min(pieceRows, hidden.rows - from);
    yield within({ memory, tape: null, randomness: null }, () =>
      memory.scope(() => {
        const x = memory.workspace.tensor([rows, hidden.width], hidden.dtype);
        x.data.set(hidden.data.subarray(from * hidden.width, (from + rows) * hidden.width));
        const y = linear([x, weight.tensor, bias?.tensor ?? null], null);
        return Float32Array.from(y.read());
      }),
    );
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function parseIds(texts: readonly string[]): Int32Array {
  for (const text of texts) {
    if (!/^\d{1,9}$/.test(text)) throw badIds(text, 'ids are whole numbers from 0, with commas');
  }
  return Int32Array.from(texts, Number);
}

export const debugBatchesCommand = defineCommand({
  name: 'debug batches',
  summary:
    'Write the first optimizer steps of a training as JSON lines: each row’s origin and columns (ids, labels), as they are fed.',
  examples: ['tunery debug batches examples/smollm2_lora_sft.yaml --steps 10 --out batches.jsonl'],
  sections: [modelSection, methodSection, dataSection, trainSection],
  options: {
    steps: field(z.int().min(1).default(1), { help: 'How many steps, from the first.' }),
    out: field(z.string(), { help: 'The file to write.' }),
  },

  async run(job, context) {
    const { options, print, json, emit } = context;
    const { sets } = await openData(job, context);
    const prepared = sets.train;
    if (!prepared) throw noSuchSet('dataset');
    const plan = planOfJob(job, prepared);
    const steps = Math.min(options.steps, plan.steps);
    const lines = function* (): Generator<string> {
      for (let step = 0; step < steps; step++) {
        const rows = Array.from(plan.rows(step), (row) => batchRow(prepared, row));
        yield `${JSON.stringify({ step: step + 1, targets: plan.targets(step), rows })}\n`;
      }
    };
    writeFileAtomic(options.out, lines());
    if (json) emit({ out: options.out, steps, of: plan.steps });
    print(`${steps} of ${plan.steps} steps in ${options.out}`);
    return undefined;
  },
});

/** A row as `tests/golden/trajectory.py` reads it; `origin` has the place of each of its documents. */
function batchRow(prepared: Prepared, row: number) {
  const documents = prepared.documents(row);
  return {
    row,
    origin: prepared.places(row).map(({ file, line, row }) => [file, line ?? row ?? null]),
    // Where several documents lie end to end, attention does not cross from one to the next.
    ...(documents.length > 1 ? { documents: [...documents] } : {}),
    ...Object.fromEntries(prepared.columns.map((name) => [name, [...prepared.column(name, row)]])),
  };
}
