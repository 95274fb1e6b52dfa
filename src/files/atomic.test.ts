import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { freeDisk, removeLeftovers, writeFileAtomic, writeFolderAtomic } from './atomic.ts';
import { ownerAlive, ownerTag } from './owner.ts';

const root = mkdtempSync(join(tmpdir(), 'tunery-atomic-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = root;
beforeEach(() => {
  folder = mkdtempSync(join(root, 't-'));
});

const caught = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
};

test('a file is written whole, and its folder is made', () => {
  const path = join(folder, 'deep/er/a.txt');
  writeFileAtomic(path, 'one');
  writeFileAtomic(path, ['two', new Uint8Array([33]), '…']);
  expect(readFileSync(path, 'utf8')).toBe('two!…');
  expect(readdirSync(join(folder, 'deep/er'))).toEqual(['a.txt']);
});

test('a failure half-way leaves the former file and nothing else', async () => {
  const path = join(folder, 'a.txt');
  writeFileAtomic(path, 'former');
  const error = await caught(() =>
    writeFileAtomic(
      path,
      (function* () {
        yield 'half';
        throw new Error('stop here');
      })(),
    ),
  );
  expect((error as Error).message).toMatch(/stop here/);
  expect(readFileSync(path, 'utf8')).toBe('former');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

test('a folder appears whole, or not at all', async () => {
  const path = join(folder, 'checkpoint-1');
  await writeFolderAtomic(path, (temporary) => {
    mkdirSync(join(temporary, 'sub'));
    writeFileSync(join(temporary, 'sub/a'), '1');
    expect(existsSync(path)).toBe(false);
  });
  expect(readFileSync(join(path, 'sub/a'), 'utf8')).toBe('1');
  const fails = () =>
    writeFolderAtomic(join(folder, 'checkpoint-2'), (temporary) => {
      writeFileSync(join(temporary, 'a'), '1');
      throw new Error('stop here');
    });
  expect(((await caught(fails)) as Error).message).toBe('stop here');
  expect(readdirSync(folder)).toEqual(['checkpoint-1']);
});

test('an earlier folder is kept unless it is to be replaced', async () => {
  const path = join(folder, 'out');
  const write = (text: string, replace: boolean) =>
    writeFolderAtomic(path, (to) => writeFileSync(join(to, text), text), { replace });
  mkdirSync(path);
  await write('one', false);
  expect(await caught(() => write('two', false))).toMatchObject({ code: 'files/already-there' });
  expect(readdirSync(path)).toEqual(['one']);
  await write('two', true);
  expect(readdirSync(path)).toEqual(['two']);
  expect(readdirSync(folder)).toEqual(['out']);
});

test('what a killed writer left is removed by the next; what a living one has is not', async () => {
  const script = `
    import { writeFileSync } from 'node:fs';
    import { writeFolderAtomic } from ${JSON.stringify(new URL('./atomic.ts', import.meta.url).href)};
    await writeFolderAtomic(process.argv[1], async (to) => {
      writeFileSync(to + '/half', 'x');
      console.log('writing');
      await new Promise((done) => setTimeout(done, 60000));
    });`;
  const path = join(folder, 'checkpoint-3');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path]);
  await new Promise((done) => child.stdout.once('data', done));
  removeLeftovers(path);
  expect(readdirSync(folder)).toHaveLength(1);
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await gone;
  await writeFolderAtomic(path, (to) => writeFileSync(join(to, 'whole'), 'x'));
  expect(readdirSync(folder)).toEqual(['checkpoint-3']);
  expect(readdirSync(path)).toEqual(['whole']);
});

test('a folder that a dead writer had moved aside is put back', () => {
  const [, birth, host] = ownerTag().split('-');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  mkdirSync(join(folder, `.out.tunery-old-${dead}-${birth}-${host}-01234567`));
  mkdirSync(join(folder, `.out.tunery-new-${dead}-${birth}-${host}-01234567`));
  removeLeftovers(join(folder, 'out'));
  expect(readdirSync(folder)).toEqual(['out']);
});

test('an owner is alive by number, birth and host', () => {
  expect(ownerAlive(ownerTag())).toBe(true);
  const [pid, birth, host] = ownerTag().split('-');
  expect(ownerAlive(`${pid}-${birth}-elsewhere`)).toBeUndefined();
  if (process.platform === 'linux') expect(ownerAlive(`${pid}-0000-${host}`)).toBe(false);
  expect(ownerAlive('nonsense')).toBe(false);
});

test('places that cannot be written are errors with a code', async () => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of [
    join(folder, 'file/a'),
    join(folder, 'n'.repeat(300)),
    '/proc/nothing/here',
  ]) {
    expect(await caught(() => writeFileAtomic(path, 'x'))).toBeInstanceOf(TuneryError);
    expect(await caught(() => writeFolderAtomic(path, () => {}))).toBeInstanceOf(TuneryError);
  }
  expect(await caught(() => writeFileAtomic(folder, 'x'))).toMatchObject({
    code: 'files/not-writable',
  });
  expect(freeDisk(join(folder, 'not/yet'))).toBeGreaterThan(0);
});

const mounted = join(root, 'small');
mkdirSync(mounted);
const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mounted]);
afterAll(() => {
  if (mount.status === 0) spawnSync('umount', [mounted]);
});

test.skipIf(mount.status !== 0)('a full disk: a clear error, and the former state', async () => {
  const path = join(mounted, 'a');
  writeFileAtomic(path, 'former');
  const big = new Uint8Array(1 << 20);
  const error = await caught(() => writeFileAtomic(path, big, { bytes: big.length }));
  expect(error).toMatchObject({ code: 'files/disk-full' });
  expect((error as Error).message).toMatch(/no space left to write `.*`: 1\.0 MB needed, .* free/);
  const inside = await caught(() =>
    writeFolderAtomic(join(mounted, 'folder'), (to) => writeFileSync(join(to, 'big'), big)),
  );
  expect(inside).toMatchObject({ code: 'files/disk-full' });
  expect(readdirSync(mounted)).toEqual(['a']);
  expect(readFileSync(path, 'utf8')).toBe('former');
});
