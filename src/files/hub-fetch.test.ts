import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { refused, smallDisk } from '../../tests/e2e/small-disk.ts';
import {
  commitOf,
  type FakeHub,
  gitSha1,
  type Repository,
  sha256,
  startHub,
} from '../../tests/fakes/hub.ts';
import { TuneryError } from '../core/errors.ts';
import { openHub } from './hub.ts';
import { findSnapshot } from './hub-cache.ts';
import { type FetchOptions, fetchSnapshot } from './hub-fetch.ts';
import { patience as usual } from './hub-http.ts';

const large = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7919) % 251));
const tiny: Repository = {
  kind: 'model',
  id: 'org/tiny',
  files: {
    'config.json': '{"model_type": "llama"}',
    'model.safetensors': large,
    'sub/empty.txt': '',
    'README.md': '# tiny',
  },
  branches: { 'refs/pr/1': { 'config.json': '{}' } },
};
const closed: Repository = {
  kind: 'model',
  id: 'org/gated',
  files: tiny.files,
  gated: true,
  token: 'good',
};
const hidden: Repository = { kind: 'model', id: 'org/hidden', files: tiny.files, token: 'good' };

const patience = { ...usual, firstWaitMs: 1, longestWaitMs: 5 };
let cache: string;
let hub: FakeHub;

beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'tunery-hub-'));
  hub = await startHub([tiny, closed, hidden]);
  for (const name of ['HF_HUB_OFFLINE', 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) vi.stubEnv(name, '');
  vi.stubEnv('HF_HOME', join(cache, 'home'));
  vi.stubEnv('HF_ENDPOINT', hub.url);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(cache, { recursive: true });
});

const all: FetchOptions['choose'] = (files) => files.map(({ path }) => path);
const fetchTiny = (more: Partial<FetchOptions> = {}, id = 'org/tiny', token?: string) =>
  fetchSnapshot(
    openHub({ cache, ...(token === undefined ? {} : { token }) }),
    { kind: 'model', id },
    { choose: all, patience, ...more },
  );
const failure = async (fetching: Promise<unknown>): Promise<TuneryError> => {
  const error = await fetching.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TuneryError) return error;
  throw new Error(`no error of ours: ${error}`);
};
const root = (id = 'org/tiny'): string => join(cache, `models--${id.replace('/', '--')}`);
const blobs = (): string[] =>
  existsSync(join(root(), 'blobs')) ? readdirSync(join(root(), 'blobs')) : [];

test('the files lie as huggingface_hub lays them', async () => {
  const told: unknown[] = [];
  const { folder, commit, files } = await fetchTiny({
    optional: ['chat_template.jinja', 'config.json'],
    announce: (plan) => told.push(plan),
    progress: (bytes, expected) => told.push([bytes, expected]),
  });
  expect(commit).toBe(commitOf(tiny.files));
  expect(folder).toBe(join(root(), 'snapshots', commit));
  expect(files).toEqual(Object.keys(tiny.files));
  for (const [path, content] of Object.entries(tiny.files)) {
    expect(readFileSync(join(folder, path))).toEqual(Buffer.from(content));
    const sum = path === 'model.safetensors' ? sha256(content) : gitSha1(content);
    const up = path.includes('/') ? '../../../' : '../../';
    expect(readlinkSync(join(folder, path))).toBe(`${up}blobs/${sum}`);
  }
  expect(readFileSync(join(root(), 'refs/main'), 'utf8')).toBe(commit);
  expect(existsSync(join(cache, '.locks/models--org--tiny', `${sha256(large)}.lock`))).toBe(true);
  expect(readdirSync(join(root(), '.no_exist', commit))).toEqual(['chat_template.jinja']);
  const bytes = large.length + 23 + 6;
  expect(told[0]).toEqual({
    repository: { kind: 'model', id: 'org/tiny' },
    files: 4,
    bytes,
    host: new URL(hub.url).host,
  });
  expect(told.at(-1)).toEqual([bytes, bytes]);
});

