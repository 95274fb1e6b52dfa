import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { greedy } from '../../generate/sampling.ts';
import { type Generated, NewToken } from '../../generate/session.ts';
import { brokenVllm } from '../errors.ts';
import type { OpenedSession } from './engine.ts';
import { openPython } from './python-session.ts';

const fake = fileURLToPath(new URL('../../../tests/fakes/infer-worker.ts', import.meta.url));
let place: string;
let python: string;

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-python-'));
  vi.stubEnv('TUNERY_CACHE', place);
  python = join(place, 'python');
  writeFileSync(python, `#!/bin/sh\nexec '${process.execPath}' '${fake}' "$@"\n`);
  chmodSync(python, 0o755);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(place, { recursive: true, force: true });
});

const open = (behavior: string): Promise<OpenedSession> =>
  openPython({
    backend: 'vllm',
    python,
    task: { behavior },
    about: { model: 'm', adapters: [], dtype: 'f32', context_length: 12 },
    limit: 12,
    broken: brokenVllm,
  });

type Asked = { readonly tokens: NewToken[]; readonly result: Promise<readonly Generated[]> };

function ask(
  { methods }: OpenedSession,
  prompts: readonly (readonly number[])[],
  most: number,
  { signal = new AbortController().signal, logprobs = false, onToken = () => {} } = {},
): Asked {
  const tokens: NewToken[] = [];
  const request = {
    prompts: prompts.map((ids, seed) => ({ ids: Int32Array.from(ids), seed })),
    sampling: greedy,
    max_new_tokens: most,
    stop_ids: [],
    logprobs,
  };
  const part = (value: unknown): void => {
    tokens.push(NewToken.parse(value));
    onToken();
  };
  const result = methods['generate']?.(request, { part, signal });
  return { tokens, result: result as Promise<readonly Generated[]> };
}

test('tokens come as they are chosen; calls go on side by side; lengths end at the context', async () => {
  const session = await open('serves');
  const two = ask(
    session,
    [
      [20, 2, 3],
      [4, 5, 6, 7, 8, 9, 10, 11, 1],
    ],
    5,
    { logprobs: true },
  );
  const one = ask(session, [[9]], 2);
  expect(await one.result).toEqual([{ ids: Int32Array.of(9, 9), reason: 'length', reused: 0 }]);
  expect(one.tokens).toEqual([
    { sequence: 0, id: 9 },
    { sequence: 0, id: 9 },
  ]);
  expect(await two.result).toEqual([
    { ids: Int32Array.of(20, 2, 3, 20, 2), reason: 'length', reused: 0 },
    { ids: Int32Array.of(4, 5, 6), reason: 'length', reused: 1 },
  ]);
  expect(two.tokens[2]).toEqual({ sequence: 0, id: 2, logp: -1 });
  const sequences = [{ ids: Int32Array.of(1, 2, 3), from: 1 }];
  const { signal } = new AbortController();
  const scored = await session.methods['score']?.({ sequences }, { part: () => {}, signal });
  expect(scored).toEqual([Float32Array.of(-2, -3)]);
  await session.close?.();
  await expect(ask(session, [[1]], 1).result).rejects.toMatchObject({ code: 'runs/engine-silent' });
});

test('what cannot be asked is refused before it is sent; a call that fails fails alone', async () => {
  const session = await open('serves');
  const code = (ids: readonly number[]) =>
    ask(session, [ids], 1).result.catch((error: { code: string }) => error.code);
  expect(await code([])).toBe('generate/empty-prompt');
  expect(await code(Array(12).fill(1))).toBe('generate/context-full');
  expect(await code([100])).toBe('generate/unknown-id');
  expect(await code([13])).toBe('infer/failed');
  expect(await ask(session, [[3]], 1).result).toMatchObject([{ ids: Int32Array.of(3) }]);
  await session.close?.();
});

test('a cancel ends a call where it stands', async () => {
  const session = await open('serves');
  const controller = new AbortController();
  const { signal } = controller;
  const long = ask(session, [[1]], 11, { signal, onToken: () => controller.abort() });
  expect(await long.result).toEqual([{ ids: Int32Array.of(1), reason: 'cancelled', reused: 0 }]);
  await ask(session, [[2]], 5).result;
  expect(long.tokens).toHaveLength(1);
  await session.close?.();
});

test('a worker that is killed ends every call, and says where its log is', async () => {
  const session = await open('serves');
  const other = ask(session, [[1]], 11);
  const killed = ask(session, [[14]], 1);
  await expect(killed.result).rejects.toMatchObject({ code: 'runs/backend-failed' });
  await expect(other.result).rejects.toThrow(/ended by SIGKILL, as the system does for want of/);
  await expect(ask(session, [[1]], 1).result).rejects.toThrow(/SIGKILL/);
  await session.close?.();
});

test.each([
  ['lacks', 'vllm/broken-environment', /cannot run vLLM: SomeError: it lacks/],
  ['no-memory', 'runs/backend-out-of-memory', /no memory left: SomeError: it no-memory/],
  ['odd', 'runs/backend-failed', /ended with code 7/],
])('one that %s says why it does not open', async (behavior, code, message) => {
  const error = await open(behavior).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code });
  expect(String(error)).toMatch(message);
});

test('the last ten logs are kept', async () => {
  const folder = join(place, 'logs');
  for (let i = 0; i < 12; i++) writeFileSync(join(folder, `2000-${i}-vllm-1.log`), '');
  await open('lacks').catch(() => {});
  const logs = readdirSync(folder).sort();
  expect(logs).toHaveLength(10);
  expect(readFileSync(join(folder, logs.at(-1) ?? ''), 'utf8')).toContain('some words');
  expect(existsSync(join(folder, '2000-0-vllm-1.log'))).toBe(false);
});
