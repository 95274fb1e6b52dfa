/** `tunery predict` and `do_predict`, as people run them: every row answered, in order, and none twice. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { makePlace, type Place, until } from './cli.ts';
import { deep, python, there } from './torch-runs.ts';

vi.setConfig({ testTimeout: 120_000 });

const tiny = 'model_name_or_path=random:llama?hidden_size=64&max_position_embeddings=512';
const questions = Array.from({ length: 12 }, (_, i) => ({
  instruction: `Question ${i}: ${'why '.repeat(i)}?`,
  output: `Answer ${i}, with é and 中.`,
}));
let place: Place;

beforeAll(() => {
  place = makePlace();
  writeFileSync(place.at('questions.json'), JSON.stringify(questions));
});
afterAll(() => place?.remove());

const predict = (...more: string[]) =>
  place.run('predict', tiny, 'eval_dataset=questions.json', 'max_new_tokens=6', ...more);

type Line = { readonly prompt: string; readonly predict: string; readonly label: string };
const lines = (folder: string, name = 'generated_predictions.jsonl'): Line[] =>
  readFileSync(place.at(folder, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('predictions', () => {
  test('a line for every row, in the order of the rows, with the reply that the row has', async () => {
    const { code, out } = await predict('output_dir=a');
    expect(code, out).toBe(0);
    const found = lines('a');
    expect(found.map(({ label }) => label)).toEqual(questions.map(({ output }) => output));
    for (const [i, { prompt }] of found.entries()) expect(prompt).toContain(`Question ${i}: `);
    expect(new Set(found.map((line) => line.predict)).size).toBeGreaterThan(6);
    const results = JSON.parse(readFileSync(place.at('a', 'predict_results.json'), 'utf8'));
    expect(results).toMatchObject({ predict_samples: 12, predict_length_limited: 12 });
    expect(readdirSync(place.at('a')).sort()).toEqual([
      'all_results.json',
      'generated_predictions.jsonl',
      'predict_results.json',
    ]);
  });

  test('a row is answered alike whatever is answered beside it; another seed answers otherwise', async () => {
    await predict('output_dir=alone', 'max_num_seqs=1');
    expect(lines('alone')).toEqual(lines('a'));
    const { err } = await predict('output_dir=alone', 'seed=7');
    expect(lines('alone')).not.toEqual(lines('a'));
    expect(err).toContain('generated_predictions.bak-1.jsonl');
    expect(lines('alone', 'generated_predictions.bak-1.jsonl')).toEqual(lines('a'));
  });

  test.each(['SIGKILL', 'SIGINT'] as const)(
    'what %s interrupts goes on where it stopped, and ends as if it had not been',
    async (signal) => {
      const long = ['max_new_tokens=120', 'max_num_seqs=2'];
      await predict('output_dir=whole', ...long);
      const folder = `cut-${signal}`;
      const part = (): string | undefined =>
        existsSync(place.at(folder))
          ? readdirSync(place.at(folder)).find((name) => name.endsWith('.part'))
          : undefined;
      const arguments_ = ['predict', tiny, 'eval_dataset=questions.json', ...long];
      const running = place.start(...arguments_, `output_dir=${folder}`);
      await until('three rows are there', () => {
        const name = part();
        return (
          name !== undefined && readFileSync(place.at(folder, name), 'utf8').split('\n').length > 3
        );
      });
      running.process.kill(signal);
      const { code, out } = await running.ended;
      if (signal === 'SIGINT') {
        expect(code).toBe(130);
        expect(out).toMatch(/Stopped after \d+ of 12 rows/);
      }
      expect(existsSync(place.at(folder, 'generated_predictions.jsonl'))).toBe(false);
      const again = await place.run(...arguments_, `output_dir=${folder}`);
      expect(again.err).toMatch(/\d+ rows had been predicted before/);
      expect(lines(folder)).toEqual(lines('whole'));
      expect(part()).toBeUndefined();
    },
  );

  test('`do_predict: true` answers with what was trained, and only what `val_size` holds back', async () => {
    const settings = [
      ...[tiny, 'dataset=questions.json', 'val_size=3', 'output_dir=run', 'max_steps=2'],
      ...['learning_rate=1e-2', 'max_new_tokens=6', 'do_train=true', 'do_predict=true'],
    ];
    const { code, out, err } = await place.run('train', ...settings);
    expect(code, out + err).toBe(0);
    expect(lines('run')).toHaveLength(3);
    const results = JSON.parse(readFileSync(place.at('run', 'all_results.json'), 'utf8'));
    expect(results).toMatchObject({ predict_samples: 3, train_loss: expect.any(Number) });
    // The same rows, by the model that is there now.
    await place.run('predict', ...settings.slice(0, 4), 'max_new_tokens=6');
    expect(lines('run')).toEqual(lines('run', 'generated_predictions.bak-1.jsonl'));
    await place.run('predict', ...settings.slice(0, 3), 'max_new_tokens=6', 'output_dir=base');
    const base = lines('base').map((line) => line.predict);
    for (const { predict: said } of lines('run')) expect(base).not.toContain(said);
  });

  test('LLaMA-Factory’s own file for it is taken: `do_predict` without `do_train` trains nothing', async () => {
    writeFileSync(
      place.at('predict.yaml'),
      'stage: sft\ndo_predict: true\nfinetuning_type: lora\neval_dataset: questions.json\npredict_with_generate: true\nper_device_eval_batch_size: 1\nmax_samples: 2\noutput_dir: saves/predict\n',
    );
    const { code, err } = await place.run('train', 'predict.yaml', tiny, 'max_new_tokens=4');
    expect(code, err).toBe(0);
    expect(lines('saves/predict')).toHaveLength(2);
    expect(existsSync(place.at('saves/predict/events.jsonl'))).toBe(false);
  });
});

describe('what cannot be predicted is said before anything is', () => {
  test.each<[string, string[], RegExp]>([
    ['no rows', ['predict', tiny, 'output_dir=none'], /eval_dataset/],
    ['plain text', ['predict', tiny, 'eval_dataset=questions.json', 'stage=pt'], /stage: pt/],
    [
      'a prompt that the context does not hold',
      [
        'predict',
        'model_name_or_path=random:llama?hidden_size=64&max_position_embeddings=64',
        'eval_dataset=questions.json',
      ],
      /the prompt of this row has \d+ tokens, and the model’s context holds 64[\s\S]*questions\.json/,
    ],
    [
      'in a run that is left to itself',
      [
        'train',
        tiny,
        'dataset=questions.json',
        'val_size=2',
        'do_train=true',
        'do_predict=true',
        '--detach',
      ],
      /tunery predict/,
    ],
  ])('%s', async (_, args, words) => {
    const { code, err } = await place.run(...args);
    expect(code).not.toBe(0);
    expect(err).toMatch(words);
    expect(err).not.toMatch(/error\[bug\]/);
    expect(existsSync(place.at('none'))).toBe(false);
  });
});

test.runIf(there)('transformers answers as the native engine does', async () => {
  await predict('output_dir=native', 'threads=1');
  const { code, err } = await predict(
    ...['output_dir=torch', 'threads=1', 'infer_backend=torch', `engine_python=${python}`],
    'use_cpu=true',
  );
  expect(code, err).toBe(0);
  expect(lines('torch')).toEqual(lines('native'));
});

test.runIf(there && deep)(
  'an adapter that only PEFT computes is asked through transformers',
  async () => {
    const oft = ['finetuning_type=oft', 'oft_block_size=16', 'output_dir=oft', 'threads=1'];
    const settings = [
      tiny,
      'dataset=questions.json',
      'val_size=3',
      `engine_python=${python}`,
      ...oft,
    ];
    const more = ['max_steps=2', 'learning_rate=1e-2', 'infer_backend=torch', 'max_new_tokens=6'];
    const { code, err } = await place.run(
      'train',
      ...settings,
      ...more,
      'do_predict=true',
      'do_train=true',
    );
    expect(code, err).toBe(0);
    expect(lines('oft')).toHaveLength(3);
  },
);
