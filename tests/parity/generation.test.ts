/** SmolLM2-135M as transformers runs it: logits and 64 greedy tokens of three prompts, of the base and with an adapter. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { Cache, isLinear, namedLayers } from '../../src/engine/nn/index.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { BlockTable } from '../../src/generate/blocks.ts';
import { forward, type Loaded, logitsOf } from '../../src/generate/forward.ts';
import { openGenerator } from '../../src/generate/generator.ts';
import { greedy } from '../../src/generate/sampling.ts';
import type { Session } from '../../src/generate/session.ts';
import { loadModel } from '../../src/models/load.ts';
import { type ModelSource, openModel } from '../../src/models/source.ts';
import { openJobTemplate } from '../../src/runs/prepare-job.ts';
import { adapterConfig } from '../../src/tuning/adapter-files.ts';
import { attachAdapters } from '../../src/tuning/attach-adapters.ts';
import { seededAdapterWeight } from '../golden/named-values.ts';
import { readPrompts } from '../golden/references.ts';
import { dataSettings } from './settings.ts';

let source: ModelSource;
let loaded: Loaded;
let targets: readonly string[];
const place = mkdtempSync(join(tmpdir(), 'tunery-generation-'));

beforeAll(async () => {
  source = await openModel('HuggingFaceTB/SmolLM2-135M-Instruct');
  const memory = new Memory();
  const { model, family } = await loadModel(source, { memory, dtype: 'f32' });
  targets = family.adapterTargets;
  loaded = { model, memory };
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const prompts = { base: readPrompts('base'), adapted: readPrompts('adapted') };
type Name = keyof typeof prompts;

const session = (): Session =>
  openGenerator(
    loaded,
    { model: 'smollm2', adapters: [], dtype: 'f32', context_length: 8192 },
    { cacheBytes: 100e6, sequences: 4 },
  );

/** What the references are made with: base.py asks with one user turn, through the model's own template. */
function template() {
  const opened = openJobTemplate({ data: dataSettings(), method: { stage: 'sft' } }, source);
  if (!opened) throw new Error('the model has no template');
  return opened.template;
}

function checkPrompts(name: Name): void {
  for (const { prompt, prompt_ids } of prompts[name]) {
    const messages = [{ role: 'user', content: prompt }] as const;
    expect([...template().prompt({ messages, system: '', tools: '' })]).toEqual(prompt_ids);
  }
}

function checkLogits(name: Name): number {
  let most = 0;
  for (const { prompt_ids, best_ids, best_logits, stride, sample } of prompts[name]) {
    const cache = new Cache(loaded.memory, prompt_ids.length);
    const table = new BlockTable({ size: prompt_ids.length });
    table.blocks.push(0);
    const piece = { ids: Int32Array.from(prompt_ids), at: 0, table };
    const logits = forward(loaded, cache, [piece], (hidden) => logitsOf(loaded, hidden).read());
    cache.release();
    const V = logits.length / prompt_ids.length;
    for (const [row, ids] of best_ids.entries()) {
      for (const [i, id] of ids.entries()) {
        most = Math.max(most, Math.abs(logits[row * V + id] - best_logits[row][i]));
      }
    }
    const last = (prompt_ids.length - 1) * V;
    for (const [i, value] of sample.entries()) {
      most = Math.max(most, Math.abs(logits[last + i * stride] - value));
    }
  }
  return most;
}

async function checkGreedy(name: Name): Promise<void> {
  const request = {
    sampling: greedy,
    max_new_tokens: 64,
    stop_ids: [...template().stopIds],
  };
  const asked = prompts[name].map(({ prompt_ids }) => ({
    ids: Int32Array.from(prompt_ids),
    seed: 0,
  }));
  const ours = session();
  const tokens = ours.generate({ ...request, prompts: asked });
  for (;;) {
    const { done, value } = await tokens.next();
    if (!done) continue;
    for (const [i, { ids }] of value.entries()) {
      expect([...ids]).toEqual(prompts[name][i].greedy_ids);
    }
    break;
  }
  // And one of them alone.
  const alone: number[] = [];
  for await (const { id } of ours.generate({ ...request, prompts: [asked[1]] })) alone.push(id);
  expect(alone).toEqual(prompts[name][1].greedy_ids);
  await ours.close();
}

/** Both sides are f32, and each may be as far from exact as the reference says of itself. */
const tolerance = (name: Name): number => 2 * Math.max(...prompts[name].map(({ noise }) => noise));

// In this order: the adapter stays on the model.
describe.each(['base', 'adapted'] as const)('%s', (name) => {
  beforeAll(() => {
    if (name === 'adapted')
      attachAdapters(loaded.model, [seededAdapter()], { ...loaded, modelName: 'smollm2' });
  });

  test('prompts have the ids of transformers', () => checkPrompts(name));

  test('logits equal transformers within the noise of f32', () => {
    const most = checkLogits(name);
    console.log(`${name}: logits within ${most.toExponential(1)}`);
    expect(most).toBeLessThan(tolerance(name));
  });

  test('64 greedy tokens equal transformers, together and alone', () => checkGreedy(name));
});

/** The folder of the references' adapter, made from its weights' names. */
function seededAdapter(): string {
  const spec = { baseModel: 'smollm2', rank: 8, alpha: 16, dropout: 0, targets, modulesToSave: [] };
  writeFileSync(join(place, 'adapter_config.json'), adapterConfig(spec));
  const weights = [...namedLayers(loaded.model.root)].flatMap(([name, layer]) => {
    if (!isLinear(layer) || !targets.includes(name.split('.').at(-1) ?? '')) return [];
    const weight = (part: string, shape: readonly [number, number]) => {
      const full = `base_model.model.${name}.${part}.weight`;
      const bytes = new Uint8Array(seededAdapterWeight(full, shape).buffer);
      return { name: full, dtype: 'F32' as const, shape, bytes };
    };
    return [weight('lora_A', [8, layer.inputs]), weight('lora_B', [layer.outputs, 8])];
  });
  writeSafetensors(join(place, 'adapter_model.safetensors'), weights, { format: 'pt' });
  return place;
}
