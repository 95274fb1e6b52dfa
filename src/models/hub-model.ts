/** @file Which files of a hub's repository are a model, and their way into the cache. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { didYouMean } from '../core/suggest.ts';
import type { Hub, HubFile } from '../files/hub.ts';
import type { Snapshot } from '../files/hub-cache.ts';
import { hubFileNotFound, noModelFiles } from '../files/hub-errors.ts';
import { type Fetched, type FetchOptions, fetchSnapshot } from '../files/hub-fetch.ts';
import { isJsonObject, readJson } from '../files/json.ts';
import { tokenizerNames } from './tokenizer-files.ts';

/** Not all models have them; without their weights or config none can be loaded. */
const optional: readonly string[] = ['generation_config.json', ...tokenizerNames];
const indexName = 'model.safetensors.index.json';

export const fetchModel = (
  hub: Hub,
  id: string,
  file: string | undefined,
  options: Omit<FetchOptions, 'choose' | 'optional' | 'serves'>,
): Promise<Fetched> =>
  fetchSnapshot(
    hub,
    { kind: 'model', id },
    {
      ...options,
      choose: (files) => (file === undefined ? modelFiles(id, files) : [oneFile(id, file, files)]),
      optional: file === undefined ? optional : [],
      serves: file === undefined ? isWhole : ({ folder }) => existsSync(join(folder, file)),
    },
  );

/** What PEFT saves of an adapter; its tokenizer, if it brings one, is the base model's. */
export const fetchAdapter = (
  hub: Hub,
  id: string,
  options: Omit<FetchOptions, 'choose' | 'optional' | 'serves'>,
): Promise<Fetched> =>
  fetchSnapshot(
    hub,
    { kind: 'model', id },
    {
      ...options,
      choose(files) {
        const paths = files.map(({ path }) => path);
        const wanted = ['adapter_config.json', 'adapter_model.safetensors'];
        const lacking = wanted.find((path) => !paths.includes(path));
        if (lacking === undefined) return wanted;
        const help = 'name a repository with an adapter that PEFT saved as SafeTensors';
        throw noModelFiles({ kind: 'model', id }, `as an adapter it lacks ${lacking}`, help);
      },
    },
  );

function oneFile(id: string, file: string, files: readonly HubFile[]): string {
  const paths = files.map(({ path }) => path);
  if (paths.includes(file)) return file;
  const known = paths.filter((path) => path.endsWith('.gguf'));
  throw hubFileNotFound({ kind: 'model', id }, file, didYouMean(file, known));
}

/** Config, tokenizer and SafeTensors; of the weights one form only. Where there are none, the one GGUF. */
export function modelFiles(id: string, files: readonly HubFile[]): string[] {
  const paths = files.map(({ path }) => path).sort();
  const atRoot = paths.filter((path) => !path.includes('/'));
  const has = (path: string): boolean => atRoot.includes(path);
  const weights = weightFiles(atRoot);
  if (weights.length > 0 && has('config.json')) {
    const others = ['config.json', ...optional].filter(has);
    return [...others, ...(has(indexName) ? [indexName] : []), ...weights];
  }
  const ggufs = paths.filter((path) => path.endsWith('.gguf'));
  if (ggufs.length === 1) return ggufs;
  const what = { kind: 'model', id } as const;
  if (ggufs.length > 1) {
    const shown = ggufs.slice(0, 8).join(', ');
    throw noModelFiles(
      what,
      `it has ${ggufs.length} GGUF files`,
      `name one, as \`${id}/${ggufs[0]}\`: ${shown}`,
    );
  }
  if (has('adapter_config.json'))
    throw noModelFiles(
      what,
      'it is an adapter',
      'name it in `adapter_name_or_path`, and its base model in `model_name_or_path`',
    );
  const old = atRoot.find((path) => /\.(bin|pth|pt|h5|msgpack|onnx)$/.test(path));
  throw noModelFiles(
    what,
    old === undefined
      ? 'it has no config.json with SafeTensors weights, and no GGUF file'
      : `its weights are in ${old} only, a form that can run code when it is read`,
    'take a repository with *.safetensors files, or a revision of this one that has them (often `refs/pr/1`, in `model_revision`)',
  );
}

/** `model.safetensors` or its shards; else all that lie there. `consolidated.safetensors` and its like repeat them. */
function weightFiles(atRoot: readonly string[]): string[] {
  const all = atRoot.filter(
    (path) => path.endsWith('.safetensors') && !path.startsWith('adapter_'),
  );
  const own = all.filter((path) => /^model(-\d+-of-\d+)?\.safetensors$/.test(path));
  return own.length > 0 ? own : all;
}

/** Whether a folder that another program filled holds a whole model: Python fetches file by file. */
function isWhole({ folder }: Snapshot, paths: readonly string[]): boolean {
  if (paths.includes(indexName)) {
    const index = readJson(join(folder, indexName));
    const map = isJsonObject(index) ? index.weight_map : undefined;
    if (!isJsonObject(map ?? null)) return false;
    const shards = Object.values(map as Record<string, unknown>);
    if (!shards.every((shard) => typeof shard === 'string' && paths.includes(shard))) return false;
  } else if (!paths.some((path) => path.endsWith('.safetensors'))) {
    return paths.some((path) => path.endsWith('.gguf'));
  }
  const hasTokenizer = ['tokenizer.json', 'tokenizer.model'].some((name) => paths.includes(name));
  return paths.includes('config.json') && hasTokenizer;
}
