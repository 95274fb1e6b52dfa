import { afterAll, expect, test } from 'vitest';
import { byteTokenizer } from '../../tokenizer/byte-tokenizer.ts';
import { templates } from '../templates/index.ts';
import { namedTemplate } from '../templates/named.ts';
import type { Finding } from './finding.ts';
import { Report } from './report.ts';
import { checkSettings, type RunFacts, rowChecks } from './run-checks.ts';
import { soundRows } from './testing.ts';
import { findingsOf, makeFolder } from './testing-check.ts';

const { write, remove } = makeFolder();
afterAll(remove);

/** One token a byte, so that lengths are known. */
const tokenizer = byteTokenizer();

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

const check = async (lines: readonly string[], cutoff: number, name = 'qwen') =>
  (await findingsOf([write(lines.join('\n'))], { training: rowChecks(factsOf(name, cutoff)) })).map(
    ({ code, place, message }) => [code, place.line, message],
  );

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
