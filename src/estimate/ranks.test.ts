import { describe, expect, test } from 'vitest';
import { buildModel } from '../models/load.ts';
import type { Job } from '../train/job.ts';
import { shapeOf, weightsOf } from './model-shape.ts';
import { rankInput } from './rank-job.ts';
import {
  modelStates,
  paperBytes,
  type RankInput,
  type RankKind,
  rankMemory,
  trainableOf,
} from './ranks.ts';

const total = (of: Readonly<Record<string, number>>): number =>
  Object.values(of).reduce((a, b) => a + b, 0);

test('the table of the ZeRO paper: 7.5 B weights on 64 GPUs (figure 1)', () => {
  const gigabytes = ([0, 1, 2, 3] as const).map(
    (stage) => Math.round(total(modelStates(7.5e9, paperBytes, stage, 64)) / 1e8) / 10,
  );
  expect(gigabytes).toEqual([120, 31.4, 16.6, 1.9]);
});

describe('what one rank had on an H100 (PyTorch 2.11)', async () => {
  // SmolLM2-135M, 46 documents in a micro-batch.
  const config = {
    ...{ model_type: 'llama', hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, vocab_size: 49_152 },
    tie_word_embeddings: true,
  };
  const model = shapeOf(await buildModel({ path: '', config }), config);
  const targets = model.linears.map(({ name }) => name);
  const settings = (
    more: Partial<Pick<Job['train'], 'bf16' | 'gradient_checkpointing'>>,
    type: 'lora' | 'full',
    quantization_bit: 4 | null = null,
  ): RankInput => {
    const tuning = { finetuning_type: type, lora_rank: 8, lora_dropout: 0, lora_target: ['all'] };
    const job = {
      model: { flash_attn: 'auto', quantization_bit, double_quantization: true },
      train: { bf16: false, gradient_checkpointing: false, optim: 'adamw_torch', ...more },
      tuning,
    } as unknown as Job;
    const layout = { strategy: 'none', ranks: 1, offload: false, device: 'cuda' } as const;
    const cut = { tokens: 8141, targets: 5963, documents: 46 };
    return rankInput(job, model, targets, layout, { cut, cuts: 2 });
  };
  const checkpointed = { bf16: true, gradient_checkpointing: true };

  test.each<[string, RankInput, Partial<Record<RankKind, number>>, number]>([
    ['LoRA, bf16', settings({ bf16: true }, 'lora'), {}, 8.872e9],
    [
      'LoRA, bf16, on four bits',
      settings({ bf16: true }, 'lora', 4),
      { weights: 121_219_072, activations: 6_442_678_104 },
      8.655e9,
    ],
    ['LoRA, f32', settings({}, 'lora'), { activations: 11_402_970_248 }, 14.411e9],
    ['full, bf16', settings({ bf16: true }, 'full'), { activations: 8_373_373_016 }, 12.447e9],
    ['full, f32', settings({}, 'full'), { activations: 12_492_174_344 }, 16.58e9],
    ['LoRA, bf16, checkpointed', settings(checkpointed, 'lora'), {}, 3.604e9],
    ['full, bf16, checkpointed', settings(checkpointed, 'full'), { casts: 56_623_104 }, 5.529e9],
  ])('%s', (_, input, measured, peak) => {
    const { kinds, peak: all } = rankMemory(input);
    for (const [kind, bytes] of Object.entries(measured)) {
      const said = kinds[kind as RankKind];
      expect(Math.abs(said / bytes - 1), `${kind}: ${said} for ${bytes}`).toBeLessThan(0.14);
    }
    // Never too little; a checkpointed run’s small peak leaves the rules more room.
    const tensors = all - kinds.device;
    expect(tensors / peak).toBeGreaterThan(1);
    expect(tensors / peak).toBeLessThan(1.25);
  });
});