test('what the cache has is not asked for again, and serves offline', async () => {
  await fetchTiny({ choose: () => ['config.json'] });
  const before = hub.asked.length;
  await fetchTiny({ choose: () => ['config.json'] });
  expect(hub.asked.length).toBe(before);
  await fetchTiny();
  expect(hub.contents().filter(({ path }) => path.endsWith('config.json'))).toHaveLength(1);
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  const count = hub.asked.length;
  expect((await fetchTiny()).files).toHaveLength(4);
  expect(hub.asked.length).toBe(count);
});

test('branches, nested ones too, are revisions', async () => {
  const { folder, commit } = await fetchTiny({ revision: 'refs/pr/1' });
  expect(readdirSync(folder)).toEqual(['config.json']);
  expect(readFileSync(join(root(), 'refs/refs/pr/1'), 'utf8')).toBe(commit);
  expect(await failure(fetchTiny({ revision: 'gone' }))).toMatchObject({
    code: 'files/hub-revision',
  });
  expect(await failure(fetchTiny({ revision: '../main' }))).toMatchObject({
    code: 'files/hub-revision',
  });
});

test('a list of files that comes in pages', async () => {
  hub.faults.pageSize = 2;
  expect((await fetchTiny()).files).toEqual(Object.keys(tiny.files));
  expect(hub.asked.filter(({ path }) => path.includes('/tree/'))).toHaveLength(2);
});

test('a mirror that answers no HEAD', async () => {
  hub.faults.noHead = true;
  const { folder } = await fetchTiny();
  expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
});

test('the token goes to the hub, never to the store that it redirects to', async () => {
  await fetchTiny({}, 'org/hidden', 'good');
  const at = (host: string) =>
    hub.asked.filter((each) => each.host === host).map((each) => each.authorization);
  expect(new Set(at('hub'))).toEqual(new Set(['Bearer good']));
  expect(at('store')).toEqual([undefined]);
});

test('the token is found where huggingface_hub finds it', async () => {
  const token = () => openHub({ cache }).access.token;
  expect(token()).toBeUndefined();
  mkdirSync(join(cache, 'home'));
  writeFileSync(join(cache, 'home/token'), ' of-home\n');
  expect(token()).toBe('of-home');
  writeFileSync(join(cache, 'elsewhere'), 'of-path');
  vi.stubEnv('HF_TOKEN_PATH', join(cache, 'elsewhere'));
  expect(token()).toBe('of-path');
  vi.stubEnv('HF_TOKEN', 'direct');
  expect(token()).toBe('direct');
  expect(openHub({ cache, token: 'setting' }).access.token).toBe('setting');
});

describe('a connection that is cut', () => {
  test('is taken up where it broke', async () => {
    hub.faults.cutAfter = [20_000];
    const { folder } = await fetchTiny({ choose: () => ['model.safetensors'] });
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
    const ranges = hub.asked.filter(({ host }) => host === 'store').map(({ range }) => range);
    expect(ranges).toHaveLength(2);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toBe('bytes=20000-');
  });

  test('is taken up by the next process too', async () => {
    hub.faults.cutAfter = [20_000, 0, 0];
    const error = await failure(
      fetchTiny({ choose: () => ['model.safetensors'], patience: { ...patience, attempts: 2 } }),
    );
    expect(error).toMatchObject({ code: 'files/hub-unreachable' });
    expect(blobs()).toEqual([`${sha256(large)}.incomplete`]);
    expect(findSnapshot({ kind: 'model', id: 'org/tiny' }, 'main', cache)).toBeUndefined();
    hub.faults.cutAfter = [];
    const progress: number[] = [];
    await fetchTiny({
      choose: () => ['model.safetensors'],
      progress: (bytes) => progress.push(bytes),
    });
    expect(hub.asked.at(-1)?.range).toBe('bytes=20000-');
    expect(progress[0]).toBe(20_000);
    expect(blobs()).toEqual([sha256(large)]);
  });

  test('begins anew where the server knows no ranges', async () => {
    hub.faults.noRanges = true;
    hub.faults.cutAfter = [20_000];
    const { folder } = await fetchTiny({ choose: () => ['model.safetensors'] });
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
  });

  test('what an earlier attempt left is checked with the rest, and fetched anew where it is wrong', async () => {
    mkdirSync(join(root(), 'blobs'), { recursive: true });
    writeFileSync(join(root(), 'blobs', `${sha256(large)}.incomplete`), Buffer.alloc(1000, 1));
    const { folder } = await fetchTiny({ choose: () => ['model.safetensors'] });
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
  });
});

