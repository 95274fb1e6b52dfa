/**
 * @file Two machines, which are two network namespaces of this one: they train together, and one that is lost is told by the
 * other. Deep, with `TUNERY_ORACLE_PYTHON` set; skipped by name where namespaces are refused.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { environment } from '../../src/native/environment.ts';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import { makePlace, until } from './cli.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

const python = environment('TUNERY_ORACLE_PYTHON');
const asked = environment('TUNERY_DEEP') !== undefined && python !== undefined;
const launcher = fileURLToPath(new URL('../../bin/tunery.js', import.meta.url));
const identity = fileURLToPath(new URL('../../data/identity.json', import.meta.url));

const names = ['tunery-a', 'tunery-b'] as const;
const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });

function makeNetwork(): boolean {
  if (!asked) return false;
  dropNetwork();
  try {
    for (const name of names) ip('netns', 'add', name);
    ip(
      'link',
      'add',
      'va',
      'netns',
      names[0],
      'type',
      'veth',
      'peer',
      'name',
      'vb',
      'netns',
      names[1],
    );
    for (const [i, name] of names.entries()) {
      const device = i === 0 ? 'va' : 'vb';
      ip('-n', name, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', device);
      ip('-n', name, 'link', 'set', device, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    return true;
  } catch {
    dropNetwork();
    return false;
  }
}

function dropNetwork(): void {
  for (const name of names) spawnSync('ip', ['netns', 'del', name]);
}

const allowed = makeNetwork();

describe.runIf(allowed)('two machines', () => {
  const place = makePlace();
  beforeAll(() => copyFileSync(identity, place.at('identity.json')));
  afterAll(() => {
    dropNetwork();
    place.remove();
  });

  type Ended = { readonly code: number | null; readonly said: string };
  type Node = { readonly process: ChildProcess; readonly ended: Promise<Ended> };

  function start(node: number, folder: string, ...more: string[]): Node {
    const settings = [
      'model_name_or_path=random:llama?hidden_size=64&num_hidden_layers=2',
      'dataset=identity.json',
      'cutoff_len=128',
      'per_device_train_batch_size=4',
      'global_batch_size=8',
      'learning_rate=1e-3',
      'logging_steps=1',
      'threads=1',
      'engine=torch',
      `engine_python=${python}`,
      'nproc_per_node=1',
      'nnodes=2',
      `node_rank=${node}`,
      'master_addr=10.77.0.1',
      'master_port=29500',
      `output_dir=${folder}-${node}`,
      ...more,
    ];
    const command = [
      'netns',
      'exec',
      names[node]!,
      process.execPath,
      launcher,
      'train',
      ...settings,
    ];
    const child = spawn('ip', command, {
      cwd: place.folder,
      env: { ...process.env, TUNERY_CACHE: place.cache, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        said += piece;
      });
    const ended = new Promise<Ended>((resolve) =>
      child.on('close', (code) => resolve({ code, said })),
    );
    return { process: child, ended };
  }

  const losses = (folder: string): number[] => {
    try {
      return readEvents(join(place.at(folder), eventsName)).flatMap((event) =>
        event.type === 'step-end' ? [event.loss] : [],
      );
    } catch {
      return [];
    }
  };

  test('take the five steps of one', async () => {
    const alone = start(0, 'alone', 'max_steps=5', 'nnodes=1');
    expect((await alone.ended).code).toBe(0);
    const both = [start(0, 'both', 'max_steps=5'), start(1, 'both', 'max_steps=5')];
    for (const { ended } of both) {
      const { code, said } = await ended;
      expect(code, said).toBe(0);
    }
    const [one, two] = [losses('alone-0'), losses('both-0')];
    expect(two).toHaveLength(5);
    for (const [i, loss] of two.entries()) expect(Math.abs(loss - one[i]!)).toBeLessThan(1e-6);
  });

  test.each(['killed', 'cut off'])('one is %s: the other says which, and stops', async (how) => {
    const folder = how.replace(' ', '-');
    const [first, second] = [
      start(0, folder, 'max_steps=100000'),
      start(1, folder, 'max_steps=100000'),
    ];
    await until('three steps', () => losses(`${folder}-0`).length > 2, 120_000);
    const began = performance.now();
    if (how === 'killed')
      spawnSync('ip', ['netns', 'exec', names[1], 'sh', '-c', 'kill -9 $(ip netns pids tunery-b)']);
    else ip('-n', names[1], 'link', 'set', 'vb', 'down');
    const { code, said } = await first.ended;
    expect(code).toBe(1);
    expect(said).toMatch(
      /error\[torch\/(node-lost|rank-failed)\]: .*(machine 1 \(.*10\.77\.0\.2\)|10\.77\.0\.2)/,
    );
    console.log(
      `${how}: told after ${((performance.now() - began) / 1000).toFixed(1)} s: ${/error.*/.exec(said)?.[0]}`,
    );
    if (how === 'cut off') {
      const other = await second.ended;
      expect(other.code).toBe(1);
      expect(other.said).toMatch(/machine 0 \(10\.77\.0\.1\) is lost: it has been silent/);
    }
  });
});
