/** @file Reads the tokenizer that a GGUF file carries in its metadata (`tokenizer.ggml.*`). */
import { type AddedToken, plainToken } from './added-tokens.ts';
import { byteLevelDecoder } from './decoders.ts';
import type { Definition, SpecialRole } from './definition.ts';
import { badTokenizer, unknownPre, unsupportedModel } from './errors.ts';
import { sentencePieceDefinition } from './from-sentencepiece.ts';
import { ggufKinds } from './gguf-kinds.ts';
import { readMerges } from './merges.ts';
import { around } from './post-processors.ts';
import { pieceTypes } from './sentencepiece-file.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** Metadata by key, as `files/gguf.ts` reads it; arrays may be typed ones. */
export type GgufMetadata = { readonly get: (key: string) => unknown };

const { control, userDefined, unused } = pieceTypes;

/** How a GGUF's metadata is asked, and how what it says wrongly is reported. */
type Reader = {
  readonly file: string;
  readonly get: (name: string) => unknown;
  readonly bad: (name: string, what: string) => Error;
  readonly strings: (name: string) => readonly string[];
  /** Numbers of one kind for every token; none where the file has no such list. */
  readonly numbers: (name: string, count: number) => readonly number[] | undefined;
};

function readerOf(metadata: GgufMetadata, file: string): Reader {
  const key = (name: string): string => `tokenizer.ggml.${name}`;
  const get = (name: string): unknown => metadata.get(key(name));
  const bad = (name: string, what: string): Error => badTokenizer(file, key(name), what);
  return {
    file,
    get,
    bad,
    strings(name) {
      const list = arrayOf(get(name));
      if (list === undefined || list.length === 0) throw bad(name, 'it is missing or empty');
      return list.map((value, i) => {
        if (typeof value !== 'string') throw bad(`${name}[${i}]`, 'it is no text');
        return value;
      });
    },
    numbers(name, count) {
      const list = arrayOf(get(name))?.map(Number);
      if (list === undefined || list.length === 0) return undefined;
      if (list.length !== count) throw bad(name, `${list.length} values for ${count} tokens`);
      return list;
    },
  };
}

export function tokenizerFromGguf(metadata: GgufMetadata, file = 'model.gguf'): Tokenizer {
  const reader = readerOf(metadata, file);
  const model = reader.get('model');
  if (model === undefined) throw reader.bad('model', 'the file carries no tokenizer');
  if (model === 'gpt2') return byteLevel(reader);
  if (model === 'llama' || model === 't5') return sentencePiece(reader, model);
  throw unsupportedModel(file, ggufModels[String(model)] ?? `\`${model}\``);
}

/** bos, eos and pad by their ids. */
function rolesOf({ get, bad }: Reader, texts: readonly string[]): Definition['special'] {
  const special: Partial<Record<SpecialRole, string>> = {};
  const roleKeys = { bos: 'bos_token_id', eos: 'eos_token_id', pad: 'padding_token_id' } as const;
  for (const role of ['bos', 'eos', 'pad'] as const) {
    const id = get(roleKeys[role]);
    if (id === undefined) continue;
    const text = texts[Number(id)];
    if (text === undefined) throw bad(roleKeys[role], `there is no token ${id}`);
    special[role] = text;
  }
  return special;
}

/** Pieces, scores and types of a SentencePiece model; what llama.cpp takes for granted where a key is missing. */
function sentencePiece(reader: Reader, model: 'llama' | 't5'): Tokenizer {
  const { file, get, bad, strings, numbers } = reader;
  const texts = strings('tokens');
  const scores = numbers('scores', texts.length);
  if (scores === undefined) throw bad('scores', 'it is missing or empty');
  const types = numbers('token_type', texts.length);
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = get(name);
    return typeof value === 'boolean' ? value : otherwise;
  };
  const charsmap = arrayOf(get('precompiled_charsmap'))?.map(Number) ?? [];
  const definition = sentencePieceDefinition(
    {
      pieces: texts.map((text, id) => ({
        text,
        score: scores[id],
        type: types?.[id] ?? pieceTypes.normal,
      })),
      kind: model === 'llama' ? 'bpe' : 'unigram',
      unknownId: Number(get('unknown_token_id') ?? (model === 'llama' ? 0 : 2)),
      ...{ bosId: -1, eosId: -1, padId: -1 },
      byteFallback: types?.includes(pieceTypes.byte) ?? false,
      whitespaceAsSuffix: false,
      normalizer: {
        charsmap: Uint8Array.from(charsmap),
        addDummyPrefix: flag('add_space_prefix', true),
        removeExtraWhitespaces: flag('remove_extra_whitespaces', false),
        escapeWhitespaces: true,
      },
    },
    file,
  );
  const special = rolesOf(reader, texts);
  const idOf = (token: string): number => texts.indexOf(token);
  return createTokenizer({
    ...definition,
    postProcessor: around(
      flag('add_bos_token', model === 'llama') ? special.bos : undefined,
      flag('add_eos_token', model === 't5') ? special.eos : undefined,
      idOf,
    ),
    special,
  });
}

function byteLevel(reader: Reader): Tokenizer {
  const { file, get, bad, strings, numbers } = reader;
  const pre = get('pre') ?? 'default';
  const kind =
    typeof pre === 'string' && Object.hasOwn(ggufKinds, pre) ? ggufKinds[pre] : undefined;
  if (kind === undefined) throw unknownPre(file, String(pre), Object.keys(ggufKinds));

  const texts = strings('tokens');
  const types = numbers('token_type', texts.length) ?? [];
  // Converters fill the vocabulary up to the embedding's rows with such names; no text may become one.
  const padding = (id: number): boolean => types[id] === unused && /^\[PAD\d+\]$/.test(texts[id]);
  const tokens = texts.map((text, id) => (padding(id) ? undefined : text));
  while (tokens.length > 0 && tokens.at(-1) === undefined) tokens.pop();
  const ids = new Map<string, number>();
  for (const [id, text] of tokens.entries()) if (text !== undefined) ids.set(text, id);
  const added: AddedToken[] = [];
  for (const [id, text] of tokens.entries()) {
    if (text === undefined || text === '') continue;
    if (types[id] !== control && types[id] !== userDefined) continue;
    added.push({ ...plainToken(id, text), special: types[id] === control });
  }

  const merges = strings('merges');
  const badMerge = (i: number, what: string): Error => bad(`merges[${i}]`, what);
  const pairOf = (i: number): readonly [string, string] => {
    // A token may begin with a space of its own.
    const space = merges[i].indexOf(' ', 1);
    if (space < 0) throw badMerge(i, `${JSON.stringify(merges[i])} is no pair`);
    return [merges[i].slice(0, space), merges[i].slice(space + 1)];
  };
  const special = rolesOf(reader, texts);

  const addBos = get('add_bos_token') ?? kind.addBos ?? false;
  const addEos = get('add_eos_token') ?? false;
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
  bert: 'WordPiece (`bert`)',
  rwkv: 'RWKV (`rwkv`)',
};

/** A plain array of whatever kind of list the reader gives. */
function arrayOf(value: unknown): unknown[] | undefined {
  const iterable = typeof value === 'object' && value !== null && Symbol.iterator in value;
  return iterable ? Array.from(value as Iterable<unknown>) : undefined;
}