test('a server that is busy is asked again, and then told of', async () => {
  hub.faults.statuses = [503, 429];
  await fetchTiny({ choose: () => ['model.safetensors'] });
  hub.faults.statuses = Array.from({ length: 5 }, () => 429);
  const error = await failure(fetchTiny({ choose: () => ['config.json'] }));
  expect(error.message).toMatch(/answers that too much was asked of it \(429\), 5 times/);
});

test('a slow server is waited for', async () => {
  hub.faults.pieceMs = 2;
  const { folder } = await fetchTiny({ patience: { ...patience, silenceMs: 500 } });
  expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
});

test('a server that falls silent is given up', async () => {
  hub.faults.silent = true;
  const impatient = { ...patience, attempts: 2, silenceMs: 100 };
  const error = await failure(
    fetchTiny({ choose: () => ['model.safetensors'], patience: impatient }),
  );
  expect(error.message).toMatch(/cannot be reached.*: it does not answer/);
});

describe('a wrong sum', () => {
  test.each([
    ['model.safetensors', 'SHA-256', sha256(large)],
    ['config.json', 'git blob SHA-1', gitSha1(tiny.files['config.json']!)],
  ])('of %s leaves nothing', async (path, kind, expected) => {
    const spoil = (_: string, bytes: Buffer) =>
      Buffer.from(bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)));
    hub.faults.spoil = spoil;
    const found =
      path === 'config.json'
        ? gitSha1(spoil('', Buffer.from(tiny.files[path]!)))
        : sha256(spoil('', large));
    const error = await failure(fetchTiny({ choose: () => [path] }));
    expect(error.message).toBe(
      `\`${path}\` of the model \`org/tiny\` came damaged: its ${kind} is ${found}, expected ${expected}`,
    );
    expect(blobs()).toEqual([]);
    expect(findSnapshot({ kind: 'model', id: 'org/tiny' }, 'main', cache)).toBeUndefined();
  });

  test('and a wrong size', async () => {
    hub.faults.spoil = (_, bytes) => Buffer.concat([bytes, Buffer.from('more')]);
    const error = await failure(fetchTiny({ choose: () => ['model.safetensors'] }));
    expect(error.message).toMatch(/came with 50004 bytes, expected 50000/);
    expect(blobs()).toEqual([]);
  });
});

test('who may not have it is told why, and what to do', async () => {
  const gated = await failure(fetchTiny({}, 'org/gated'));
  expect(gated.code).toBe('files/hub-gated');
  expect(gated.message).toMatch(/only who accepted its terms, and no token says who asks/);
  expect(gated.help).toContain(`accept the terms at ${hub.url}/org/gated`);
  expect((await failure(fetchTiny({}, 'org/gated', 'bad'))).message).toMatch(
    /account of this token did not/,
  );
  expect(await failure(fetchTiny({}, 'org/hidden'))).toMatchObject({ code: 'files/hub-not-found' });
  const none = await failure(fetchTiny({}, 'org/none'));
  expect(none.message).toBe(`${new URL(hub.url).host} has no model \`org/none\`, or it is private`);
  expect(await failure(fetchTiny({ choose: () => ['none.bin'] }))).toMatchObject({
    code: 'files/hub-file',
  });
});

test('offline, and without a network, what lies there serves with a note', async () => {
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  expect(await failure(fetchTiny())).toMatchObject({ code: 'files/hub-offline' });
  // As another program leaves it: no list of files.
  const commit = 'a'.repeat(40);
  mkdirSync(join(root(), 'snapshots', commit), { recursive: true });
  mkdirSync(join(root(), 'refs'));
  writeFileSync(join(root(), 'refs/main'), commit);
  writeFileSync(join(root(), 'snapshots', commit, 'config.json'), '{}');
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  expect((await fetchTiny({ note })).files).toEqual(['config.json']);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  await hub.close();
  expect((await fetchTiny({ note })).files).toEqual(['config.json']);
  expect(notes).toHaveLength(2);
  expect(notes[0]).toContain('as it lies there: `HF_HUB_OFFLINE` is set');
  expect(notes[1]).toContain('the connection was refused');
  hub = await startHub([]);
});

