import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sections } from '../config/run-config.ts';
import { field } from '../core/field.ts';
import { type CommandTable, defineCommand } from './command.ts';
import { commands } from './commands/index.ts';
import { main } from './main.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tunery-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => runWith(commands, ...args);

const runWith = async (table: CommandTable, ...args: string[]) => {
  let out = '';
  let error = '';
  const code = await main(
    args,
    {
      out: (text) => {
        out += text;
      },
      error: (text) => {
        error += text;
      },
      isTTY: false,
      columns: 80,
    },
    table,
  );
  return { code, out, error };
};

const file = join(folder, 'run.yaml');
writeFileSync(file, 'model_name_or_path: m\ndataset: d\nlora_rank: 4\nddp_timeout: 5\n');

test('without words it prints the help, and exits with 2', async () => {
  const { code, out } = await run();
  expect(code).toBe(2);
  expect(out).toContain('config explain');
  expect(out).toContain('Exit codes: 0 done, 1 failed, 2');
  expect((await run('--help')).code).toBe(0);
});

test('the table is sorted, and each command is called as it stands there', async () => {
  const names = Object.keys(commands);
  expect(names).toEqual([...names].sort());
  for (const [name, load] of Object.entries(commands)) {
    const command = await load();
    expect(command.name).toBe(name);
    expect(command.examples.length, name).toBeGreaterThan(0);
    for (const example of command.examples)
      expect(example).toMatch(new RegExp(`^tunery ${name}\\b`));
    const { code, out } = await run(...name.split(' '), '--help');
    expect(code).toBe(0);
    expect(out).toContain(command.summary);
  }
});

test('unknown commands suggest the near one', async () => {
  const wrong = await run('confg');
  expect(wrong.code).toBe(2);
  expect(wrong.error).toContain('did you mean `tunery config`?');
  expect((await run('config', 'explian')).error).toContain('did you mean `tunery config explain`?');
  const group = await run('config');
  expect(group.code).toBe(2);
  expect(group.out).toContain('config check');
});

test('a command that LLaMA-Factory has and nothing here does yet says what to do instead', async () => {
  for (const name of ['eval', 'webui', 'webchat']) {
    const { code, error } = await run(name, file);
    expect(code).toBe(2);
    expect(error).toMatch(
      new RegExp(
        `^error\\[cli/not-there-yet\\]: .tunery ${name}. is not there yet\n  help: .tunery `,
      ),
    );
  }
});

describe('config', () => {
  test('check says what is accepted', async () => {
    const { code, out } = await run('config', 'check', file);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'note: `ddp_timeout`: one process trains, so there are no ranks to keep in step',
        'note: `dataset`: `d`: not known here; the run looks in `data`, and for `org/name` on the hub',
        'note: `model_name_or_path`: `m` is not on this machine: whether its family is there is seen when it is fetched',
        `${file}: runs\n`,
      ].join('\n'),
    );
  });

  test('check of a bad file exits with 2, and says why', async () => {
    const { code, out, error } = await run('config', 'check', file, '--lora_rnk', '3');
    expect({ code, out }).toEqual({
      code: 2,
      out: `${file}: refused: there is no setting \`lora_rnk\`\n`,
    });
    expect(error).toContain('error[config/unknown-key]: there is no setting `lora_rnk`');
    expect(error).toContain('--> command line: lora_rnk=3');
  });

  test('check tells what waits for an engine from what is refused', async () => {
    const planned = await run(
      'config',
      'check',
      file,
      '--quantization_device_map',
      'auto',
      '--json',
    );
    expect(planned.code).toBe(2);
    expect(JSON.parse(planned.out)).toMatchObject({
      verdict: 'runs with engine: torch (planned)',
      problems: [{ code: 'config/engine-planned' }],
    });
    const both = await run(
      'config',
      'check',
      file,
      '--quantization_device_map',
      'auto',
      '--use_galore',
    );
    expect(both.out).toContain('refused: `quantization_device_map` will come with `engine: torch`');
    expect(both.out).toContain('`use_galore` is not supported yet');
  });

  test('check opens what the settings name, where it is on this machine', async () => {
    const random = 'model_name_or_path=random:llama?hidden_size=16&num_hidden_layers=1';
    const fine = await run('config', 'check', file, random, 'dataset=alpaca_gpt4_zh');
    expect(fine.out).toMatch(/^note: `ddp_timeout`[^\n]+\n[^\n]+: runs\n$/);
    const refused = await run(
      'config',
      'check',
      file,
      random,
      'dataset=llava_1k_en',
      'template=qwn',
    );
    expect(refused.code).toBe(2);
    expect(refused.out).toBe(
      `${file}: refused: no template is named \`qwn\` (did you mean \`qwen\`?); data set \`llava_1k_en\` holds images, and models that take images cannot be trained yet\n`,
    );
    const strange = join(folder, 'strange');
    mkdirSync(strange);
    writeFileSync(join(strange, 'config.json'), '{"model_type": "qwen2_5_vl"}');
    const model = await run('config', 'check', file, `model_name_or_path=${strange}`);
    expect(model.out).toContain('refused: no weights in');
  });

  test('check takes settings without a file, and needs one of the two', async () => {
    const flags = ['--stage', 'sft', '--do_train', '--dataset', 'alpaca_gpt4_zh', '--template'];
    const { out } = await run('config', 'check', ...flags, 'qwen', '--model_name_or_path', 'a/b');
    expect(out).toMatch(/\nthese settings: runs\n$/);
    const { code, error } = await run('config', 'check');
    expect(code).toBe(2);
    expect(error).toContain('`tunery config check` needs FILE');
  });

  test('explain one setting, with an override, and without a file', async () => {
    expect((await run('config', 'explain', file, 'lora_alpha')).out).toMatch(
      /^lora_alpha: 8\n {2}from {7}derived from lora_rank\n/,
    );
    expect((await run('config', 'explain', file, 'lora_rank', '--lora_rank=32')).out).toMatch(
      /^lora_rank: 32\n {2}from {7}command line\n/,
    );
    expect((await run('config', 'explain', 'lora_rank')).out).toMatch(/^lora_rank: 8\n/);
  });

  test('explain as JSON lines', async () => {
    const { out } = await run('config', 'explain', file, '--json');
    const rows = out
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(rows).toContainEqual({
      key: 'lora_rank',
      section: 'tuning',
      value: 4,
      origin: `${file}:3`,
    });
  });

  test('errors as JSON too', async () => {
    const { out, code } = await run('config', 'check', join(folder, 'none.yaml'), '--json');
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'config/file-missing' } });
  });

  test('schema is the committed one', async () => {
    const { out } = await run('config', 'schema');
    expect(out).toBe(readFileSync(join(root, 'tunery.schema.json'), 'utf8'));
  });
});

