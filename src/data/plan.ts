/**
 * @file The plan: for every optimizer step its rows in order, and what each loss term is divided by. It is
 * written beside the Prepared set, so that both engines and every resume take the same steps.
 */

import { digestOf } from '../files/digest.ts';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../files/safetensors.ts';
import { badPrepared, emptyStep } from './errors.ts';
import { type OrderOptions, orderSteps } from './order.ts';
import type { Prepared } from './prepared.ts';

/** Raised when the same options would give another order. */
const orderVersion = '1';

export type PlanOptions = Omit<OrderOptions, 'rows'> & {
  /** Lets steps pass in which nothing is learned: their `targets` is 0. */
  readonly allowUnsupervised: boolean;
};

export type Plan = {
  readonly steps: number;
  /** Of all that decides the order but its length: a longer run has the same. */
  readonly digest: string;
  /** Rows of a step, which counts from 0, in order. */
  rows(step: number): Int32Array;
  /** Labels that count in the step. */
  targets(step: number): number;
  /** Documents in the step. */
  examples(step: number): number;
  /** Epochs done after the step. */
  epoch(step: number): number;
};

/** What a plan is made of. */
export type PlannedRows = Pick<Prepared, 'digest' | 'count' | 'targetsOf' | 'documents'>;

/** Writes the plan to a file of the run. */
export function writePlan(path: string, prepared: PlannedRows, options: PlanOptions): Plan {
  const { batch, accumulation, seed, shuffle } = options;
  const digest = digestOf(
    orderVersion,
    JSON.stringify([prepared.digest, prepared.count, batch, accumulation, shuffle ? seed : null]),
  );
  const rows: Int32Array[] = [];
  const targets: number[] = [];
  const examples: number[] = [];
  const epochs: number[] = [];
  const offsets: bigint[] = [0n];
  for (const step of orderSteps({ ...options, rows: prepared.count })) {
    const learned = step.rows.reduce((sum, row) => sum + prepared.targetsOf(row), 0);
    if (learned === 0 && !options.allowUnsupervised) {
      throw emptyStep(rows.length + 1, step.rows.join(', '));
    }
    rows.push(step.rows);
    targets.push(learned);
    examples.push(step.rows.reduce((sum, row) => sum + prepared.documents(row).length, 0));
    epochs.push(step.epoch);
    offsets.push((offsets.at(-1) ?? 0n) + BigInt(step.rows.length));
  }
  const bytes = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const steps = rows.length;
  const total = rows.reduce((sum, part) => sum + part.length, 0);
  writeSafetensors(
    path,
    [
      {
        name: 'rows',
        dtype: 'I32',
        shape: [total],
        bytes: function* () {
          for (const part of rows) yield bytes(part);
        },
      },
      {
        name: 'step_offsets',
        dtype: 'I64',
        shape: [steps + 1],
        bytes: bytes(BigInt64Array.from(offsets)),
      },
      { name: 'targets', dtype: 'I32', shape: [steps], bytes: bytes(Int32Array.from(targets)) },
      { name: 'examples', dtype: 'I32', shape: [steps], bytes: bytes(Int32Array.from(examples)) },
      { name: 'epoch', dtype: 'F64', shape: [steps], bytes: bytes(Float64Array.from(epochs)) },
    ],
    { format: 'pt', digest, prepared: prepared.digest },
  );
  return openPlan(path);
}

export function openPlan(path: string): Plan {
  const file = openSafetensors(path);
  const steps = file.tensors.get('targets')?.shape[0] ?? 0;
  const copy = (name: string, dtype: string, length?: number): ArrayBuffer =>
    copyOf(file, name, dtype, length);
  const offsets = new BigInt64Array(copy('step_offsets', 'I64', steps + 1));
  const rows = new Int32Array(copy('rows', 'I32'));
  const targets = new Int32Array(copy('targets', 'I32', steps));
  const examples = new Int32Array(copy('examples', 'I32', steps));
  const epochs = new Float64Array(copy('epoch', 'F64', steps));
  return {
    steps,
    digest: file.metadata.digest ?? '',
    rows: (step) => rows.subarray(Number(offsets[step]), Number(offsets[step + 1])),
    targets: (step) => targets[step],
    examples: (step) => examples[step],
    epoch: (step) => epochs[step],
  };
}

function copyOf(file: SafetensorsFile, name: string, dtype: string, length?: number): ArrayBuffer {
  const tensor = file.tensors.get(name);
  const fits = tensor?.dtype === dtype && (length === undefined || tensor.shape[0] === length);
  if (!tensor || !fits) throw badPrepared(file.path, `it has no sound column ${name}`);
  return tensor.bytes.slice().buffer;
}
