import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { ignored } from './labels.ts';
import { openTemplate } from './open-template.ts';
import { prepare } from './prepare.ts';
import { type DataSettings, dataSection } from './settings.ts';
import type { Stage } from './stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-stages-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

const text = (ids: Int32Array): string => byteTokenizer().decode(ids);
const learned = (labels: Int32Array): string => text(labels.filter((label) => label !== ignored));

type Given = Partial<DataSettings> & {
  readonly stage: Stage;
  readonly rows: readonly unknown[];
  readonly entry?: Readonly<Record<string, unknown>>;
  readonly jinja?: string;
};

async function prepared({ stage, rows, entry, jinja, ...more }: Given) {
  writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows, null, 1));
  const info = { rows: { file_name: 'rows.json', ...entry } };
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(info));
  const data = { ...defaults, dataset: ['rows'], dataset_dir: folder, ...more };
  const opened = openTemplate({
    name: jinja === undefined ? 'chatml' : null,
    jinja,
    tokenizer: byteTokenizer(),
  });
  const sets = await prepare({ stage, data, ...opened, cache: join(folder, 'cache') });
  return { set: sets.train!, warnings: sets.warnings };
}

const failure = async (given: Given): Promise<TuneryError> => {
  const error: unknown = await prepared(given).then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TuneryError) return error;
  throw error;
};

