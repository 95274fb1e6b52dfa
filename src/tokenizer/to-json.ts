/** @file A tokenizer as Hugging Face's files: tokenizer.json, tokenizer_config.json, special_tokens_map.json. */
import { type AddedToken, plainToken } from './added-tokens.ts';
import {
  type BpeModel,
  type Definition,
  type SpecialRole,
  specialRoles,
  type UnigramModel,
} from './definition.ts';
import type { Part } from './normalizers.ts';
import { SentencePieceNormalizer, spaceMark } from './sentencepiece-normalizer.ts';
import type { Tokenizer } from './tokenizer.ts';

export type TokenizerFileOptions = {
  /** The Jinja text; null leaves none, undefined what the files had. */
  readonly chatTemplate?: string | null | undefined;
  /** `max_position_embeddings` of the model. */
  readonly maxLength?: number | undefined;
};

/**
 * The files' texts by name. A tokenizer that came from files gives those again, changed only where its special tokens
 * or the template are others; one of a GGUF, or made in memory, is written anew. Both read back to the same ids.
 */
export function tokenizerTexts(
  tokenizer: Tokenizer,
  { chatTemplate, maxLength }: TokenizerFileOptions = {},
): Readonly<Record<string, string>> {
  const { definition } = tokenizer;
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const config = {
    ...(definition.source?.config ?? newConfig(definition, maxLength)),
    ...roles(definition),
  };
  if (chatTemplate !== undefined) {
    delete config['chat_template'];
    // In both places: programs of before 2025 read only the config, newer ones prefer the file.
    if (chatTemplate !== null) config['chat_template'] = chatTemplate;
  }
  return {
    'tokenizer.json': toTokenizerJson(definition),
    'tokenizer_config.json': json(config),
    'special_tokens_map.json': json(roles(definition)),
    ...(typeof chatTemplate === 'string' ? { 'chat_template.jinja': chatTemplate } : {}),
  };
}

/** `bos_token` and its kin; a role that the files give as a token with flags keeps it while the text is the same. */
function roles({ special, source }: Definition): Record<string, unknown> {
  const entry = (role: SpecialRole): [string, unknown][] => {
    const [key, text] = [`${role}_token`, special[role]];
    const before = source?.config[key];
    if (textOf(before) === text && before !== undefined) return [[key, before]];
    return text === undefined ? [] : [[key, text]];
  };
  return Object.fromEntries(specialRoles.flatMap(entry));
}

const textOf = (token: unknown): unknown =>
  typeof token === 'object' && token !== null && 'content' in token ? token.content : token;

const addedToken = ({ id: _, singleWord, ...flags }: AddedToken) => ({
  content: flags.content,
  single_word: singleWord,
  lstrip: flags.lstrip,
  rstrip: flags.rstrip,
  normalized: flags.normalized,
  special: flags.special,
});

function newConfig({ added }: Definition, maxLength: number | undefined): Record<string, unknown> {
  return {
    added_tokens_decoder: Object.fromEntries(added.map((token) => [token.id, addedToken(token)])),
    clean_up_tokenization_spaces: false,
    ...(maxLength === undefined ? {} : { model_max_length: maxLength }),
    // The class that takes tokenizer.json as it stands, whatever the model.
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

/** tokenizer.json, in the layout of `tokenizers` 0.20 and later. */
export function toTokenizerJson(given: Definition): string {
  const definition = given.normalizer?.type === 'SentencePiece' ? libraryParts(given) : given;
  const { tokens, added, source } = definition;
  const listed = added.map((token) => ({ id: token.id, ...addedToken(token) }));
  if (source) return withAdded(source.tokenizerJson, listed);
  return `${JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: listed,
    normalizer: definition.normalizer ?? null,
    pre_tokenizer: definition.preTokenizer ?? null,
    post_processor: definition.postProcessor ?? null,
    decoder: definition.decoder ?? null,
    model:
      definition.model.type === 'bpe'
        ? bpe(tokens, definition.model)
        : unigram(tokens, definition.model),
  })}\n`;
}

/**
 * SentencePiece's own way in parts of the library. The same but for rare cases: equal scores merge in another order, a
 * user-defined symbol gets a space behind it, and the character map is applied grapheme by grapheme.
 */
function libraryParts(definition: Definition): Definition {
  const settings = SentencePieceNormalizer.parse(definition.normalizer);
  const { model, tokens } = definition;
  const mark = settings.escape_whitespaces ? spaceMark : ' ';
  const replace = (pattern: object, content: string): Part => ({
    type: 'Replace',
    pattern,
    content,
  });
  const normalizers: Part[] = [];
  if (settings.precompiled_charsmap !== '') {
    const { precompiled_charsmap } = settings;
    normalizers.push({ type: 'Precompiled', precompiled_charsmap });
  }
  if (settings.remove_extra_whitespaces) {
    // The library's `Strip` would take other white space too.
    normalizers.push(replace({ Regex: '\\A +| +\\z' }, ''), replace({ Regex: ' {2,}' }, ' '));
  }
  if (settings.add_dummy_prefix) {
    normalizers.push(
      settings.treat_whitespace_as_suffix
        ? replace({ Regex: '(?<=[\\s\\S])\\z' }, mark)
        : { type: 'Prepend', prepend: mark },
    );
  }
  normalizers.push(replace({ String: ' ' }, mark));
  const symbols = (model.type === 'bpe' ? model.frozen : model.userDefined) ?? [];
  return {
    ...definition,
    normalizer: { type: 'Sequence', normalizers },
    added: [...definition.added, ...symbols.map((id) => plainToken(id, tokens[id]!))].sort(
      (a, b) => a.id - b.id,
    ),
  };
}

function bpe(tokens: Definition['tokens'], model: BpeModel): object {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: model.unknown ?? null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: model.fuseUnknown,
    byte_fallback: model.byteFallback,
    ignore_merges: model.ignoreMerges,
    vocab: Object.fromEntries(
      tokens.flatMap((token, id) => (token === undefined ? [] : [[token, id]])),
    ),
    merges: Array.from({ length: model.merges.length / 2 }, (_, i) => [
      tokens[model.merges[2 * i]],
      tokens[model.merges[2 * i + 1]],
    ]),
  };
}

function unigram(tokens: Definition['tokens'], model: UnigramModel): object {
  return {
    type: 'Unigram',
    unk_id: model.unknown ?? null,
    vocab: tokens.map((token, id) => [
      token,
      Number.isNaN(model.scores[id]) ? 0 : model.scores[id],
    ]),
    byte_fallback: model.byteFallback,
  };
}

type Listed = ReturnType<typeof addedToken> & { readonly id: number };

/** The file as it was where it lists the same tokens; else with its list of added tokens replaced. */
function withAdded(tokenizerJson: string, added: readonly Listed[]): string {
  const value: Record<string, unknown> & { added_tokens?: Listed[] | null } =
    JSON.parse(tokenizerJson);
  const known = new Map((value.added_tokens ?? []).map((token) => [token.content, token]));
  const same = added.every((token) => known.get(token.content)?.special === token.special);
  if (same) return tokenizerJson;
  return `${JSON.stringify({ ...value, added_tokens: added }, null, 2)}\n`;
}