test('what is known to be lacking is not passed over', async () => {
  await fetchTiny({ choose: () => ['config.json'] });
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  expect(await failure(fetchTiny())).toMatchObject({ code: 'files/hub-offline' });
});

test('a file that came after the list was noted is looked for anew', async () => {
  await fetchTiny({ choose: () => ['config.json'] });
  const missing: FetchOptions['choose'] = (files) => {
    const found = files.find(({ path }) => path === 'new.txt');
    if (found) return ['new.txt'];
    throw new TuneryError('test/none', { message: 'there is no new.txt' });
  };
  expect((await failure(fetchTiny({ choose: missing }))).code).toBe('test/none');
  await hub.close();
  hub = await startHub([{ ...tiny, files: { ...tiny.files, 'new.txt': 'new' } }]);
  vi.stubEnv('HF_ENDPOINT', hub.url);
  expect((await fetchTiny({ choose: missing })).files).toEqual(['new.txt']);
});

test('a full disk is told, and goes on once there is space', async (context) => {
  const mount = join(cache, 'disk');
  const disk = smallDisk(mount, 128);
  if (!disk) return context.skip(refused);
  try {
    const fetchHere = (more: Partial<FetchOptions> = {}) =>
      fetchSnapshot(
        openHub({ cache: join(mount, 'hub') }),
        { kind: 'model', id: 'org/tiny' },
        { choose: () => ['model.safetensors'], patience, ...more },
      );
    mkdirSync(join(mount, 'hub'));
    writeFileSync(join(mount, 'ballast'), Buffer.alloc(100_000));
    const before = await failure(fetchHere());
    expect(before.code).toBe('files/hub-disk-full');
    expect(before.message).toMatch(/for the model `org\/tiny`: 50\.0 kB needed, .* free/);
    rmSync(join(mount, 'ballast'));
    hub.faults.pieceMs = 1;
    let filled = false;
    const fill = (bytes: number): void => {
      if (filled || bytes < 10_000) return;
      filled = true;
      try {
        writeFileSync(join(mount, 'ballast'), Buffer.alloc(128_000));
      } catch {
        // It is full: that is the point.
      }
    };
    expect((await failure(fetchHere({ progress: fill }))).code).toBe('files/hub-disk-full');
    rmSync(join(mount, 'ballast'));
    const { folder } = await fetchHere();
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
    expect(hub.asked.at(-1)?.range).toMatch(/^bytes=\d{4,}-$/);
  } finally {
    disk.unmount();
  }
});

test('an answer that is no hub’s is told', async () => {
  vi.stubEnv('HF_ENDPOINT', `${hub.url}/api`);
  expect(await failure(fetchTiny())).toMatchObject({ code: 'files/hub-not-found' });
});

const runFetch = (...files: string[]) => {
  const script = fileURLToPath(new URL('../../tests/fakes/fetch-snapshot.ts', import.meta.url));
  const child = spawn(process.execPath, [script, 'org/tiny', cache, ...files], {
    env: process.env,
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (out += part));
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out })),
  );
  return { child, ended };
};

test('two processes at once fetch once', async () => {
  hub.faults.pieceMs = 5;
  const both = [runFetch('model.safetensors'), runFetch('model.safetensors')];
  const ended = await Promise.all(both.map((each) => each.ended));
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  expect(hub.asked.filter(({ host }) => host === 'store')).toHaveLength(1);
});

test('kill -9 in between leaves nothing that looks complete', async () => {
  hub.faults.pieceMs = 20;
  const { child, ended } = runFetch('config.json', 'model.safetensors');
  const partial = join(root(), 'blobs', `${sha256(large)}.incomplete`);
  await vi.waitFor(() => expect(lstatSync(partial).size).toBeGreaterThan(1000), 20_000);
  child.kill('SIGKILL');
  await ended;
  expect(existsSync(join(root(), 'snapshots'))).toBe(false);
  expect(existsSync(join(root(), 'refs'))).toBe(false);
  hub.faults.pieceMs = 0;
  const { folder } = await fetchTiny();
  expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(large);
  expect(
    hub.asked.at(-1)?.range ?? hub.asked.findLast(({ host }) => host === 'store')?.range,
  ).toMatch(/^bytes=\d+-$/);
});