describe('what two ranks of the worker had, measured with gloo', async () => {
  // tests/e2e/torch.test.ts measures again; these are kept so that the reckoning can change without Python.
  const config = {
    ...{ model_type: 'llama', hidden_size: 256, intermediate_size: 704, num_hidden_layers: 4 },
    ...{ num_attention_heads: 8, num_key_value_heads: 4, vocab_size: 1000 },
  };
  const model = shapeOf(await buildModel({ path: '', config }), config);
  const targets = model.linears.map(({ name }) => name);
  const base: RankInput = {
    ...{ model, strategy: 'ddp', ranks: 2, offload: false, bf16: false, quantization: null },
    ...{ optimizer8bit: false, cuts: 1, device: 'cpu' },
    cut: { tokens: 256, targets: 100, documents: 1 },
    passing: { attention: 'sdpa', adapter: undefined, checkpointing: false },
  };
  const lora = { ...base.passing, adapter: { rank: 8, dropout: false, targets } };

  test('weights', () => {
    expect(weightsOf(model)).toBe(3_463_424);
    expect(trainableOf({ ...base, passing: lora })).toBe(149_504);
  });

  type Measured = Partial<Record<string, number>>;
  test.each<[string, Partial<RankInput>, Measured]>([
    [
      'DDP',
      {},
      {
        weights: 13_853_824,
        optimizer: 27_707_548,
        gradients: 13_853_696,
        activations: 22_109_380,
        communication: 13_853_696,
      },
    ],
    ['DDP, several documents', { cut: { ...base.cut, documents: 4 } }, { activations: 24_206_532 }],
    ['DDP, bf16', { bf16: true }, { activations: 15_242_436, casts: 6_410_240 }],
    [
      'FSDP2',
      { strategy: 'fsdp' },
      {
        weights: 6_926_976,
        optimizer: 13_853_852,
        gradients: 6_926_848,
        activations: 22_109_380,
        gathered: 5_000_192,
      },
    ],
    [
      'FSDP2, bf16',
      { strategy: 'fsdp', bf16: true },
      { activations: 12_457_156, gathered: 2_500_096 },
    ],
    [
      'ZeRO 1',
      { strategy: 'zero1' },
      { weights: 13_853_824, optimizer: 20_780_548, gradients: 7_188_480, activations: 22_109_380 },
    ],
    ['ZeRO 1, two micro-batches', { strategy: 'zero1', cuts: 2 }, { gradients: 13_853_696 }],
    [
      'ZeRO 2',
      { strategy: 'zero2' },
      { weights: 13_853_824, optimizer: 20_780_548, gradients: 7_188_480, activations: 22_109_380 },
    ],
    [
      'ZeRO 3',
      { strategy: 'zero3' },
      {
        weights: 6_936_192,
        optimizer: 13_853_700,
        gradients: 6_926_848,
        activations: 22_109_380,
        gathered: 13_844_480,
      },
    ],
    [
      'ZeRO 3, bf16',
      { strategy: 'zero3', bf16: true },
      { activations: 14_769_348, casts: 0, gathered: 13_844_480 },
    ],
    [
      'DDP, LoRA',
      { passing: lora },
      { weights: 14_451_840, optimizer: 1_196_256, gradients: 598_016, activations: 19_611_844 },
    ],
    [
      'DDP, LoRA, bf16',
      { passing: lora, bf16: true },
      {
        weights: 7_524_992,
        optimizer: 1_196_256,
        gradients: 598_016,
        activations: 11_075_780,
        casts: 286_720,
      },
    ],
    [
      'ZeRO 2, LoRA',
      { strategy: 'zero2', passing: lora },
      { weights: 14_451_840, optimizer: 897_028, gradients: 299_008, activations: 19_611_844 },
    ],
    [
      'ZeRO 3, LoRA',
      { strategy: 'zero3', passing: lora },
      {
        weights: 7_562_880,
        optimizer: 598_020,
        gradients: 299_008,
        activations: 19_714_244,
        gathered: 12_566_528,
      },
    ],
    [
      'ZeRO 3, LoRA, bf16',
      { strategy: 'zero3', passing: lora, bf16: true },
      {
        weights: 4_094_848,
        optimizer: 598_020,
        gradients: 299_008,
        activations: 20_170_948,
        casts: 0,
      },
    ],
    [
      'FSDP2, LoRA',
      { strategy: 'fsdp', passing: lora },
      {
        weights: 7_225_984,
        optimizer: 598_240,
        gradients: 299_008,
        activations: 19_611_844,
        gathered: 5_149_696,
      },
    ],
    [
      'FSDP2, LoRA, bf16',
      { strategy: 'fsdp', passing: lora, bf16: true },
      {
        weights: 3_762_560,
        optimizer: 598_240,
        gradients: 299_008,
        activations: 11_075_780,
        gathered: 2_574_848,
      },
    ],
  ])('%s', (_, input, measured) => {
    const { kinds } = rankMemory({ ...base, ...input });
    for (const [kind, bytes = 0] of Object.entries(measured)) {
      const said = kinds[kind as keyof typeof kinds];
      expect(Math.abs(said / bytes - 1) || 0, `${kind}: ${said} for ${bytes}`).toBeLessThan(0.05);
    }
  });
});
