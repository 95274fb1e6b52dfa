import { expect, test } from 'vitest';
import { z } from 'zod';
import { TuneryError } from '../core/errors.ts';
import { field } from '../core/field.ts';
import { splitArguments } from './arguments.ts';

const options = {
  detach: field(z.boolean().default(false), { help: 'Go on without the terminal.' }),
  row: field(z.int().min(0).nullable().default(null), { help: 'One row.' }),
};
const split = (...args: string[]) =>
  splitArguments(args, { name: 'train', options, takesSettings: true });
const failure = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof TuneryError) return `${error.code}: ${error.message}; ${error.help}`;
    throw error;
  }
  throw new Error('it did not fail');
};

test('settings in each spelling', () => {
  const { settings, positionals } = split(
    'run.yaml',
    'seed=1',
    '--learning_rate',
    '1e-4',
    '--learning-rate=2e-4',
    '--max_steps',
    '-1',
    '--bf16',
    '--no_plot_loss',
    '--do_eval',
    'false',
    '--dataset',
    'a,b',
    'lora-rank=4',
  );
  expect(positionals).toEqual(['run.yaml']);
  expect(settings).toEqual([
    'seed=1',
    'learning_rate=1e-4',
    'learning_rate=2e-4',
    'max_steps=-1',
    'bf16=true',
    'plot_loss=false',
    'do_eval=false',
    'dataset=a,b',
    'lora_rank=4',
  ]);
});

test('a switch leaves the next word alone; one that may take a path takes it', () => {
  expect(split('--bf16', 'run.yaml').positionals).toEqual(['run.yaml']);
  expect(split('--resume_from_checkpoint', 'saves/checkpoint-4').settings).toEqual([
    'resume_from_checkpoint=saves/checkpoint-4',
  ]);
  expect(split('--resume_from_checkpoint', 'run.yaml').positionals).toEqual(['run.yaml']);
  expect(split('--resume_from_checkpoint', '--bf16').settings).toEqual([
    'resume_from_checkpoint=true',
    'bf16=true',
  ]);
});

test('a name that begins with no_ is itself', () => {
  expect(split('--no_cuda').settings).toEqual(['no_cuda=true']);
});

test('own options are no settings', () => {
  const { options: own, settings } = split('--detach', '--row', '3');
  expect(own).toEqual({ detach: true, row: 3 });
  expect(settings).toEqual([]);
  expect(split('--no-detach').options.detach).toBe(false);
  expect(split().options).toEqual({ detach: false, row: null });
});

test('global options', () => {
  expect(split('--json')).toMatchObject({ json: true, help: false });
  expect(split('-h').help).toBe(true);
  expect(split('--help-all').helpAll).toBe(true);
});

test('after -- all is positional', () => {
  expect(split('--', '--bf16', 'a=b').positionals).toEqual(['--bf16', 'a=b']);
});

test('faults', () => {
  expect(failure(() => split('--learning_rate'))).toContain('cli/missing-value');
  expect(failure(() => split('--row', 'x'))).toContain(
    '`--row` wants a whole number from 0, and this is the text `x`',
  );
  expect(
    failure(() => splitArguments(['--dettach'], { name: 'runs', options, takesSettings: false })),
  ).toContain('did you mean `--detach`?');
});
