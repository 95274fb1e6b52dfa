/** @file Reads tokenizer.json (with tokenizer_config.json beside it), as Hugging Face's `tokenizers` writes it. */
import * as z from 'zod';
import { type AddedToken, plainToken, withSpecialTokens } from './added-tokens.ts';
import { type Definition, type SpecialRole, specialRoles } from './definition.ts';
import { badTokenizer, unsupportedModel } from './errors.ts';
import { type Merges, readMerges } from './merges.ts';
import { Part } from './normalizers.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const flag = z.boolean().default(false);

const Declared = z.object({
  content: z.string(),
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});
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
    vocab: z.unknown(),
    merges: z.unknown(),
    unk_token: z.string().nullish(),
    unk_id: z.int().nonnegative().nullish(),
    fuse_unk: z.boolean().nullish(),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
});

/** A special token of tokenizer_config.json: its text, or the token with its flags. */
const Named = z
  .union([z.string(), z.looseObject({ content: z.string() })])
  .transform((token) => (typeof token === 'string' ? token : token.content));

const TokenizerConfig = z.looseObject({
  bos_token: Named.nullish(),
  eos_token: Named.nullish(),
  pad_token: Named.nullish(),
  unk_token: Named.nullish(),
  additional_special_tokens: z.array(Named).nullish(),
  extra_special_tokens: z.union([z.array(Named), z.record(z.string(), Named)]).nullish(),
  added_tokens_decoder: z.record(z.string(), Declared).nullish(),
});
type TokenizerConfig = z.infer<typeof TokenizerConfig>;

export type JsonNames = {
  /** What errors call the files. */
  readonly file?: string;
  readonly configFile?: string;
};

/** The tokenizer of a tokenizer.json; the config names bos, eos and pad. Both are the texts of the files. */
export function tokenizerFromJson(
  tokenizerJson: string,
  tokenizerConfig?: string,
  { file = 'tokenizer.json', configFile = 'tokenizer_config.json' }: JsonNames = {},
): Tokenizer {
  const json = parse(TokenizerJson, tokenizerJson, file);
  const configValue = tokenizerConfig === undefined ? {} : parseJson(tokenizerConfig, configFile);
  const config = check(TokenizerConfig, configValue, configFile);
  const { model } = json;
  const kind = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : 'BPE');
  if (kind !== 'BPE' && kind !== 'Unigram') throw unsupportedModel(file, kind);
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    throw unsupportedModel(file, 'BPE with word prefixes or suffixes (WordPiece, CLIP)');
  }

  const read = kind === 'BPE' ? readVocabulary(model.vocab, file) : readScored(model.vocab, file);
  const { tokens, ids, scores } = read;
  const added = readAdded(json.added_tokens ?? [], config, ids);
  const names = new Set(added.map(({ content }) => content));
  const special: Partial<Record<SpecialRole, string>> = {};
  for (const role of specialRoles) {
    const token = config[`${role}_token`];
    if (typeof token === 'string' && (names.has(token) || ids.has(token))) special[role] = token;
  }

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
    source: { tokenizerJson, config: z.record(z.string(), z.unknown()).parse(configValue) },
  };
  try {
    return createTokenizer(definition, ids);
  } catch (error) {
    throw error instanceof z.ZodError ? badShape(error, file) : error;
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badTokenizer(file, undefined, error instanceof Error ? error.message : String(error));
  }
}

function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  file: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw badShape(parsed.error, file);
  return parsed.data;
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
): z.infer<Schema> {
  return check(schema, parseJson(text, file), file);
}

function badShape(error: z.ZodError, file: string): Error {
  const [issue] = error.issues;
  return badTokenizer(file, issue.path.join('.') || undefined, issue.message);
}

type Read = {
  readonly tokens: (string | undefined)[];
  readonly ids: ReadonlyMap<string, number>;
  /** Of Unigram. */
  readonly scores?: Float64Array;
};

/** A list of tokens, each with its score. */
function readScored(vocab: unknown, file: string): Read {
  const list = z.array(z.tuple([z.string(), z.number()])).safeParse(vocab);
  if (!list.success || list.data.length === 0) {
    throw badTokenizer(file, 'model.vocab', 'the vocabulary is not a list of tokens and scores');
  }
  return {
    tokens: list.data.map(([token]) => token),
    ids: new Map(list.data.map(([token], id) => [token, id])),
    scores: Float64Array.from(list.data, ([, score]) => score),
  };
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

function readAdded(
  listed: readonly z.infer<typeof Declared>[],
  config: TokenizerConfig,
  ids: ReadonlyMap<string, number>,
): readonly AddedToken[] {
  const byContent = new Map<string, AddedToken>();
  let next = 0;
  for (const id of ids.values()) next = Math.max(next, id + 1);
  // As in the library, the vocabulary has the first word on an id, and the order of the list has the last; the ids
  // that the file writes beside them only repeat that.
  const add = (token: z.infer<typeof Declared>): void => {
    if (token.content === '' || byContent.has(token.content)) return;
    byContent.set(token.content, {
      id: ids.get(token.content) ?? next++,
      content: token.content,
      singleWord: token.single_word,
      lstrip: token.lstrip,
      rstrip: token.rstrip,
      normalized: token.normalized,
      special: token.special,
    });
  };
  for (const token of listed) add(token);
  const declared = Object.entries(config.added_tokens_decoder ?? {});
  for (const [, token] of declared.sort(([a], [b]) => Number(a) - Number(b))) add(token);

  // transformers makes special whatever the config names so, with a new id where it has none.
  const extra = config.extra_special_tokens ?? [];
  const named = [
    config.bos_token,
    config.eos_token,
    config.unk_token,
    config.pad_token,
    ...(config.additional_special_tokens ?? []),
    ...(Array.isArray(extra) ? extra : Object.values(extra)),
  ].filter((token) => typeof token === 'string' && token !== '');
  for (const content of named) {
    if (content && !byContent.has(content) && !ids.has(content)) {
      byContent.set(content, { ...plainToken(next++, content), special: true });
    }
  }
  const idOf = (token: string): number | undefined => byContent.get(token)?.id ?? ids.get(token);
  const added = [...byContent.values()].sort((a, b) => a.id - b.id);
  return withSpecialTokens(
    added,
    named.filter((token) => token !== undefined && token !== null),
    idOf,
  );
}
