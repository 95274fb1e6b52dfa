/**
 * @file Stands in for `workers/torch/infer.py`: reads its task, connects, and gives each prompt its own ids back, one a
 * message, then the rest as the task's `behavior` says.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const { behavior } = z
  .object({ behavior: z.enum(['serves', 'lacks', 'no-memory', 'odd']) })
  .parse(JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8')));
const kinds = { lacks: 'environment', 'no-memory': 'out-of-memory' } as const;
if (behavior === 'odd') process.exit(7);
if (behavior !== 'serves') {
  const said = { kind: kinds[behavior], rank: 0, message: `SomeError: it ${behavior}` };
  process.stderr.write(`some words\ntunery: ${JSON.stringify(said)}\n`);
  process.exit(1);
}

const Command = z.object({
  call: z.int(),
  do: z.enum(['generate', 'score', 'cancel']),
  prompts: z.array(z.object({ ids: z.array(z.int()), seed: z.int(), most: z.int() })).default([]),
  sequences: z.array(z.object({ ids: z.array(z.int()), from: z.int() })).default([]),
  logprobs: z.boolean().default(false),
});
type Command = z.infer<typeof Command>;

const socket = connect(process.env['TUNERY_SOCKET'] ?? '');
const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
const open = new Set<number>();
let ended = 0;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function generate({ call, prompts, logprobs }: Command): Promise<void> {
  // 20 waits for another's end.
  while (prompts[0]?.ids[0] === 20 && ended === 0) await pause();
  const longest = Math.max(...prompts.map(({ most }) => most));
  for (let i = 0; i < longest; i++) {
    await pause();
    if (!open.has(call)) return;
    const going = prompts.map((prompt, place) => ({ ...prompt, place })).filter((p) => i < p.most);
    say({
      call,
      tokens: going.map(({ place, ids }) => [place, ids[i % ids.length], logprobs ? -i : null]),
    });
  }
  ended++;
  say({ call, result: prompts.map(({ seed }) => ({ reason: 'length', reused: seed })) });
}

createInterface({ input: socket }).on('line', (line) => {
  const command = Command.parse(JSON.parse(line));
  const { call, sequences } = command;
  if (command.do === 'cancel') open.delete(call);
  else if (command.do === 'score') {
    say({ call, result: sequences.map(({ ids, from }) => ids.slice(from).map((id) => -id)) });
  } else if (command.prompts[0]?.ids[0] === 13) {
    say({ call, error: { kind: 'out-of-memory', message: 'OutOfMemoryError: thirteen' } });
  } else if (command.prompts[0]?.ids[0] === 14) process.kill(process.pid, 'SIGKILL');
  else {
    open.add(call);
    void generate(command);
  }
});
socket.on('end', () => process.exit(0));
say({ ready: { vocabulary: 100 } });
