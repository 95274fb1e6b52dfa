import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { fakeEntry } from '../../../tests/fakes/requests.ts';
import { processStartTime } from '../../native/machine.ts';
import { entryOf, startChild, startEarly } from './start-child.ts';

const attached = { detached: false };

test('a training takes the process that was started early, once', async () => {
  const early = startEarly(['train', 'run.yaml']);
  const taken = startChild(entryOf('native-child'), attached);
  expect(taken).toBe(early);
  const other = startChild(entryOf('native-child'), attached);
  expect(other).not.toBe(early);
  for (const child of [taken, other]) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('another engine, or a detached one, ends it and has a process of its own', async () => {
  for (const [entry, detached] of [
    [fakeEntry, false],
    [entryOf('native-child'), true],
  ] as const) {
    const early = startEarly(['train', 'run.yaml']);
    const ended = early && once(early, 'exit');
    const child = startChild(entry, { detached });
    expect(child).not.toBe(early);
    expect(await ended).toEqual([null, 'SIGKILL']);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('none is started for help, nor where the run is detached', () => {
  expect(startEarly(['train', '--help'])).toBeUndefined();
  expect(startEarly(['train', 'run.yaml', '--detach'])).toBeUndefined();
});

test('one that nobody takes does not hold its parent up, and ends with it', async () => {
  const module = fileURLToPath(new URL('./start-child.ts', import.meta.url));
  const script = `import { startEarly } from ${JSON.stringify(module)};
    console.log(startEarly(['train'])?.pid);`;
  const pid = Number(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }),
  );
  await expect.poll(() => processStartTime(pid), { timeout: 30_000 }).toBeUndefined();
});