describe('the frame', () => {
  const probe = defineCommand({
    name: 'probe',
    summary: 'Show what a command gets.',
    examples: ['tunery probe run.yaml'],
    sections: [sections.tuning],
    positionals: [{ name: 'WORD', help: 'a word', optional: true }],
    options: { row: field(z.int().default(0), { help: 'A row.' }) },

    async run({ tuning }, { options, positionals, print, emit, note, progress, signal, loaded }) {
      progress('working');
      note('aside');
      print(`rank ${tuning.lora_rank}, row ${options.row + 1}, ${positionals.join()}`);
      emit({ origin: loaded?.origins.get('lora_rank')?.kind });
      if (positionals[0] === 'bug') throw new RangeError('off by one');
      if (positionals[0] === 'stop') process.emit('SIGINT');
      if (positionals[0] === 'three') return 3;
      expect(signal.aborted).toBe(positionals[0] === 'stop');
      return undefined;
    },
  });
  const table = { probe: async () => probe };

  test('loads the settings, and tells notes on stderr', async () => {
    const { code, out, error } = await runWith(table, 'probe', file, 'word', '--row', '2');
    expect(code).toBe(0);
    expect(out).toBe('rank 4, row 3, word\n{"origin":"file"}\n');
    expect(error).toBe(
      'note: `ddp_timeout`: one process trains, so there are no ranks to keep in step\naside\n',
    );
  });

  test('with --json, stdout holds JSON only', async () => {
    const { out, error } = await runWith(table, 'probe', file, '--json');
    expect(out).toBe('{"origin":"file"}\n');
    expect(error).toContain('rank 4');
  });

  test('exit codes: the command’s own, 130 when stopped, 2 for the command line', async () => {
    expect((await runWith(table, 'probe', file, 'three')).code).toBe(3);
    expect((await runWith(table, 'probe', file, 'stop')).code).toBe(130);
    expect((await runWith(table, 'probe')).error).toContain('needs FILE.yaml');
    const extra = await runWith(table, 'probe', file, 'a', 'b');
    expect(extra.code).toBe(2);
    expect(extra.error).toContain('does not know what to do with `b`');
    expect((await runWith(table, 'constructor')).code).toBe(2);
  });

  test('settings alone do, without a file', async () => {
    expect((await runWith(table, 'probe', '--lora_rank', '5')).out).toContain('rank 5');
  });

  test('a bug is one paragraph, without a stack', async () => {
    const { code, error } = await runWith(table, 'probe', file, 'bug');
    expect(code).toBe(1);
    expect(error).toContain('error[bug]: off by one');
    expect(error).toContain('please report it');
    expect(error).not.toMatch(/\n\s+at /);
  });

  test('help lists its settings, the advanced ones on demand', async () => {
    const { out } = await runWith(table, 'probe', '--help');
    expect(out).toMatch(
      /^Usage: tunery probe \[FILE\.yaml\] \[WORD\] \[OPTIONS\] \[key=value …\]$/m,
    );
    expect(out).toMatch(/^ {2}--row VALUE +A row\. Takes a whole number\. \[0\]$/m);
    expect(out).toMatch(/^ {2}--lora_alpha +.* \[from lora_rank\]$/m);
    expect(out).not.toContain('--pure_bf16');
    expect((await runWith(table, 'probe', '--help-all')).out).toContain('--pure_bf16');
  });
});

test('env tells the machine', async () => {
  const facts = z
    .object({ node: z.string(), cores: z.number(), kernels: z.string() })
    .parse(JSON.parse((await run('env', '--json')).out));
  expect(facts.node).toBe(process.version);
});

describe('the launcher', () => {
  const launch = (node: string, args: string[], launcher = join(root, 'bin', 'tunery.js')) =>
    spawnSync(node, [launcher, ...args], { encoding: 'utf8' });

  test('prints the version', () => {
    const { stdout, status } = launch(process.execPath, ['--version']);
    expect(stdout).toMatch(/^tunery \d+\.\d+\.\d+\n$/);
    expect(status).toBe(0);
  });

  test('runs a command and hands its exit code on', () => {
    expect(launch(process.execPath, ['version']).stdout).toMatch(/^tunery \d/);
    const failed = launch(process.execPath, ['nothing']);
    expect(failed.status).toBe(2);
    expect(failed.stderr).toContain('there is no command `nothing`');
    expect(failed.stderr).not.toContain('    at ');
  });

  test('works through a link, as npm installs it', () => {
    const link = join(folder, 'tunery');
    symlinkSync(join(root, 'bin', 'tunery.js'), link);
    expect(launch(process.execPath, ['version'], link).stdout).toMatch(/^tunery \d/);
  });
});
