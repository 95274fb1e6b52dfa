/** @file Pieces of a named template to ids, with the special tokens that the template asks of a tokenizer. */
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { concat } from '../chat-template.ts';
import { missingToken } from '../errors.ts';
import type { Piece } from './render.ts';
import type { NamedTemplate } from './template.ts';
import { emptyThought } from './thoughts.ts';

/** What a named template asks of a tokenizer. */
export type PieceTokenizer = Pick<Tokenizer, 'encode' | 'idOf' | 'bos' | 'eos'>;

export type PieceEncoder = {
  /** The token that ends a reply. */
  readonly eosToken: string;
  readonly eosId: number;
  /** All ids at which a reply ends, `eosId` first. */
  readonly stopIds: readonly number[];
  encode(pieces: readonly Piece[]): Int32Array;
  text(pieces: readonly Piece[]): string;
};

/** The token that ends a reply: the template's first stop word where it says so, else the tokenizer's own. */
export function stopTokenOf(template: NamedTemplate, eosToken: string | undefined): string {
  const word = template.replaceEos ? template.stopWords[0] : undefined;
  return word ?? eosToken ?? '<|endoftext|>';
}

export function pieceEncoder(template: NamedTemplate, tokenizer: PieceTokenizer): PieceEncoder {
  const idOf = (token: string, why: string): number => {
    const id = tokenizer.idOf(token);
    if (id === undefined) throw missingToken(template.name, token, why);
    return id;
  };
  const eosToken = stopTokenOf(template, tokenizer.eos?.token);
  const eosId = idOf(eosToken, 'replies end with it');
  // Stop words beyond the one that is taught: those that the vocabulary lacks can never be generated.
  const others = template.stopWords.flatMap((word) => tokenizer.idOf(word) ?? []);

  const encodeText = constantsOnce(template, (text) => tokenizer.encode(text));
  const encodePiece = (piece: Piece): Int32Array => {
    if (typeof piece === 'string') return encodeText(piece);
    if ('token' in piece) return Int32Array.of(idOf(piece.token, 'it stands in every turn'));
    if ('eos' in piece) return Int32Array.of(eosId);
    return 'bos' in piece && tokenizer.bos ? Int32Array.of(tokenizer.bos.id) : none;
  };
  const textOf = (piece: Piece): string => {
    if (typeof piece === 'string') return piece;
    if ('token' in piece) return piece.token;
    if ('eos' in piece) return eosToken;
    return 'bos' in piece ? (tokenizer.bos?.token ?? '') : '';
  };
  return {
    eosToken,
    eosId,
    stopIds: [...new Set([eosId, ...others])],
    encode: (pieces) => concat(pieces.map(encodePiece)),
    text: (pieces) => pieces.map(textOf).join(''),
  };
}

const none = new Int32Array(0);

/**
 * Tokenizes once what a template always writes alike. Only slots without `{{content}}` are so: what stands
 * around it is tokenized with it.
 */
function constantsOnce(
  template: NamedTemplate,
  encode: (text: string) => Int32Array,
): (text: string) => Int32Array {
  const { prefix, system, user, assistant, observation, function: calls } = template;
  const slots = [...prefix, ...system, ...user, ...assistant, ...observation, ...calls];
  const texts = slots.filter((slot) => typeof slot === 'string');
  const constants = new Set(
    [emptyThought(template), ...texts].filter((text) => !text.includes('{{')),
  );
  const known = new Map<string, Int32Array>([['', none]]);
  // Most texts are told from the constants by their length, without the cost of hashing them.
  const lengths = new Set([0, ...[...constants].map(({ length }) => length)]);
  return (text) => {
    if (!lengths.has(text.length)) return encode(text);
    const before = known.get(text);
    if (before) return before;
    const ids = encode(text);
    if (constants.has(text)) known.set(text, ids);
    return ids;
  };
}
