/**
 * @file The tokenizer of a SentencePiece model: of a `tokenizer.model` without a tokenizer.json beside it, and of a GGUF
 * that carries one.
 *
 * Ids are SentencePiece's own, with two exceptions that transformers makes too: control tokens that are spelled out in a
 * text are found, and where tokenizer_config.json names `LlamaTokenizer` the text is prepared as that class does it.
 */
import type { BpeModel, Definition, SpecialRole, UnigramModel } from './definition.ts';
import { badTokenizer, unsupportedModel } from './errors.ts';
import type { JsonNames } from './from-json.ts';
import { llamaParts, spaceDecoder } from './llama-class.ts';
import { around } from './post-processors.ts';
import { pieceTypes, readSentencePiece, type SentencePieceFile } from './sentencepiece-file.ts';
import type { SentencePieceNormalizer } from './sentencepiece-normalizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { type Declared, readAdded, readConfig, rolesOf } from './tokenizer-config.ts';

/** Classes of transformers that number the pieces anew: with their `tokenizer.model` alone the ids would be wrong. */
const renumbering: ReadonlySet<string> = new Set([
  ...['XLMRobertaTokenizer', 'CamembertTokenizer', 'BarthezTokenizer', 'MBartTokenizer'],
  ...[
    'MBart50Tokenizer',
    'NllbTokenizer',
    'PegasusTokenizer',
    'XGLMTokenizer',
    'DebertaV2Tokenizer',
  ],
]);

/** A text that lost its outer spaces began with none: whatever spaces there are go. */
const EVERY = 1 << 20;

/** `bytes` is the file, `tokenizerConfig` the text of tokenizer_config.json. */
export function tokenizerFromSentencePiece(
  bytes: Uint8Array,
  tokenizerConfig?: string,
  { file = 'tokenizer.model', configFile = 'tokenizer_config.json', modelType }: JsonNames = {},
): Tokenizer {
  const model = readSentencePiece(bytes, file);
  const { config } = readConfig(tokenizerConfig, configFile);
  const named = config.tokenizer_class?.replace(/Fast$/, '');
  if (named !== undefined && renumbering.has(named)) {
    throw unsupportedModel(file, `\`${named}\` without a tokenizer.json`);
  }
  const ids = idsOf(model);
  const llama = model.kind === 'bpe' ? llamaParts(config, modelType) : undefined;
  const added = readAdded(declaredOf(model, llama !== undefined), config, ids);
  const special = { ...ownRoles(model), ...rolesOf(config, added, ids) };
  const idOf = (token: string): number | undefined =>
    added.find(({ content }) => content === token)?.id ?? ids.get(token);
  const base = sentencePieceDefinition(model, file);
  return createTokenizer({
    ...base,
    ...(llama && { ...llama, model: mergesById(model, ids) }),
    // Beside a tokenizer.json, which says itself what stands around a text, transformers leaves these two unread.
    postProcessor: around(
      config.add_bos_token ? special.bos : undefined,
      config.add_eos_token ? special.eos : undefined,
      idOf,
    ),
    added,
    special,
  });
}

/** What SentencePiece itself does with the model; control tokens are the only added ones. */
export function sentencePieceDefinition(model: SentencePieceFile, file: string): Definition {
  const ids = idsOf(model);
  const { addDummyPrefix, charsmap, removeExtraWhitespaces, escapeWhitespaces } = model.normalizer;
  const normalizer: SentencePieceNormalizer = {
    type: 'SentencePiece',
    precompiled_charsmap: Buffer.from(charsmap).toString('base64'),
    add_dummy_prefix: addDummyPrefix,
    remove_extra_whitespaces: removeExtraWhitespaces,
    escape_whitespaces: escapeWhitespaces,
    treat_whitespace_as_suffix: model.whitespaceAsSuffix,
    user_defined: userDefined(model).map((id) => model.pieces[id].text),
  };
  return {
    file,
    tokens: model.pieces.map(({ text }) => text),
    model: model.kind === 'bpe' ? mergesByScore(model, ids, file) : unigram(model),
    normalizer,
    preTokenizer: undefined,
    postProcessor: undefined,
    decoder: spaceDecoder(removeExtraWhitespaces ? EVERY : addDummyPrefix ? 1 : 0),
    added: readAdded(declaredOf(model, false), {}, ids),
    special: ownRoles(model),
  };
}

const idsOf = ({ pieces }: SentencePieceFile): ReadonlyMap<string, number> =>
  new Map(pieces.map(({ text }, id) => [text, id]));

const userDefined = ({ pieces }: SentencePieceFile): readonly number[] =>
  [...pieces.keys()].filter((id) => pieces[id].type === pieceTypes.userDefined);

