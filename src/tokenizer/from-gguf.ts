/** @file Reads the tokenizer that a GGUF file carries in its metadata (`tokenizer.ggml.*`). */
import { type AddedToken, plainToken } from './added-tokens.ts';
import { byteLevelDecoder } from './decoders.ts';
import type { Definition, SpecialRole } from './definition.ts';
import { badTokenizer, unknownPre, unsupportedModel } from './errors.ts';
import { ggufKinds } from './gguf-kinds.ts';
import { readMerges } from './merges.ts';
import { around } from './post-processors.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** Metadata by key, as `files/gguf.ts` reads it; arrays may be typed ones. */
export type GgufMetadata = { readonly get: (key: string) => unknown };

/** Values of `tokenizer.ggml.token_type`. */
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

export function tokenizerFromGguf(metadata: GgufMetadata, file = 'model.gguf'): Tokenizer {
  const key = (name: string): string => `tokenizer.ggml.${name}`;
  const bad = (name: string, what: string): Error => badTokenizer(file, key(name), what);

  const strings = (name: string): readonly string[] => {
    const list = arrayOf(metadata.get(key(name)));
    if (list === undefined || list.length === 0) throw bad(name, 'it is missing or empty');
    return list.map((value, i) => {
      if (typeof value !== 'string') throw bad(`${name}[${i}]`, 'it is no text');
      return value;
    });
  };

  const model = metadata.get(key('model'));
  if (model === undefined) throw bad('model', 'the file carries no tokenizer');
  if (model !== 'gpt2') throw unsupportedModel(file, ggufModels[String(model)] ?? `\`${model}\``);
  const pre = metadata.get(key('pre')) ?? 'default';
  const kind =
    typeof pre === 'string' && Object.hasOwn(ggufKinds, pre) ? ggufKinds[pre] : undefined;
  if (kind === undefined) throw unknownPre(file, String(pre), Object.keys(ggufKinds));

  const texts = strings('tokens');
  const types = arrayOf(metadata.get(key('token_type')))?.map(Number) ?? [];
  if (types.length > 0 && types.length !== texts.length) {
    throw bad('token_type', `${types.length} types for ${texts.length} tokens`);
  }
  // Converters fill the vocabulary up to the embedding's rows with such names; no text may become one.
  const padding = (id: number): boolean => types[id] === UNUSED && /^\[PAD\d+\]$/.test(texts[id]);
  const tokens = texts.map((text, id) => (padding(id) ? undefined : text));
  while (tokens.length > 0 && tokens.at(-1) === undefined) tokens.pop();
  const ids = new Map<string, number>();
  for (const [id, text] of tokens.entries()) if (text !== undefined) ids.set(text, id);
  const added: AddedToken[] = [];
  for (const [id, text] of tokens.entries()) {
    if (text === undefined || text === '') continue;
    if (types[id] !== CONTROL && types[id] !== USER_DEFINED) continue;
    added.push({ ...plainToken(id, text), special: types[id] === CONTROL });
  }

  const merges = strings('merges');
  const badMerge = (i: number, what: string): Error => bad(`merges[${i}]`, what);
  const pairOf = (i: number): readonly [string, string] => {
    // A token may begin with a space of its own.
    const space = merges[i].indexOf(' ', 1);
    if (space < 0) throw badMerge(i, `${JSON.stringify(merges[i])} is no pair`);
    return [merges[i].slice(0, space), merges[i].slice(space + 1)];
  };
  const special: Partial<Record<SpecialRole, string>> = {};
  const roleKeys = { bos: 'bos_token_id', eos: 'eos_token_id', pad: 'padding_token_id' } as const;
  for (const role of ['bos', 'eos', 'pad'] as const) {
    const id = metadata.get(key(roleKeys[role]));
    if (id === undefined) continue;
    const text = texts[Number(id)];
    if (text === undefined) throw bad(roleKeys[role], `there is no token ${id}`);
    special[role] = text;
  }

  const addBos = metadata.get(key('add_bos_token')) ?? kind.addBos ?? false;
  const addEos = metadata.get(key('add_eos_token')) ?? false;
  const definition: Definition = {
    file,
    tokens,
    model: {
      type: 'bpe',
      ...readMerges(merges.length, pairOf, tokens, ids, badMerge),
      ignoreMerges: kind.ignoreMerges ?? false,
      // Bytes that the vocabulary lacks are left out, as llama.cpp and the models' own tokenizer.json do.
      unknown: undefined,
      fuseUnknown: false,
      byteFallback: false,
    },
    normalizer: kind.normalizer,
    preTokenizer: kind.preTokenizer,
    postProcessor: around(
      addBos ? special.bos : undefined,
      addEos ? special.eos : undefined,
      (token) => ids.get(token),
    ),
    decoder: byteLevelDecoder,
    added,
    special,
  };
  return createTokenizer(definition);
}

const ggufModels: Readonly<Record<string, string>> = {
  llama: 'SentencePiece (`llama`)',
  bert: 'WordPiece (`bert`)',
  t5: 'Unigram (`t5`)',
  rwkv: 'RWKV (`rwkv`)',
};

/** A plain array of whatever kind of list the reader gives. */
function arrayOf(value: unknown): unknown[] | undefined {
  const iterable = typeof value === 'object' && value !== null && Symbol.iterator in value;
  return iterable ? Array.from(value as Iterable<unknown>) : undefined;
}
