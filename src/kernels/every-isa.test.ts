/** The kernels' tests once more, in a process for each instruction set that is not the best one. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { instructionSets } from '../native/addon.ts';
import { instructionSet } from '../native/machine.ts';

const here = instructionSets.findIndex((isa) => isa === instructionSet());
const root = fileURLToPath(new URL('../..', import.meta.url));

test.runIf(!process.env['TUNERY_ISA']).each(instructionSets.slice(0, Math.max(0, here)))(
  '%s',
  { timeout: 300_000 },
  (isa) => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        'src/kernels',
        '--maxWorkers=1',
        '--exclude=**/every-isa.test.ts',
      ],
      { cwd: root, encoding: 'utf8', env: { ...process.env, TUNERY_ISA: isa } },
    );
    expect(stdout).toMatch(/[1-9]\d* passed, 0 failed/);
    expect(status).toBe(0);
  },
);
