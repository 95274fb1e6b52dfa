/** What nobody asked for is not computed: gradients below what learns, those that lead nowhere. */
import { describe, expect, test } from 'vitest';
import { trainSettings, tuningSettings } from '../../tests/parity/settings.ts';
import { Memory } from '../engine/memory.ts';
import { layOut } from '../engine/micro-batches.ts';
import { type KernelCall, recordKernels } from '../kernels/kernel.ts';
import { methods } from '../methods/index.ts';
import { loadModel } from '../models/load.ts';
import { openModel } from '../models/source.ts';
import { tunings } from '../tuning/index.ts';
import { memoryHost } from './host.ts';
import type { TrainSettings } from './settings.ts';
import { train } from './train.ts';

const [D, F, H, V, R] = [64, 96, 4, 259, 2];
const shape = `hidden_size=${D}&intermediate_size=${F}&num_attention_heads=${H}&num_key_value_heads=${H}&vocab_size=${V}`;
const T = 40;
const prompt = 10;
const ids = Int32Array.from({ length: T }, (_, i) => (i * 7) % 250);
const row = {
  row: 0,
  ids,
  labels: ids.map((id, i) => (i < prompt ? -100 : id)),
  documents: Int32Array.of(T),
};
const asked = layOut([row]).targets.length;

/** Kernel calls of one step, and those of an evaluation of the same row. */
async function callsOf(
  layers: number,
  tuning: Parameters<typeof tuningSettings>[0],
  settings: Partial<TrainSettings> = {},
): Promise<{ step: readonly KernelCall[]; forward: readonly KernelCall[] }> {
  const memory = new Memory();
  const source = await openModel(`random:llama?${shape}&num_hidden_layers=${layers}&seed=5`);
  const { family, model } = await loadModel(source, { memory, dtype: 'f32' });
  const tuned = tunings[tuning?.finetuning_type ?? 'lora'].apply(model, {
    settings: tuningSettings({ lora_rank: R, lora_alpha: R, ...tuning }),
    memory,
    seed: 0,
    adapterTargets: family.adapterTargets,
    baseModel: 'x',
  });
  const rows = { count: 1, row: () => row, place: () => undefined };
  const calls = async (learn: boolean): Promise<readonly KernelCall[]> => {
    let done: Promise<unknown> = Promise.resolve();
    const input = {
      settings: trainSettings({ do_train: learn, save_strategy: 'no', ...settings }),
      method: methods['sft'],
      model,
      parameters: tuned.parameters,
      memory,
      rows,
      plan: {
        steps: 1,
        rows: () => [0],
        targets: () => asked,
        examples: () => 1,
        epoch: () => 1,
      },
      evalSets: [{ name: 'rows', rows }],
      host: memoryHost(),
      saveModel: () => {},
    };
    // The loop computes a micro-batch before it first waits.
    const recorded = recordKernels(() => {
      done = train(input);
    });
    await done;
    return recorded;
  };
  return { step: await calls(true), forward: await calls(false) };
}

const count = (calls: readonly KernelCall[], name: string): number =>
  calls.filter((call) => call.name === name).length;
const productFlops = (calls: readonly KernelCall[]): number =>
  calls.reduce((sum, call) => sum + (call.name === 'gemm' ? call.cost().flops : 0), 0);
/** FLOPs of a step's backward pass in products, the head's gradient left out: it is made on the way there. */
const backwardFlops = ({ step, forward }: Awaited<ReturnType<typeof callsOf>>): number =>
  productFlops(step) - productFlops(forward) - 2 * asked * V * D;

describe('gradients', () => {
  test('end at the first layer that learns', async () => {
    const tuning = { lora_target: ['layers.2.mlp.down_proj'] };
    const calls = await callsOf(3, tuning);
    for (const name of ['attentionBackward', 'swigluBackward']) {
      expect(count(calls.step, name), name).toBe(0);
    }
    // The last norm's: through it the head's gradient comes to the adapter.
    expect(count(calls.step, 'rmsNormBackward')).toBe(1);
    // Of A, of B, and h's that A's is made of.
    expect(backwardFlops(calls)).toBeLessThanOrEqual(2 * T * R * (2 * D + F));
    const recomputing = await callsOf(3, tuning, { gradient_checkpointing: true });
    expect(count(recomputing.step, 'attentionForward')).toBe(4);
    expect(backwardFlops(recomputing)).toBeLessThan(
      backwardFlops(calls) + productFlops(calls.forward) / 2,
    );
  });

  test('lead nowhere below the first layer’s adapters, nor to rows that no loss reads', async () => {
    /** A, B, and h between them; where x needs a gradient, dy · W and dh · A too. */
    const adapted = (rows: number, outputs: number, inputs: number, needsX: boolean): number =>
      2 * rows * (R * (2 * outputs + inputs) + (needsX ? (outputs + R) * inputs : 0));
    const layer = (rows: number, isFirst: boolean): number =>
      adapted(rows, D, D, !isFirst) +
      2 * adapted(T, D, D, !isFirst) +
      adapted(rows, D, D, true) +
      2 * adapted(rows, F, D, true) +
      adapted(rows, D, F, true);
    expect(backwardFlops(await callsOf(1, {}))).toBe(layer(asked, true));
    const two = await callsOf(2, {});
    expect(backwardFlops(two)).toBe(layer(T, true) + layer(asked, false));
    expect(count(two.step, 'rmsNormBackward')).toBe(2 * 2 + 1 - 1);
  });

  test('of frozen weights are not computed', async () => {
    const calls = await callsOf(2, {});
    const full = await callsOf(2, { finetuning_type: 'full' });
    expect(backwardFlops(calls)).toBeLessThan(0.65 * backwardFlops(full));
  });
});

test('of rows that no loss reads, the last layer computes keys and values', async () => {
  const { forward } = await callsOf(1, { finetuning_type: 'full' });
  const keysAndValues = 2 * D * D;
  const theRest = 2 * D * D + 3 * D * F;
  expect(productFlops(forward)).toBe(2 * (T * keysAndValues + asked * (theRest + V * D)));
});