function declaredOf({ pieces }: SentencePieceFile, withUserDefined: boolean): readonly Declared[] {
  return pieces
    .filter(
      ({ type }) =>
        type === pieceTypes.control || (withUserDefined && type === pieceTypes.userDefined),
    )
    .map(({ text, type }) => ({
      content: text,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: type === pieceTypes.control,
    }));
}

function ownRoles({ pieces, bosId, eosId, padId }: SentencePieceFile): Definition['special'] {
  const roles: readonly (readonly [SpecialRole, number])[] = [
    ['bos', bosId],
    ['eos', eosId],
    ['pad', padId],
  ];
  return Object.fromEntries(
    roles.flatMap(([role, id]) => (pieces[id] === undefined ? [] : [[role, pieces[id].text]])),
  );
}

/** What a text may become: all but the unknown piece, control pieces and bytes. */
const isPlain = (type: number): boolean =>
  type === pieceTypes.normal || type === pieceTypes.userDefined || type === pieceTypes.unused;

type Merge = {
  readonly left: number;
  readonly right: number;
  readonly result: number;
  /** In code points. */
  readonly leftLength: number;
  readonly rightLength: number;
};

/** Every way in which two pieces make a third. */
function mergesOf(
  { pieces }: SentencePieceFile,
  ids: ReadonlyMap<string, number>,
  allowed: (type: number) => boolean,
): Merge[] {
  const merges: Merge[] = [];
  for (const [result, { text, type }] of pieces.entries()) {
    if (!allowed(type)) continue;
    const length = [...text].length;
    let leftLength = 0;
    let at = 0;
    for (const char of text) {
      leftLength++;
      at += char.length;
      if (at === text.length) break;
      const [left, right] = [ids.get(text.slice(0, at)), ids.get(text.slice(at))];
      if (left === undefined || right === undefined) continue;
      if (!allowed(pieces[left].type) || !allowed(pieces[right].type)) continue;
      merges.push({ left, right, result, leftLength, rightLength: length - leftLength });
    }
  }
  return merges;
}

function bpeOf(
  merges: readonly Merge[],
  rest: Omit<BpeModel, 'type' | 'merges' | 'mergeResults'>,
): BpeModel {
  return {
    type: 'bpe',
    merges: Int32Array.from(merges.flatMap(({ left, right }) => [left, right])),
    mergeResults: Int32Array.from(merges, ({ result }) => result),
    ...rest,
  };
}

/** As SentencePiece: the pair whose piece has the highest score merges first, the leftmost of equals. */
function mergesByScore(
  model: SentencePieceFile,
  ids: ReadonlyMap<string, number>,
  file: string,
): BpeModel {
  const { pieces, unknownId } = model;
  const score = ({ result }: Merge): number => pieces[result].score;
  const merges = mergesOf(model, ids, isPlain).sort(
    (a, b) => score(b) - score(a) || b.leftLength - a.leftLength || b.rightLength - a.rightLength,
  );
  let rank = -1;
  const ranks = Int32Array.from(merges, (merge, i) =>
    i > 0 && score(merge) === score(merges[i - 1]) ? rank : ++rank,
  );
  const frozen = userDefined(model);
  const unknown = pieces[unknownId]?.text;
  if (unknown === undefined) throw badTokenizer(file, 'unk_id', 'it has no unknown piece');
  return bpeOf(merges, {
    ranks,
    ignoreMerges: false,
    unknown,
    fuseUnknown: true,
    byteFallback: model.byteFallback,
    ...(frozen.length > 0 && { frozen }),
  });
}

/** As transformers for `LlamaTokenizer`: by the ids of the pieces that are made. */
function mergesById(model: SentencePieceFile, ids: ReadonlyMap<string, number>): BpeModel {
  // Each piece's own pairs come by the ids of their sides, then all by id and length; the order of pieces is that of ids.
  const merges = mergesOf(model, ids, () => true).sort(
    (a, b) =>
      a.result - b.result ||
      a.leftLength - b.leftLength ||
      a.rightLength - b.rightLength ||
      a.left - b.left,
  );
  return bpeOf(merges, {
    ignoreMerges: false,
    unknown: undefined,
    fuseUnknown: true,
    byteFallback: true,
  });
}

function unigram(model: SentencePieceFile): UnigramModel {
  const { pieces, unknownId } = model;
  const reachable = (type: number): boolean => isPlain(type) && type !== pieceTypes.unused;
  return {
    type: 'unigram',
    scores: Float64Array.from(pieces, ({ score, type }) => (reachable(type) ? score : Number.NaN)),
    unknown: unknownId,
    byteFallback: model.byteFallback,
    userDefined: userDefined(model),
  };
}
