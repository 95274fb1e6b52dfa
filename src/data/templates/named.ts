/** @file A named template with a tokenizer: pieces tokenized one by one, prompts and replies in pairs. */
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { type ChatTemplate, concat, fixedDate, formatDate } from '../chat-template.ts';
import { missingToken } from '../errors.ts';
import { isReply } from '../example.ts';
import type { Turn } from '../labels.ts';
import { type Conversation, type Piece, renderPieces } from './render.ts';
import type { NamedTemplate } from './template.ts';

/** What a named template asks of a tokenizer. */
export type PieceTokenizer = Pick<Tokenizer, 'encode' | 'idOf' | 'bos' | 'eos'>;

export type NamedOptions = {
  /** Takes the place of the template's own. */
  readonly defaultSystem?: string | undefined;
  readonly today?: string;
};

/** The token that ends a reply: the template's first stop word where it says so, else the tokenizer's own. */
export function stopTokenOf(template: NamedTemplate, eosToken: string | undefined): string {
  const word = template.replaceEos ? template.stopWords[0] : undefined;
  return word ?? eosToken ?? '<|endoftext|>';
}

export function namedTemplate(
  declared: NamedTemplate,
  tokenizer: PieceTokenizer,
  options: NamedOptions = {},
): ChatTemplate {
  const template = { ...declared, defaultSystem: options.defaultSystem ?? declared.defaultSystem };
  const today = options.today ?? formatDate(fixedDate);
  const { name } = template;

  const idOf = (token: string, why: string): number => {
    const id = tokenizer.idOf(token);
    if (id === undefined) throw missingToken(name, token, why);
    return id;
  };
  const eosToken = stopTokenOf(template, tokenizer.eos?.token);
  const eosId = idOf(eosToken, 'replies end with it');
  // Stop words beyond the one that is taught: those that the vocabulary lacks can never be generated.
  const others = template.stopWords.flatMap((word) => tokenizer.idOf(word) ?? []);

  const encodePiece = (piece: Piece): Int32Array => {
    if (typeof piece === 'string')
      return piece === '' ? new Int32Array(0) : tokenizer.encode(piece);
    if ('token' in piece) return Int32Array.of(idOf(piece.token, 'it stands in every turn'));
    if ('eos' in piece) return Int32Array.of(eosId);
    return tokenizer.bos ? Int32Array.of(tokenizer.bos.id) : new Int32Array(0);
  };
  const encodeAll = (pieces: readonly Piece[]): Int32Array => concat(pieces.map(encodePiece));
  const textOf = (piece: Piece): string => {
    if (typeof piece === 'string') return piece;
    if ('token' in piece) return piece.token;
    return 'eos' in piece ? eosToken : (tokenizer.bos?.token ?? '');
  };

  /** The prompt of the next reply: all messages before it. */
  const promptPieces = (conversation: Conversation): readonly Piece[] =>
    renderPieces(template, conversation, today).flat();

  return {
    name,
    identity: JSON.stringify({ template, today, eosToken }),
    stopIds: [...new Set([eosId, ...others])],
    efficientEos: template.efficientEos ? eosId : undefined,

    encode(conversation) {
      const pieces = renderPieces(template, conversation, today);
      const turns: Turn[] = [];
      for (let i = 0; i + 1 < pieces.length; i += 2) {
        const target = encodeAll(pieces[i + 1]);
        turns.push({ source: encodeAll(pieces[i]), target, learned: target.length });
      }
      // A prompt without its reply, as preference data has it, is a source alone.
      if (pieces.length % 2 === 1 && !isReply(conversation.messages[pieces.length - 1].role)) {
        const source = encodeAll(pieces[pieces.length - 1]);
        turns.push({ source, target: new Int32Array(0), learned: 0 });
      }
      return turns;
    },
    prompt: (conversation) => encodeAll(promptPieces(conversation)),
    promptText: (conversation) => promptPieces(conversation).map(textOf).join(''),
  };
}
