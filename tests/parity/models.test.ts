/** Every family against PyTorch. Golden files come from `npm run golden -- models/<case>`. */
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { layOut, type MicroBatch } from '../../src/engine/micro-batches.ts';
import {
  Cache,
  type CausalLM,
  documentsContext,
  namedParameters,
} from '../../src/engine/nn/index.ts';
import { linear } from '../../src/engine/ops/linear.ts';
import { linearCrossEntropy } from '../../src/engine/ops/linear-cross-entropy.ts';
import { sum } from '../../src/engine/ops/sum.ts';
import { within } from '../../src/engine/session.ts';
import { Tape } from '../../src/engine/tape.ts';
import type { Tensor } from '../../src/engine/tensor.ts';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { BlockTable } from '../../src/generate/blocks.ts';
import { forward } from '../../src/generate/forward.ts';
import { recordKernels } from '../../src/kernels/kernel.ts';
import { families } from '../../src/models/index.ts';
import { full } from '../../src/tuning/full.ts';
import { lora } from '../../src/tuning/lora.ts';
import { tuningSection } from '../../src/tuning/settings.ts';

const folder = fileURLToPath(new URL('../golden/models/', import.meta.url));
const cases = globSync('*.json', { cwd: folder })
  .map((name) => basename(name, '.json'))
  .sort();

type Golden = {
  readonly config: Record<string, unknown> & { readonly model_type: string };
  readonly config_saved: Record<string, unknown> & { readonly model_type: string };
  readonly loss: number;
  readonly targets: number;
  /** How far f32 is from f64 in PyTorch itself. */
  readonly noise: { readonly base: { readonly logits: number } };
  readonly lora: {
    readonly r: number;
    readonly lora_alpha: number;
    readonly target_modules: string[];
  };
};

async function open(name: string) {
  const golden: Golden = JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'));
  const { tensors } = openSafetensors(`${folder}${name}.safetensors`);
  const floats = (key: string): Float32Array => {
    const tensor = tensors.get(key);
    if (!tensor) throw new Error(`${name} has no ${key}`);
    return new Float32Array(tensor.bytes.slice().buffer);
  };
  const integers = (key: string) => new Int32Array(floats(key).buffer);
  const memory = new Memory();
  const family = await families[golden.config.model_type]();
  const build = (config: unknown): CausalLM => {
    const model = family.build(family.config.parse(config));
    for (const [weight, parameter] of namedParameters(model.root)) {
      const values = memory.weights.keep(parameter.shape, 'f32');
      values.data.set(floats(weight));
      parameter.set(values, false);
    }
    return model;
  };
  const documents = [0, 1].map((n) => ({
    ids: integers(`ids.${n}`),
    labels: integers(`labels.${n}`),
  }));
  const batch = layOut(
    documents.map(({ ids, labels }, row) => ({
      row,
      ids,
      labels,
      documents: Int32Array.of(ids.length),
    })),
  );
  return { golden, floats, memory, family, build, documents, batch, names: [...tensors.keys()] };
}

function logits(model: CausalLM, memory: Memory, documents: readonly Int32Array[]) {
  const ids = Int32Array.from(documents.flatMap((each) => [...each]));
  const context = documentsContext(documents.map((each) => each.length));
  return within({ memory, tape: null, randomness: null }, () =>
    memory.scope(() => headOf(model, model.decoder({ ids }, context))),
  );
}

function headOf({ head: { weight, bias } }: CausalLM, hidden: Tensor): Float32Array {
  return linear([hidden, weight.tensor, bias?.tensor ?? null], null).read() as Float32Array;
}

function backward(
  model: CausalLM,
  memory: Memory,
  batch: MicroBatch,
  targets: number,
  recomputing: boolean | 'selective' = false,
): number {
  const tape = new Tape(memory, { selective: recomputing === 'selective' });
  const checkpointing = recomputing === true;
  return within({ memory, tape, randomness: null }, () =>
    memory.scope(() => {
      const { ids, positions, documents, asked } = batch;
      const context = { positions, documents, cache: null, rows: asked, checkpointing };
      const hidden = model.decoder({ ids }, context);
      const { weight, bias } = model.head;
      const logp = linearCrossEntropy([hidden, weight.tensor, bias?.tensor ?? null], {
        targets: batch.targets,
        chunk: 5,
      });
      const loss = sum([logp], { scale: -1 });
      const grad = memory.gradients.like(loss);
      grad.data.fill(1 / targets);
      tape.backward([[loss, grad]]);
      return loss.item() / targets;
    }),
  );
}

const far = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
};

/** Direction and size: an absolute tolerance would let a tiny model's zero gradient pass. */
function expectGradient(
  grad: ArrayLike<number> | undefined,
  expected: Float32Array,
  name: string,
): void {
  expect(grad, name).toBeDefined();
  let [dot, ours, theirs] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    dot += grad![i] * expected[i];
    ours += grad![i] ** 2;
    theirs += expected[i] ** 2;
  }
  expect(theirs, `${name} is not zero`).toBeGreaterThan(0);
  expect(dot / Math.sqrt(ours * theirs), `cosine of ${name}`).toBeGreaterThanOrEqual(0.99999);
  expect(Math.abs(Math.sqrt(ours / theirs) - 1), `norm of ${name}`).toBeLessThan(1e-4);
}

test('there is a golden file for every family', async () => {
  const types = cases.map(
    (name) => JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')).config.model_type,
  );
  for (const family of Object.keys(families)) expect(types).toContain(family);
});

