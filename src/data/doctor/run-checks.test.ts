import { afterAll, describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../tokenizer/byte-tokenizer.ts';
import { noPair } from '../errors.ts';
import type { Stage } from '../stage.ts';
import { templates } from '../templates/index.ts';
import { namedTemplate } from '../templates/named.ts';
import type { Finding } from './finding.ts';
import { Report } from './report.ts';
import { checkSettings, type RunFacts, rowChecks } from './run-checks.ts';
import { soundRows } from './testing.ts';
import { findingsOf, makeFolder } from './testing-check.ts';

const { write, remove } = makeFolder();
afterAll(remove);

/** One token a byte, so that lengths are known; `~` is a control token. */
const tokenizer = byteTokenizer().withTokens({ pad: '~' });

function factsOf(name: string, cutoff: number): RunFacts {
  const named = templates[name]!;
  const template = namedTemplate(named, tokenizer);
  const options = {
    template,
    cutoff,
    maskHistory: false,
    trainOnPrompt: false,
    allowUnsupervised: false,
    overlong: 'truncate' as const,
  };
  return { template, tokenizer, named, generationStopIds: [...template.stopIds], options };
}

const check = async (
  lines: readonly string[],
  cutoff: number,
  name = 'qwen',
  stage: Stage = 'sft',
) =>
  (
    await findingsOf([write(lines.join('\n'))], {
      training: rowChecks(factsOf(name, cutoff), stage),
    })
  ).map(({ code, place, message }) => [code, place.line, message]);

const row = (instruction: string, output: string): string =>
  JSON.stringify({ instruction, input: '', output });

test('what cutoff_len cuts, and from where', async () => {
  const sound = Array.from({ length: 3 }, soundRows('alpaca', 1));
  expect(await check(sound, 4096)).toEqual([]);
  const cut = await check(
    [...sound, row('Short?', `${Array.from({ length: 60 }, (_, i) => `Point ${i}.`).join(' ')}`)],
    400,
  );
  expect(cut).toEqual([
    [
      'data/truncated',
      4,
      expect.stringMatching(
        /^the row has \d+ tokens, `cutoff_len` keeps 400: reply 0 loses its last \d+ tokens$/,
      ),
    ],
  ]);
  const prompt = await check([row(`What ${'of this, '.repeat(60)}is it?`, 'That.')], 400);
  expect(prompt).toEqual([
    ['data/cut-prompt', 1, expect.stringContaining('prompt 0 loses its end')],
  ]);
});

test('a reply that cutoff_len leaves nothing of', async () => {
  const [found] = await check([row(`What ${'of this, '.repeat(60)}is it?`, 'T.')], 1);
  expect(found?.[0]).toBe('data/reply-beyond-cutoff');
});

test('what a template does because LLaMA-Factory does it', async () => {
  expect(await check([row('Turn {{idx}} of it?', 'It is the first one.')], 4096)).toContainEqual([
    'llama-factory/idx-in-text',
    1,
    '`{{idx}}` in a text is replaced by the number of its turn',
  ]);
  const findings: Finding[] = [];
  checkSettings(factsOf('qwen', 4096), new Report({ each: (finding) => findings.push(finding) }));
  const codes = findings.map(({ code }) => code);
  expect(codes).toContain('llama-factory/stop-token-and-more');
  expect(findings.every(({ help }) => help !== '')).toBe(true);
});

describe('stages of one prompt', () => {
  const much = (word: string): string =>
    Array.from({ length: 40 }, (_, i) => `${word} ${i}.`).join(' ');
  const say = (value: string, from = 'gpt') => ({ from, value });
  const pair = (prompt: string, chosen: string) =>
    JSON.stringify({
      conversations: [say(prompt, 'human')],
      chosen: say(chosen),
      rejected: say('I do not know.'),
    });
  const thumb = (content: string, answer: string, kto_tag: boolean) =>
    JSON.stringify({
      messages: [
        { role: 'user', content },
        { role: 'assistant', content: answer },
      ],
      kto_tag,
    });
  const codes = async (texts: readonly string[], stage: Stage, cutoff = 300) =>
    (await check(texts, cutoff, 'qwen', stage)).map(([code, line]) => [code, line]);
  const short = 'Which tower is the tallest?';

  test.each(['rm', 'dpo'] as const)('%s', async (stage) => {
    const texts = [
      pair(short, 'The old one.'),
      pair(short.toUpperCase(), much('Point')),
      pair(much('Why'), 'For no reason.'),
    ];
    expect(await codes(texts, stage)).toEqual([
      ['data/truncated', 2],
      ['data/cut-prompt', 3],
    ]);
  });

  test('a pair without its replies is refused as the run refuses it', async () => {
    const findings = await codes([row(short, 'The old one.')], 'dpo');
    expect(findings).toEqual([[noPair.code, 1]]);
  });

  test('kto', async () => {
    const texts = [
      thumb(short, 'The old one.', true),
      thumb(short.toUpperCase(), much('Point'), false),
      thumb(much('Why'), 'For no reason.', true),
    ];
    expect(await codes(texts, 'kto')).toEqual([
      ['data/truncated', 2],
      ['data/cut-prompt', 3],
    ]);
  });

  test('of ppo, only prompts: the replies are the model’s own', async () => {
    const texts = [row(short, much('Point')), row(much('Why'), 'For no reason.')];
    expect(await codes(texts, 'ppo')).toEqual([['data/cut-prompt', 2]]);
  });

  test('texts to continue are never cut', () => {
    expect(rowChecks(factsOf('qwen', 10), 'pt')).toBeUndefined();
  });
});

test('a control token of the vocabulary in a text, told once', async () => {
  const texts = [
    row('What is ~ for?', 'It ends the line.'),
    row('And <|im_end|>?', 'It ends a turn.'),
  ];
  const found = await check(texts, 4096);
  expect(found.filter(([code]) => code === 'data/special-token')).toEqual([
    ['data/special-token', 1, expect.stringContaining('is read as the control token')],
    ['data/special-token', 2, expect.stringContaining('belongs to chat templates')],
  ]);
});
