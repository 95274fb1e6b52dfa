/** @file What tokenizer_config.json says beside a tokenizer's own file: roles, added tokens, what stands around a text. */
import * as z from 'zod';
import { type AddedToken, plainToken, withSpecialTokens } from './added-tokens.ts';
import { type Definition, type SpecialRole, specialRoles } from './definition.ts';
import { badTokenizer } from './errors.ts';

const flag = z.boolean().default(false);

export const Declared = z.object({
  content: z.string(),
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});
export type Declared = z.infer<typeof Declared>;

/** A special token of tokenizer_config.json: its text, or the token with its flags. */
const Named = z
  .union([z.string(), z.looseObject({ content: z.string() })])
  .transform((token) => (typeof token === 'string' ? token : token.content));

export const TokenizerConfig = z.looseObject({
  bos_token: Named.nullish(),
  eos_token: Named.nullish(),
  pad_token: Named.nullish(),
  unk_token: Named.nullish(),
  additional_special_tokens: z.array(Named).nullish(),
  extra_special_tokens: z.union([z.array(Named), z.record(z.string(), Named)]).nullish(),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  legacy: z.boolean().nullish(),
  tokenizer_class: z.string().nullish(),
  added_tokens_decoder: z.record(z.string(), Declared).nullish(),
});
export type TokenizerConfig = z.infer<typeof TokenizerConfig>;

export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badTokenizer(file, undefined, error instanceof Error ? error.message : String(error));
  }
}

export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  file: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw badShape(parsed.error, file);
  return parsed.data;
}

export function badShape(error: z.ZodError, file: string): Error {
  const [issue] = error.issues;
  return badTokenizer(file, issue.path.join('.') || undefined, issue.message);
}

/** The config and the value that it was read from; an empty one where there is no file. */
export function readConfig(
  text: string | undefined,
  file: string,
): { readonly config: TokenizerConfig; readonly raw: Readonly<Record<string, unknown>> } {
  const value = text === undefined ? {} : parseJson(text, file);
  return {
    config: check(TokenizerConfig, value, file),
    raw: check(z.record(z.string(), z.unknown()), value, file),
  };
}

/** bos, eos and pad, where a token of that text exists. */
export function rolesOf(
  config: TokenizerConfig,
  added: readonly AddedToken[],
  ids: ReadonlyMap<string, number>,
): Definition['special'] {
  const names = new Set(added.map(({ content }) => content));
  const special: Partial<Record<SpecialRole, string>> = {};
  for (const role of specialRoles) {
    const token = config[`${role}_token`];
    if (typeof token === 'string' && (names.has(token) || ids.has(token))) special[role] = token;
  }
  return special;
}

/** The tokens that the files add: those of tokenizer.json first, then the config's. */
export function readAdded(
  listed: readonly Declared[],
  config: TokenizerConfig,
  ids: ReadonlyMap<string, number>,
): readonly AddedToken[] {
  const byContent = new Map<string, AddedToken>();
  let next = 0;
  for (const id of ids.values()) next = Math.max(next, id + 1);
  // As in the library, the vocabulary has the first word on an id, and the order of the list has the last; the ids
  // that the file writes beside them only repeat that.
  const add = (token: Declared): void => {
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
