/** @file Reads a SentencePiece model (`tokenizer.model`, `spiece.model`): the protocol buffer `ModelProto` of sentencepiece_model.proto. */
import { badTokenizer } from './errors.ts';

export type SentencePieceFile = {
  readonly pieces: readonly Piece[];
  readonly kind: 'unigram' | 'bpe';
  readonly unknownId: number;
  /** -1 where the model has none. */
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly byteFallback: boolean;
  readonly whitespaceAsSuffix: boolean;
  readonly normalizer: {
    readonly charsmap: Uint8Array;
    readonly addDummyPrefix: boolean;
    readonly removeExtraWhitespaces: boolean;
    readonly escapeWhitespaces: boolean;
  };
};

export type Piece = { readonly text: string; readonly score: number; readonly type: PieceType };

/** `SentencePiece.Type`; GGUF's `token_type` has the same numbers. */
export const pieceTypes = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;
export type PieceType = number;

/** The values of one message by field number: numbers of varints, bytes of all else. */
type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

class BadWire extends Error {}

function readMessage(bytes: Uint8Array): Fields {
  const fields = new Map<number, (number | Uint8Array)[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 63) throw new BadWire('it is cut off');
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new BadWire('it is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    const value =
      wire === 0
        ? varint()
        : wire === 1
          ? take(8)
          : wire === 2
            ? take(varint())
            : wire === 5
              ? take(4)
              : undefined;
    if (value === undefined || field === 0) throw new BadWire('it is no SentencePiece model');
    const known = fields.get(field);
    if (known) known.push(value);
    else fields.set(field, [value]);
  }
  return fields;
}

const none = new Uint8Array(0);
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function numberOf(fields: Fields, field: number, otherwise: number): number {
  const value = fields.get(field)?.at(-1);
  // Negative numbers are written in 64 bits.
  return typeof value === 'number' ? (value > 2 ** 62 ? -1 : value) : otherwise;
}

function bytesOf(fields: Fields, field: number): Uint8Array {
  const value = fields.get(field)?.at(-1);
  return value instanceof Uint8Array ? value : none;
}

function floatOf(fields: Fields, field: number): number {
  const bytes = bytesOf(fields, field);
  return bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true) : 0;
}

/** Numbers of the fields that are read, as the .proto file has them. */
const model = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const piece = { text: 1, score: 2, type: 3 } as const;
const trainer = {
  kind: 3,
  whitespaceAsSuffix: 24,
  byteFallback: 35,
  unknownId: 40,
  bosId: 41,
  eosId: 42,
  padId: 43,
} as const;
const normalizer = { charsmap: 2, addDummyPrefix: 3, removeExtra: 4, escape: 5 } as const;

/** `model_type`: words and characters alone are kinds that no language model uses. */
const modelKinds: Readonly<Record<number, SentencePieceFile['kind']>> = { 1: 'unigram', 2: 'bpe' };

export function readSentencePiece(bytes: Uint8Array, file: string): SentencePieceFile {
  const bad = (what: string): Error => badTokenizer(file, undefined, what);
  try {
    const root = readMessage(bytes);
    const pieces = (root.get(model.pieces) ?? []).map((entry): Piece => {
      const fields = readMessage(entry instanceof Uint8Array ? entry : none);
      return {
        text: utf8.decode(bytesOf(fields, piece.text)),
        score: floatOf(fields, piece.score),
        type: numberOf(fields, piece.type, pieceTypes.normal),
      };
    });
    if (pieces.length === 0) throw bad('it is no SentencePiece model: there are no pieces');
    const training = readMessage(bytesOf(root, model.trainer));
    const normal = readMessage(bytesOf(root, model.normalizer));
    const kind = modelKinds[numberOf(training, trainer.kind, 1)];
    if (kind === undefined) throw bad('its model is neither Unigram nor BPE');
    return {
      pieces,
      kind,
      unknownId: numberOf(training, trainer.unknownId, 0),
      bosId: numberOf(training, trainer.bosId, 1),
      eosId: numberOf(training, trainer.eosId, 2),
      padId: numberOf(training, trainer.padId, -1),
      byteFallback: numberOf(training, trainer.byteFallback, 0) !== 0,
      whitespaceAsSuffix: numberOf(training, trainer.whitespaceAsSuffix, 0) !== 0,
      normalizer: {
        charsmap: bytesOf(normal, normalizer.charsmap),
        addDummyPrefix: numberOf(normal, normalizer.addDummyPrefix, 1) !== 0,
        removeExtraWhitespaces: numberOf(normal, normalizer.removeExtra, 1) !== 0,
        escapeWhitespaces: numberOf(normal, normalizer.escape, 1) !== 0,
      },
    };
  } catch (error) {
    throw error instanceof BadWire ? bad(error.message) : error;
  }
}