const asked = (question: string): string =>
  `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;

describe('rm and dpo', () => {
  const entry = {
    ranking: true,
    columns: { prompt: 'q', chosen: 'a', rejected: 'b' },
  };

  test.each(['rm', 'dpo'] as const)('%s: the prompt once, then each reply', async (stage) => {
    const { set } = await prepared({ stage, entry, rows: [{ q: 'Why?', a: 'So.', b: 'Hm' }] });
    expect(set.columns).toEqual([
      'prompt_ids',
      'chosen_ids',
      'chosen_labels',
      'rejected_ids',
      'rejected_labels',
    ]);
    expect(text(set.column('prompt_ids', 0))).toBe(asked('Why?'));
    expect(text(set.column('chosen_ids', 0))).toBe('So.<|im_end|>\n');
    expect(text(set.column('rejected_ids', 0))).toBe('Hm<|im_end|>\n');
    expect(set.column('rejected_labels', 0)).toEqual(set.column('rejected_ids', 0));
    expect(set.targetsOf(0)).toBe(
      set.column('chosen_ids', 0).length + set.column('rejected_ids', 0).length,
    );
  });

  test('the longer reply decides how much of the prompt is kept', async () => {
    const rows = [{ q: 'x'.repeat(60), a: 'yes', b: 'n'.repeat(40) }];
    const { set, warnings } = await prepared({ stage: 'dpo', entry, rows, cutoff_len: 60 });
    const lengths = ['prompt_ids', 'chosen_ids', 'rejected_ids'].map(
      (name) => set.column(name, 0).length,
    );
    const [prompt, longest] = [asked(rows[0]!.q), `${rows[0]!.b}<|im_end|>\n`].map(
      (whole) => byteTokenizer().encode(whole).length,
    ) as [number, number];
    const kept = Math.floor(60 * (longest / (prompt + longest)));
    expect(lengths).toEqual([60 - kept, 5, kept]);
    expect(warnings[0]?.code).toBe('data/truncated');
  });

  test('where the model’s own template writes another prompt for each, they share what is equal', async () => {
    const jinja =
      "{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' and 'x' in m.content %}!{% endif %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% endfor %}";
    const { set } = await prepared({
      stage: 'dpo',
      entry,
      rows: [{ q: 'Q', a: 'ax', b: 'b' }],
      jinja: jinja
        .replace('{% generation %}', "{% if m.role == 'assistant' %}{% generation %}")
        .replace('{% endgeneration %}', '{% endgeneration %}{% else %}{{ m.content }}{% endif %}'),
    });
    expect(text(set.column('prompt_ids', 0))).toBe('<user>Q<assistant>');
    expect(text(set.column('chosen_ids', 0))).toContain('!ax');
    expect(learned(set.column('chosen_labels', 0))).not.toContain('!');
    expect(text(set.column('rejected_ids', 0)).startsWith('b')).toBe(true);
  });

  test('a row without both replies is named, or left out', async () => {
    const rows = [
      { q: 'Q', a: 'a', b: 'b' },
      { q: 'Q', a: 'a', b: null },
    ];
    const error = await failure({ stage: 'dpo', entry, rows });
    expect([error.code, error.place?.row]).toEqual(['data/no-pair', 1]);
    const { set } = await prepared({ stage: 'dpo', entry, rows, allow_unsupervised: true });
    expect([set.count, set.manifest.left_out]).toEqual([1, 1]);
  });

  test('single replies are the wrong kind', async () => {
    const error = await failure({ stage: 'dpo', rows: [{ instruction: 'q', output: 'a' }] });
    expect(error.code).toBe('data/wrong-kind');
    expect(error.message).toContain('stage: dpo');
  });
});

describe('kto', () => {
  const entry = { columns: { prompt: 'q', response: 'a', kto_tag: 'good' } };
  const rows = ['one', 'two', 'three'].map((a, i) => ({ q: `Q${i}`, a, good: i !== 1 }));

  test('each prompt with its reply, and with the reply before; the first takes the last', async () => {
    const { set } = await prepared({ stage: 'kto', entry, rows });
    const all = (name: string) => [0, 1, 2].map((row) => text(set.column(name, row)));
    expect(all('input_ids')).toEqual(rows.map(({ q, a }) => `${asked(q)}${a}<|im_end|>\n`));
    expect(all('kl_input_ids')).toEqual(
      ['three', 'one', 'two'].map((a, i) => `${asked(`Q${i}`)}${a}<|im_end|>\n`),
    );
    expect(learned(set.column('kl_labels', 0))).toBe('three<|im_end|>\n');
    expect([0, 1, 2].map((row) => [...set.column('kto_tag', row)])).toEqual([[1], [0], [1]]);
    const { set: pairs } = await prepared({
      stage: 'kto',
      entry,
      rows,
      preprocessing_batch_size: 2,
    });
    expect(learned(pairs.column('kl_labels', 2))).toBe('three<|im_end|>\n');
  });

  test('a wanted reply that is empty counts as LLaMA-Factory has it, and says so', async () => {
    const empty = [...rows, { q: 'Q', a: '', good: true }];
    const { set, warnings } = await prepared({ stage: 'kto', entry, rows: empty });
    expect([...set.column('kto_tag', 3)]).toEqual([0]);
    expect(warnings.map(({ code }) => code)).toEqual(['data/empty-wanted']);
  });

  test('a row without a tag is named; a set without tags is the wrong kind', async () => {
    const untagged = [...rows, { q: 'Q', a: 'a' }];
    const error = await failure({ stage: 'kto', entry, rows: untagged });
    expect([error.code, error.place?.row]).toEqual(['data/no-tag', 3]);
    expect((await failure({ stage: 'kto', rows })).code).toBe('data/wrong-kind');
  });
});

describe('ppo', () => {
  test('prompts, with or without a reply beside them; both are cut together', async () => {
    const rows = [
      { instruction: 'Q', output: 'A' },
      { instruction: 'R', output: null },
    ];
    const { set } = await prepared({ stage: 'ppo', rows });
    expect([0, 1].map((row) => text(set.column('prompt_ids', row)))).toEqual([
      asked('Q'),
      asked('R'),
    ]);
    expect(text(set.column('reply_ids', 0))).toBe('A<|im_end|>\n');
    expect(text(set.column('reply_ids', 1))).toBe('<|im_end|>\n');
    expect([set.targets, set.tokens]).toEqual([0, 2 * set.column('prompt_ids', 0).length]);
    expect(() => set.ids(0)).toThrow('no column input_ids');
  });
});

describe('what a template has no place for is told', () => {
  const call = { type: 'function', function: { name: 'f', arguments: {} } };
  const rows = [
    {
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', reasoning_content: 'I look.', content: '', tool_calls: [call] },
        { role: 'tool', content: 'rain' },
        { role: 'assistant', content: 'Bad.' },
      ],
      tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: {} } }],
    },
  ];
  const entry = { formatting: 'openai', columns: { messages: 'messages', tools: 'tools' } };
  const turn = (content: string): string =>
    `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}${content}{{ m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;
  const told = async (jinja: string): Promise<string[]> => {
    const { warnings } = await prepared({ stage: 'sft', rows, entry, jinja });
    return warnings.map(({ code }) => code).filter((code) => code.endsWith('-left-out'));
  };

  test('by the model’s own template', async () => {
    expect(await told(turn(''))).toEqual([
      'data/tools-left-out',
      'data/calls-left-out',
      'data/thoughts-left-out',
    ]);
    const all =
      '{% if m.reasoning_content %}{{ m.reasoning_content }}{% endif %}{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}';
    expect(
      await told(`{% for t in tools or [] %}{{ t.function.name }}{% endfor %}${turn(all)}`),
    ).toEqual([]);
  });

  test('by a named one, only thoughts beside the text', async () => {
    const { warnings } = await prepared({ stage: 'sft', rows, entry });
    expect(warnings.map(({ code }) => code)).toContain('data/thoughts-left-out');
    expect(warnings.map(({ code }) => code)).not.toContain('data/calls-left-out');
  });
});