describe.each(cases)('%s', (name) => {
  test('logits equal PyTorch, end to end, alone, and token by token', async () => {
    const { floats, memory, build, documents, golden } = await open(name);
    const model = build(golden.config);
    const [a, b] = documents.map(({ ids }) => ids);
    const alone = [logits(model, memory, [a]), logits(model, memory, [b])];
    expect(far(alone[0], floats('logits.0'))).toBeLessThan(1e-4);
    expect(far(alone[1], floats('logits.1'))).toBeLessThan(1e-4);
    const packed = logits(model, memory, [a, b]);
    expect(far(packed, [...alone[0], ...alone[1]])).toBeLessThan(1e-5);

    const V = alone[0].length / a.length;
    const size = Math.max(a.length, b.length);
    const cache = new Cache(memory, 2 * size);
    const tables = [0, 1].map((block) => {
      const table = new BlockTable({ size });
      table.blocks.push(block);
      return table;
    });
    const pieces: number[][] = [[], []];
    for (let at = 0; at < size; at++) {
      // The shorter one has nothing new towards the end: an empty document.
      const step = [a, b].map((ids) => ids.subarray(at, at + 1));
      const out = forward(
        { model, memory },
        cache,
        step.map((ids, n) => ({ ids, at: Math.min(at, [a, b][n].length), table: tables[n] })),
        (hidden) => headOf(model, hidden),
      );
      pieces[0].push(...out.subarray(0, step[0].length * V));
      pieces[1].push(...out.subarray(step[0].length * V));
    }
    cache.release();
    // Rows alone and in a block are added up in another order: each may be as far from exact as f32 is.
    const noise = Math.max(1e-5, 2 * golden.noise.base.logits);
    expect(far(pieces[0], alone[0])).toBeLessThan(noise);
    expect(far(pieces[1], alone[1])).toBeLessThan(noise);
  });

  test('the config that transformers 5 saves means the same', async () => {
    const { floats, memory, build, documents, golden } = await open(name);
    const model = build(golden.config_saved);
    expect(far(logits(model, memory, [documents[0].ids]), floats('logits.0'))).toBeLessThan(1e-4);
  });

  test('the rows that are asked for are those of all, at less cost', async () => {
    const { memory, build, golden, batch } = await open(name);
    const model = build(golden.config);
    const { ids, positions, documents } = batch;
    const pass = (rows: Int32Array | null) => {
      let hidden: Float32Array = new Float32Array();
      const calls = recordKernels(() => {
        hidden = within({ memory, tape: null }, () =>
          memory.scope(() => {
            const context = { positions, documents, cache: null, rows, checkpointing: false };
            return model.decoder({ ids }, context).read() as Float32Array;
          }),
        );
      });
      return { hidden, flops: calls.reduce((sum, call) => sum + call.cost().flops, 0) };
    };
    const all = pass(null);
    const width = all.hidden.length / ids.length;
    const last = documents[1] - 1;
    for (const rows of [[], [0], [last], [1, 2, last, last + 1], [...ids.keys()]]) {
      const some = pass(Int32Array.from(rows));
      const expected = rows.flatMap((row) => [
        ...all.hidden.subarray(row * width, (row + 1) * width),
      ]);
      expect(far(some.hidden, expected), `rows ${rows}`).toBeLessThan(1e-5);
      if (rows.length < ids.length) expect(some.flops).toBeLessThan(all.flops);
    }
  });

  test.each([false, 'selective', true] as const)(
    'every gradient equals PyTorch, recomputing %s',
    async (recomputing) => {
      const { golden, floats, memory, build, batch, names, family } = await open(name);
      const model = build(golden.config);
      const { parameters } = full.apply(model, context(memory, family.adapterTargets));
      const loss = backward(model, memory, batch, golden.targets, recomputing);
      expect(Math.abs(loss - golden.loss)).toBeLessThan(1e-5);
      const expected = names.filter((key) => key.startsWith('grad.'));
      expect([...parameters.keys()].map((key) => `grad.${key}`).sort()).toEqual(expected.sort());
      for (const [key, parameter] of parameters) {
        expectGradient(parameter.grad?.read(), floats(`grad.${key}`), key);
      }
      expect(memory.account().activations.inUse).toBe(0);
    },
  );

  test('LoRA: logits and gradients equal PEFT', async () => {
    const { golden, floats, memory, build, documents, batch, family } = await open(name);
    const model = build(golden.config);
    const { r, lora_alpha, target_modules } = golden.lora;
    const { parameters } = lora.apply(
      model,
      context(memory, family.adapterTargets, {
        lora_rank: r,
        lora_alpha,
        lora_target: target_modules,
      }),
    );
    for (const [key, { tensor }] of parameters) tensor.data.set(floats(`lora.${key}`));
    expect(far(logits(model, memory, [documents[0].ids]), floats('lora.logits.0'))).toBeLessThan(
      1e-4,
    );
    backward(model, memory, batch, golden.targets);
    for (const [key, parameter] of parameters) {
      expectGradient(parameter.grad?.read(), floats(`lora.grad.${key}`), key);
    }
    for (const [key, parameter] of namedParameters(model.root))
      expect(parameter.grad, key).toBeNull();
  });
});

function context(memory: Memory, adapterTargets: readonly string[], changes: object = {}) {
  const defaults = Object.fromEntries(
    Object.entries(tuningSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
  ) as never as Parameters<typeof lora.apply>[1]['settings'];
  return { settings: { ...defaults, ...changes }, memory, seed: 0, adapterTargets, baseModel: 'x' };
}
