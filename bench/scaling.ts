/**
 * @file How a step grows: with the length of documents, and with the size of the model.
 *
 * `node bench/scaling.ts [--measured 256,1024,4096] [--tokens 512] [--layers 2] [--prefix COMMAND]`. The first table is
 * counted by a dry run of SmolLM2-135M; beside it stands what its first two layers and its head are measured to take.
 * Of the large models, random ones of a 1.1B and a 7B shape, so many layers are run; all of them are reckoned from that
 * by the time and memory of a layer, which is told by two runs that differ by one layer's number.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memoryClasses } from '../src/engine/memory.ts';
import { estimated, type Settings, trained } from './account.ts';
import { report } from './report.ts';

const { values } = parseArgs({
  options: {
    measured: { type: 'string', default: '256,1024,4096' },
    tokens: { type: 'string', default: '512' },
    layers: { type: 'string', default: '2' },
    prefix: { type: 'string', default: '' },
  },
});

const shape = (of: Readonly<Record<string, number | boolean>>): string =>
  `random:llama?${Object.entries(of)
    .map(([key, value]) => `${key}=${value}`)
    .join('&')}`;
const smollm2 = (layers: number): string =>
  shape({
    ...{ hidden_size: 576, intermediate_size: 1536, num_hidden_layers: layers },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, vocab_size: 49152 },
    ...{ tie_word_embeddings: true, max_position_embeddings: 8192 },
  });
const large: Readonly<
  Record<string, { layers: number; of: (layers: number) => string; settings: Settings }>
> = {
  '1.1B, bf16': {
    layers: 22,
    of: (layers) =>
      shape({
        ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: layers },
        ...{ num_attention_heads: 32, num_key_value_heads: 4, vocab_size: 32000 },
      }),
    settings: { bf16: true },
  },
  '7B, NF4': {
    layers: 32,
    of: (layers) =>
      shape({
        ...{ hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: layers },
        ...{ num_attention_heads: 32, num_key_value_heads: 32, vocab_size: 32000 },
      }),
    settings: { bf16: true, quantization_bit: 4 },
  },
};

const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-scaling-'));
const prefix = values.prefix.split(' ').filter((word) => word !== '');
const options = { cwd: folder, prefix };

/** Documents of exactly so many tokens: each letter is one of the random models' tokenizer. */
function settingsOf(path: string, tokens: number): Settings {
  const file = join(folder, `text-${tokens}.json`);
  const text = 'abcdefgh'.repeat(tokens);
  writeFileSync(file, JSON.stringify([{ text }, { text }, { text }, { text }]));
  return {
    ...{ model_name_or_path: path, stage: 'pt', dataset: file, cutoff_len: tokens, packing: false },
    ...{ finetuning_type: 'lora', lora_rank: 8, micro_batch_tokens: tokens, max_steps: 3 },
    ...{ per_device_train_batch_size: 1, disable_shuffling: true },
  };
}

try {
  console.log('SmolLM2-135M, LoRA, one document: counted, and two of its layers measured');
  console.log(
    'tokens   MFLOP a token   memory beside weights   MB a 1,000 tokens   ms a token, 2 layers',
  );
  const measured = values.measured.split(',').map(Number);
  const perToken: number[] = [];
  for (const tokens of [256, 512, 1024, 2048, 4096, 8192]) {
    const said = await estimated(settingsOf(smollm2(30), tokens), options);
    const passing = said.memory.kinds.activations + said.memory.kinds.gradients;
    const runs = measured.includes(tokens)
      ? await trained(settingsOf(smollm2(2), tokens), options)
      : undefined;
    if (runs) perToken.push(1000 / runs.tokensPerSecond);
    console.log(
      `${String(tokens).padStart(6)}   ${(said.step.flops / said.step.tokens / 1e6).toFixed(0).padStart(13)}   ${`${(passing / 1e6).toFixed(0)} MB`.padStart(21)}   ${((passing / 1e6 / tokens) * 1000).toFixed(0).padStart(17)}   ${(runs ? (1000 / runs.tokensPerSecond).toFixed(2) : '–').padStart(20)}`,
    );
  }
  report({
    name: 'a token’s cost, the longest measured document over the shortest',
    value: perToken.at(-1)! / perToken[0],
    unit: '×',
  });

  const tokens = Number(values.tokens);
  const few = Number(values.layers);
  for (const [name, { layers, of, settings }] of Object.entries(large)) {
    const at = (count: number): Settings => ({ ...settingsOf(of(count), tokens), ...settings });
    const [one, two] = [await trained(at(few - 1), options), await trained(at(few), options)];
    const said = await estimated(at(layers), options);
    const both = await estimated(at(few), options);
    // A layer's memory is what the pools say: beside them a process holds what the collector has not come to yet.
    const pools = ({ kinds }: typeof one): number =>
      memoryClasses.reduce((sum, name) => sum + kinds[name], 0);
    const memory = two.memory + (layers - few) * (pools(two) - pools(one));
    const seconds = two.secondsPerStep + (layers - few) * (two.secondsPerStep - one.secondsPerStep);
    console.log(
      `\n${name}: ${layers} layers reckoned from ${few - 1} and ${few} that ran, ${tokens} tokens a step`,
    );
    console.log(
      `  ${few} layers: memory ${(two.memory / 1e9).toFixed(2)} GB, estimated ${(both.memory.total / 1e9).toFixed(2)} GB; a step ${two.secondsPerStep.toFixed(1)} s, estimated ${both.step.seconds.toFixed(1)} s`,
    );
    console.log(
      `  ${layers} layers: memory ${(memory / 1e9).toFixed(2)} GB, estimated ${(said.memory.total / 1e9).toFixed(2)} GB; a step ${seconds.toFixed(1)} s, estimated ${said.step.seconds.toFixed(1)} s`,
    );
    report({
      name: `${name}: memory, estimated over reckoned`,
      value: said.memory.total / memory,
      unit: '×',
    });
    report({
      name: `${name}: time, estimated over reckoned`,
      value: said.step.seconds / seconds,
      unit: '×',
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
