/** The hub's cache is shared: Python's huggingface_hub finds what we fetched, and we what it fetched. Deep only. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openHub } from '../../src/files/hub.ts';
import { fetchSnapshot } from '../../src/files/hub-fetch.ts';
import { type FakeHub, startHub } from '../fakes/hub.ts';

const python = process.env['TUNERY_ORACLE_PYTHON'];
const files = {
  'config.json': '{}',
  'model.safetensors': Buffer.alloc(100_000, 7),
  'sub/rows.jsonl': '{"text": "x"}\n',
};

describe.runIf(process.env['TUNERY_DEEP'] && python)(
  'huggingface_hub',
  { timeout: 240_000 },
  () => {
    let cache: string;
    let hub: FakeHub;
    beforeEach(async () => {
      cache = mkdtempSync(join(tmpdir(), 'tunery-hub-'));
      hub = await startHub([
        { kind: 'model', id: 'org/tiny', files },
        { kind: 'dataset', id: 'org/rows', files },
      ]);
      vi.stubEnv('HF_HUB_OFFLINE', '');
      vi.stubEnv('HF_ENDPOINT', hub.url);
      vi.stubEnv('HF_HOME', cache);
      vi.stubEnv('HF_HUB_DISABLE_XET', '1');
    });
    afterEach(async () => {
      vi.unstubAllEnvs();
      await hub.close();
      rmSync(cache, { recursive: true });
    });

    /** Runs it beside us, for the hub that it asks lives in this process. */
    const run = (code: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const child = spawn(python!, ['-c', `from huggingface_hub import *\n${code}`], {
          env: process.env,
        });
        let [out, err] = ['', ''];
        child.stdout.on('data', (part) => (out += part));
        child.stderr.on('data', (part) => (err += part));
        child.once('close', (status) =>
          status === 0 ? resolve(out.trim()) : reject(new Error(err)),
        );
      });
    const fetch = (kind: 'model' | 'dataset', id: string, choose?: readonly string[]) =>
      fetchSnapshot(
        openHub({ cache: join(cache, 'hub') }),
        { kind, id },
        {
          choose: (listed) => choose ?? listed.map(({ path }) => path),
          optional: ['chat_template.jinja'],
        },
      );
    /** Without what huggingface_hub asks of its own accord. */
    const asked = (): number => hub.asked.filter(({ path }) => path.includes('org/')).length;
    const links = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isSymbolicLink())
        .map((entry) => `${entry.name} ${readlinkSync(join(entry.parentPath, entry.name))}`)
        .sort();

    test.each([
      ['model', 'org/tiny'],
      ['dataset', 'org/rows'],
    ] as const)('finds a %s that we fetched, byte for byte and link for link', async (kind, id) => {
      const { folder } = await fetch(kind, id);
      const ours = links(folder);
      const count = asked();
      const find = (only: string) =>
        run(`print(snapshot_download("${id}", repo_type="${kind}", ${only}))`);
      expect(await find('local_files_only=True')).toBe(folder);
      expect(asked()).toBe(count);
      // Online it has nothing left to fetch.
      expect(await find('local_files_only=False')).toBe(folder);
      expect(hub.contents()).toHaveLength(4);
      expect(links(folder)).toEqual(ours);
      const absent = await run(
        `print(try_to_load_from_cache("${id}", "chat_template.jinja", repo_type="${kind}") is _CACHED_NO_EXIST)`
          .replace('_CACHED_NO_EXIST', 'file_download._CACHED_NO_EXIST')
          .replace('print(', 'from huggingface_hub import file_download\nprint('),
      );
      expect(absent).toBe('True');
      expect(await run('print(len(scan_cache_dir().repos), scan_cache_dir().warnings)')).toBe(
        '1 []',
      );
      for (const [path, content] of Object.entries(files))
        expect(readFileSync(join(folder, path))).toEqual(Buffer.from(content));
    });

    test('what it fetched serves us without a question, whole and in part', async () => {
      const whole = await run('print(snapshot_download("org/tiny"))');
      const count = asked();
      expect((await fetch('model', 'org/tiny')).folder).toBe(whole);
      expect(asked()).toBe(count);
      const one = await run(
        'print(hf_hub_download("org/rows", "config.json", repo_type="dataset"))',
      );
      const { folder } = await fetch('dataset', 'org/rows');
      expect(join(folder, 'config.json')).toBe(one);
      const again = hub
        .contents()
        .filter(
          ({ path }) => path.startsWith('/datasets/org/rows') && path.endsWith('config.json'),
        );
      expect(again).toHaveLength(1);
    });

    test('both at once fetch once', async () => {
      hub.faults.pieceMs = 10;
      const [ours, theirs] = await Promise.all([
        fetch('model', 'org/tiny'),
        run('print(snapshot_download("org/tiny"))'),
      ]);
      expect(theirs).toBe(ours.folder);
      expect(readFileSync(join(theirs, 'model.safetensors'))).toEqual(files['model.safetensors']);
      const large = hub.asked.filter(({ method, host }) => method === 'GET' && host === 'store');
      expect(large).toHaveLength(1);
    });
  },
);
