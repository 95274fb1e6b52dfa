/** @file Reads tokenizer.json (with tokenizer_config.json beside it), as Hugging Face's `tokenizers` writes it. */
import * as z from 'zod';
import type { Definition } from './definition.ts';
import { badTokenizer, unsupportedModel } from './errors.ts';
import { llamaParts } from './llama-class.ts';
import { type Merges, readMerges } from './merges.ts';
import { Part } from './normalizers.ts';
import { spaceMark } from './sentencepiece-normalizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import {
  badShape,
  check,
  Declared,
  parseJson,
  readAdded,
  readConfig,
  rolesOf,
} from './tokenizer-config.ts';

const Added = Declared.extend({ id: z.int().nonnegative() });

const optionalPart = Part.nullish().transform((part) => part ?? undefined);

const TokenizerJson = z.looseObject({
  added_tokens: z.array(Added).nullish(),
  normalizer: optionalPart,
  pre_tokenizer: optionalPart,
  post_processor: optionalPart,
  decoder: optionalPart,
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.unknown().optional(),
    merges: z.unknown().optional(),
    unk_token: z.string().nullish(),
    unk_id: z.int().nonnegative().nullish(),
    fuse_unk: z.boolean().nullish(),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
});

export type JsonNames = {
  /** What errors call the files. */
  readonly file?: string;
  readonly configFile?: string;
  /** `model_type` of config.json: some models' files name a wrong class, and are known by it. */
  readonly modelType?: string | undefined;
};

/** The tokenizer of a tokenizer.json; the config names bos, eos and pad. Both are the texts of the files. */
export function tokenizerFromJson(
  tokenizerJson: string,
  tokenizerConfig?: string,
  { file = 'tokenizer.json', configFile = 'tokenizer_config.json', modelType }: JsonNames = {},
): Tokenizer {
  const json = parse(TokenizerJson, tokenizerJson, file);
  const { config, raw } = readConfig(tokenizerConfig, configFile);
  const { model } = json;
  const kind = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : 'BPE');
  if (kind !== 'BPE' && kind !== 'Unigram') throw unsupportedModel(file, kind);
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    throw unsupportedModel(file, 'BPE with word prefixes or suffixes (WordPiece, CLIP)');
  }

  const read = kind === 'BPE' ? readVocabulary(model.vocab, file) : readScored(model.vocab, file);
  const { tokens, ids, scores } = read;
  const added = readAdded(json.added_tokens ?? [], config, ids);
  const special = rolesOf(config, added, ids);
  const definition: Definition = {
    file,
    tokens,
    model: scores
      ? {
          type: 'unigram',
          scores,
          unknown: model.unk_id ?? undefined,
          byteFallback: model.byte_fallback ?? false,
        }
      : {
          type: 'bpe',
          ...mergesOf(model.merges, read, file),
          ignoreMerges: model.ignore_merges ?? false,
          unknown: model.unk_token ?? undefined,
          fuseUnknown: model.fuse_unk ?? false,
          byteFallback: model.byte_fallback ?? false,
        },
    normalizer: json.normalizer,
    preTokenizer: json.pre_tokenizer,
    postProcessor: json.post_processor,
    decoder: json.decoder,
    added,
    special,
    ...(isMarked(json) && llamaParts(config, modelType)),
    source: { tokenizerJson, config: raw },
  };
  try {
    return createTokenizer(definition, ids);
  } catch (error) {
    throw error instanceof z.ZodError ? badShape(error, file) : error;
  }
}

/** Whether it marks spaces, as the tokenizers that `LlamaTokenizer` is for; others name that class by mistake. */
function isMarked({ model, normalizer, pre_tokenizer }: z.infer<typeof TokenizerJson>): boolean {
  const marks = JSON.stringify([normalizer, pre_tokenizer]).includes(spaceMark);
  return model.byte_fallback === true && marks;
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
): z.infer<Schema> {
  return check(schema, parseJson(text, file), file);
}

type Read = {
  readonly tokens: (string | undefined)[];
  readonly ids: ReadonlyMap<string, number>;
  /** Of Unigram. */
  readonly scores?: Float64Array;
};

/** A list of tokens, each with its score. */
function readScored(vocab: unknown, file: string): Read {
  if (!Array.isArray(vocab) || vocab.length === 0) {
    throw badTokenizer(file, 'model.vocab', 'the vocabulary is not a list of tokens and scores');
  }
  const ids = new Map<string, number>();
  const scores = new Float64Array(vocab.length);
  for (const [id, entry] of vocab.entries()) {
    const [token, score]: readonly unknown[] = Array.isArray(entry) ? entry : [];
    if (typeof token !== 'string' || typeof score !== 'number') {
      throw badTokenizer(
        file,
        `model.vocab[${id}]`,
        `${JSON.stringify(entry)} is no token with a score`,
      );
    }
    ids.set(token, id);
    scores[id] = score;
  }
  return { tokens: vocab.map(([token]) => token), ids, scores };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readVocabulary(vocab: unknown, file: string): Read {
  if (!isRecord(vocab)) {
    throw badTokenizer(file, 'model.vocab', 'the vocabulary is not an object of tokens and ids');
  }
  const names = Object.keys(vocab);
  // Ids may have holes, but a vocabulary of ten tokens has no id of a billion.
  const limit = 2 * names.length + 100_000;
  const ids = new Map<string, number>();
  const tokens: (string | undefined)[] = [];
  for (const token of names) {
    const id = vocab[token];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > limit) {
      throw badTokenizer(
        file,
        'model.vocab',
        `token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}`,
      );
    }
    ids.set(token, id);
    tokens[id] = token;
  }
  return { tokens: Array.from(tokens), ids };
}

function mergesOf(merges: unknown, { tokens, ids }: Read, file: string): Merges {
  if (!Array.isArray(merges)) {
    throw badTokenizer(file, 'model.merges', 'there is no list of merges');
  }
  const bad = (i: number, what: string) => badTokenizer(file, `model.merges[${i}]`, what);
  /** A pair, or in older files one text with a space. */
  const pairOf = (i: number): readonly [string, string] | undefined => {
    const merge: unknown = merges[i];
    if (typeof merge === 'string' && merge.startsWith('#version')) return undefined;
    if (typeof merge === 'string') {
      const space = merge.indexOf(' ');
      if (space >= 0 && merge.indexOf(' ', space + 1) < 0) {
        return [merge.slice(0, space), merge.slice(space + 1)];
      }
    }
    const sides: unknown = merge;
    const [left, right] = Array.isArray(sides) && sides.length === 2 ? sides : [];
    if (typeof left !== 'string' || typeof right !== 'string') {
      throw bad(i, `${JSON.stringify(merge)} is no pair`);
    }
    return [left, right];
  };
  return readMerges(merges.length, pairOf, tokens, ids, bad);
}
