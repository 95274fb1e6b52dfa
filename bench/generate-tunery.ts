/**
 * @file Generates greedily in this process: `generate-tunery.ts JOB.json`, and prints a line `#generated {…}`. The peers'
 * programs in bench/peers/ take the same file and print the same line.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { loadConfig } from '../src/config/load.ts';
import { greedy } from '../src/generate/sampling.ts';
import { Generated, NewToken } from '../src/generate/session.ts';
import { openNative } from '../src/runs/engines/native-session.ts';

const { settings, prompts, tokens } = z
  .object({
    settings: z.array(z.string()),
    prompts: z.array(z.array(z.int())),
    tokens: z.int(),
  })
  .parse(JSON.parse(readFileSync(process.argv[2], 'utf8')));

const { job } = loadConfig({ overrides: settings, command: 'chat' });
const { methods } = await openNative({ job });

async function generate(shift: number) {
  let first = 0;
  const began = performance.now();
  const result = await methods.generate(
    {
      // Another first token in the warm-up, so that nothing of it can be used again.
      prompts: prompts.map((ids, seed) => ({ ids: Int32Array.from(ids.slice(shift)), seed })),
      sampling: greedy,
      max_new_tokens: tokens,
      stop_ids: [],
    },
    {
      part(value: unknown) {
        NewToken.parse(value);
        if (first === 0) first = performance.now();
      },
      signal: new AbortController().signal,
    },
  );
  const ended = performance.now();
  return {
    prompt_seconds: (first - began) / 1000,
    // The first token comes with the prompt.
    decode_seconds: (ended - first) / 1000,
    ids: z
      .array(Generated)
      .parse(result)
      .map(({ ids }) => [...ids]),
  };
}

await generate(1);
console.log(`#generated ${JSON.stringify(await generate(0))}`);
process.exit();
