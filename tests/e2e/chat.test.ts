/** `tunery chat` as people run it: lines in, replies out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { readPrompts } from '../golden/references.ts';

const launcher = fileURLToPath(new URL('../../bin/tunery.js', import.meta.url));
const tiny = 'model_name_or_path=random:llama?hidden_size=64&max_position_embeddings=256';
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(...settings: readonly string[]) {
  const child = spawn(process.execPath, [launcher, 'chat', ...settings], { stdio: 'pipe' });
  children.push(child);
  let [out, error] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    out += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece) => {
    error += piece;
  });
  const ended = once(child, 'close').then(([code]) => ({ code, out, error }));
  return { child, ended, out: () => out };
}

async function chat(input: string, ...settings: readonly string[]) {
  const { child, ended } = start(...settings);
  child.stdin.end(input);
  const { code, out, error } = await ended;
  const json = settings.includes('--json');
  return {
    code,
    out,
    error,
    replies: json
      ? out
          .trim()
          .split('\n')
          .map((l) => JSON.parse(l))
      : [],
  };
}

describe('without a terminal', () => {
  test('each line is a turn of one conversation, read once', async () => {
    const { code, replies } = await chat('One\n\nTwo\n', tiny, 'max_new_tokens=8', '--json');
    expect(code).toBe(0);
    expect(replies.length).toBe(2);
    const [first, second] = replies;
    expect(first).toMatchObject({ finish_reason: 'length', new_tokens: 8, reused_tokens: 0 });
    expect(second.reused_tokens).toBeGreaterThanOrEqual(first.prompt_tokens);
    expect(second.prompt_tokens).toBeGreaterThan(first.prompt_tokens + 8);
  });

  test('replies are plain text on stdout, and nothing else is', async () => {
    const options = [tiny, 'max_new_tokens=8', 'seed=4'];
    const { replies } = await chat('One\n', ...options, '--json');
    const { code, out, error } = await chat('One\n', ...options);
    expect([code, out]).toEqual([0, `${replies[0].reply}\n`]);
    expect(error).toContain('random:llama');
    const other = await chat('One\n', tiny, 'max_new_tokens=8', 'seed=5');
    expect(other.out).not.toBe(out);
  });

  test('what outgrows the context is left out, and said; a message that alone is too long is an error', async () => {
    const turns = Array.from({ length: 6 }, (_, i) => `This is turn number ${i}`).join('\n');
    const { code, error, replies } = await chat(
      turns,
      tiny,
      'max_new_tokens=30',
      'seed=0',
      '--json',
    );
    expect([code, replies.length]).toEqual([0, 6]);
    expect(error).toMatch(/outgrown the model’s context; its first 2 messages were left out/);
    for (const { prompt_tokens, new_tokens } of replies) {
      expect(prompt_tokens + new_tokens).toBeLessThanOrEqual(256);
    }
    const long = await chat('x'.repeat(300), tiny);
    expect(long.code).not.toBe(0);
    expect(long.error).toMatch(/error\[cli\/turn-too-long\]: this message alone has \d+ tokens/);
  });

  test('Ctrl+C ends a reply at once, and the program with it', async () => {
    const { child, ended, out } = start(tiny.replace('256', '100000'), 'max_new_tokens=90000');
    child.stdin.write('Tell me everything\n');
    while (out().length < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    // The whole reply would outlast the test.
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
  });

  test('a file of a training that has not run yet says that it is the base model', async () => {
    const { error } = await chat('Hi\n', tiny, 'max_new_tokens=2', 'output_dir=/nonexistent/run');
    expect(error).toContain('nothing has been trained in /nonexistent/run yet');
  });

  test('a model that is not there is one clear error', async () => {
    const { code, out, error } = await chat('Hi\n', 'model_name_or_path=nobody/nothing');
    expect([code, out]).toEqual([1, '']);
    expect(error).toContain('error[models/not-found]');
  });
});

test.each([
  ['lora', 'adapter', '1e-1'],
  ['full', 'model', '1e-2'],
])('%s: the file of a training is talked to before it and after', async (type, what, rate) => {
  const place = mkdtempSync(join(tmpdir(), 'tunery-chat-'));
  try {
    const file = join(place, 'run.yaml');
    const rows = Array.from({ length: 8 }, () => ({ instruction: 'Hi', output: 'aaaaaaaa' }));
    writeFileSync(join(place, 'rows.json'), JSON.stringify(rows));
    const settings = {
      model_name_or_path: 'random:llama?hidden_size=64',
      finetuning_type: type,
      dataset: join(place, 'rows.json'),
      output_dir: join(place, 'out'),
      learning_rate: rate,
      max_steps: 12,
      max_new_tokens: 8,
      do_sample: false,
    };
    writeFileSync(file, JSON.stringify(settings));
    const before = await chat('Hi\n', file);
    expect(before.error).toContain('this is the base model');
    expect(before.out).not.toBe('aaaaaaaa\n');
    const train = spawn(process.execPath, [launcher, 'train', file], { stdio: 'ignore' });
    expect(await once(train, 'exit')).toEqual([0, null]);
    const after = await chat('Hi\n', file);
    expect(after.error).toContain(`with the ${what} that was trained in ${settings.output_dir}`);
    expect(after.out).toBe('aaaaaaaa\n');
    if (type === 'lora') {
      const named = await chat(
        'Hi\n',
        `model_name_or_path=${settings.model_name_or_path}`,
        `adapter_name_or_path=${settings.output_dir}`,
        'do_sample=false',
        'max_new_tokens=8',
      );
      expect(named.out).toBe(after.out);
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

test('the real model says what transformers says', { timeout: 120_000 }, async () => {
  const [{ prompt, greedy_text }] = readPrompts('base');
  const { code, out } = await chat(
    `${prompt}\n`,
    'model_name_or_path=HuggingFaceTB/SmolLM2-135M-Instruct',
    'do_sample=false',
    'max_new_tokens=64',
    'infer_dtype=float32',
  );
  expect([code, out]).toEqual([0, `${greedy_text}\n`]);
});
