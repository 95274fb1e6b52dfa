/** @file The tokenizer of the vectors: a token for each byte, and one for each special token. */
import { Buffer } from 'node:buffer';
import type { PieceTokenizer } from '../../src/data/templates/piece-encoder.ts';
import type { NamedTemplate } from '../../src/data/templates/template.ts';
import type { JsonObject } from '../../src/files/json.ts';
import { textOf } from './vector.ts';

export type ByteTokenizer = PieceTokenizer & {
  decode(ids: Iterable<number>): string;
};

export function byteTokenizer(tokens: readonly string[], bos: string, eos: string): ByteTokenizer {
  const ids = new Map(tokens.map((token, i) => [token, 256 + i]));
  const special = (token: string) => ({ id: ids.get(token) ?? 0, token });
  return {
    encode: (text) => Int32Array.from(Buffer.from(text, 'utf8')),
    idOf: (token) => ids.get(token),
    bos: special(bos),
    eos: special(eos),
    decode(some) {
      const parts = [...some].map((id) =>
        id < 256 ? Buffer.of(id) : Buffer.from(tokens[id - 256] ?? ''),
      );
      return Buffer.concat(parts).toString('utf8');
    },
  };
}

/** The tokenizer of a vector before the template fixed it: its end of text was `<|eos|>` then. */
export function tokenizerOf(given: JsonObject, template: NamedTemplate): ByteTokenizer {
  const [bos, eos, pad] = [given.bos, given.eos, given.pad].map(textOf) as [string, string, string];
  const { prefix, system, user, assistant, observation, function: calls } = template;
  const slots = [...prefix, ...system, ...user, ...assistant, ...observation, ...calls];
  const named = slots.flatMap((slot) =>
    typeof slot !== 'string' && 'token' in slot ? [slot.token] : [],
  );
  const tokens = new Set([bos, eos, pad, '<|eos|>', ...template.stopWords, ...named]);
  return byteTokenizer([...tokens], bos, template.replaceEos ? '<|eos|>' : eos);
}
