/** @file `tunery engine`: what it says where nothing can be made. That it makes something takes 5 GB: docs/scale.md. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { type Ended, makePlace, type Place } from './cli.ts';
import { refused, smallDisk } from './small-disk.ts';

const place = makePlace();
afterAll(() => place.remove());

const fails = (error: RegExp, ...args: string[]): Promise<Ended> => failsIn(place, error, ...args);

async function failsIn({ run }: Place, error: RegExp, ...args: string[]): Promise<Ended> {
  const ended = await run('engine', ...args);
  expect(ended.code).toBe(error.source.startsWith('error\\[cli') ? 2 : 1);
  expect(ended.err).toMatch(error);
  expect(ended.err).not.toMatch(/\n {4}at /);
  return ended;
}

function program(name: string, text: string): string {
  writeFileSync(place.at(name), `#!/bin/sh\n${text}\n`);
  chmodSync(place.at(name), 0o755);
  return place.at(name);
}

test('names that are not known', async () => {
  await fails(
    /error\[cli\/unknown-extra\]: `--with` does not know `vllm`/,
    'install',
    '--with',
    'vllm',
  );
  await fails(/error\[cli\/unknown-engine\]: there is no engine `jax`/, 'install', 'jax');
});

test('no Python, one that is too old, one that is none', async () => {
  await fails(
    /error\[torch\/no-system-python\].*\/nowhere does not run/,
    'install',
    '--python',
    '/nowhere',
  );
  await fails(/is 3\.8/, 'install', '--python', program('old', 'echo 3 8'));
  await fails(/is no Python/, 'install', '--python', program('none', 'echo hello'));
});

test('a folder of wheels that lacks one, or that is not there, is told how to fill', async () => {
  await fails(
    /error\[torch\/no-wheels\].*`\/nowhere`: there is no such folder.*pip download .*uv\.lock -r .*base\.lock/s,
    ...['install', '--wheels', '/nowhere'],
  );
  const lacking = (words: string): string =>
    program(
      'lacking',
      `case "$*" in *version_info*) echo 3 12;; *venv*) mkdir -p "$3/bin"; printf '#!/bin/sh\necho "${words}" >&2; exit 1' > "$3/bin/python"; chmod +x "$3/bin/python";; esac`,
    );
  for (const [words, name] of [
    ['ERROR: No matching distribution found for uv==0.13.9', 'uv==0.13.9'],
    ['cause: Because peft was not found in the provided package locations', 'peft'],
  ] as const) {
    await fails(
      new RegExp(`error\\[torch/no-wheels\\].*it has no ${name}.*pip download`, 's'),
      ...['install', '--python', lacking(words), '--wheels', place.folder],
    );
  }
});

test('an installer that fails leaves nothing: no network, no disk, something else', async () => {
  const python = (fault: string): string =>
    program(
      'failing',
      `case "$*" in *version_info*) echo 3 12;; *venv*) mkdir -p "$3/bin"; echo ${fault} >&2; exit 1;; esac`,
    );
  await fails(
    /error\[torch\/no-network\].*--wheels/s,
    'install',
    '--python',
    python('Failed to fetch: dns error'),
  );
  await fails(/error\[torch\/no-disk\]/, 'install', '--python', python('No space left on device'));
  await fails(
    /error\[torch\/no-venv\].*python3-venv/s,
    'install',
    '--python',
    python('ensurepip is not available'),
  );
  await fails(
    /error\[torch\/not-installed\].*odd words/s,
    'install',
    '--python',
    python('odd words'),
  );
  expect(existsSync(`${place.cache}/engines/.torch.new`)).toBe(false);
});

test('a disk that is too small is said before anything is fetched', async ({ skip }) => {
  const disk = smallDisk(place.at('disk'), 1400);
  if (!disk) skip(refused);
  try {
    const error = /error\[torch\/no-disk\]: PyTorch and its kin take .* are free/;
    await failsIn(makePlace(place.at('disk')), error, 'install');
  } finally {
    disk?.unmount();
  }
});

test('a Python without PyTorch, and no environment', async () => {
  const bare = program('bare', 'echo "it has no torch" >&2; exit 1');
  await fails(
    /error\[torch\/broken-environment\]: `.*bare` cannot run the torch engine: it has no torch/,
    'check',
    bare,
  );
  await fails(/error\[torch\/no-environment\]/, 'check');
  const { code, out } = await place.run('engine', 'remove');
  expect([code, out]).toEqual([0, 'There is none.\n']);
  expect(existsSync(`${place.cache}/engines`)).toBe(false);
});
