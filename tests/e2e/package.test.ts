/** The package as npm lays it out: compiled, in node_modules, with and without a kernel binary. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const names = { win32: 'tunery_kernels.dll', darwin: 'libtunery_kernels.dylib' };
const library = Object.entries(names).find(([platform]) => platform === process.platform)?.[1];
const built = join(root, 'crates/kernels/target/release', library ?? 'libtunery_kernels.so');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let folder = '';
let installed = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-package-'));
  installed = join(folder, 'node_modules', 'tunery');
  mkdirSync(installed, { recursive: true });
  const build = ['-p', 'tsconfig.build.json', '--outDir', join(installed, 'dist')];
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const { status, stdout } = spawnSync(tsc, build, { cwd: root, encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  for (const name of ['package.json', ...manifest.files]) {
    const from = join(root, name);
    if (name !== 'dist' && name !== 'prebuilt' && existsSync(from)) {
      cpSync(from, join(installed, name), { recursive: true });
    }
  }
  for (const name of Object.keys(manifest.dependencies)) {
    const to = join(folder, 'node_modules', name);
    mkdirSync(join(to, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), to);
  }
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tunery(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(installed, manifest.bin.tunery), ...args],
    { cwd: folder, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } },
  );
  return { status, stdout, stderr };
}

const logits = ['debug', 'logits', 'random:llama?hidden_size=64', '--ids', '1,2,3', '--out', 'x'];

test('it tells its version and explains settings', () => {
  expect(tunery('--version').stdout).toBe(`tunery ${manifest.version}\n`);
  const example = join(installed, 'examples', 'smollm2_lora_sft.yaml');
  const { status, stdout } = tunery('config', 'explain', example, 'lora_alpha');
  expect(status).toBe(0);
  expect(stdout).toContain('derived from lora_rank');
});

test('without kernels it says what to do, with them it computes', () => {
  const path = join(installed, 'prebuilt', `${process.platform}-${process.arch}.node`);
  const { status, stderr } = tunery(...logits);
  expect(status).toBe(1);
  expect(stderr).toContain('error[native/addon-missing]');
  expect(stderr).toContain(path);
  expect(stderr).toContain('./tunery --setup');

  mkdirSync(join(path, '..'));
  copyFileSync(built, path);
  expect(tunery(...logits)).toMatchObject({ status: 0, stderr: '' });
  expect(existsSync(join(folder, 'x'))).toBe(true);
});
