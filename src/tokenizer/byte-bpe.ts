/** @file Byte-level BPE: a pre-token's UTF-8 bytes, each a token of its own, merged (GPT-2, LLaMA 3, Qwen, SmolLM2). */
import { createBpe } from './bpe.ts';
import { byteChars, bytesOfChars, toByteChars } from './byte-level.ts';
import type { BpeModel } from './definition.ts';
import type { Vocabulary } from './vocabulary.ts';
import { createWork, reserve, type WordModel } from './word-model.ts';

const utf8 = new TextEncoder();

export function createByteBpe(settings: BpeModel, { model }: Vocabulary): WordModel {
  const { ignoreMerges, fuseUnknown } = settings;
  const bpe = createBpe(settings.merges, settings.mergeResults, settings.ranks);
  /** The symbol of each byte: its token, the unknown one, or -1. */
  const unknown = settings.unknown === undefined ? -1 : (model.get(settings.unknown) ?? -1);
  const symbolOf = Int32Array.from(byteChars, (char) => model.get(char) ?? unknown);
  const lacks = Uint8Array.from(byteChars, (char) => (model.has(char) ? 0 : 1));

  const work = createWork();
  let buffer = new Uint8Array(1 << 10);

  function room(bytes: number): void {
    reserve(work, bytes);
    if (buffer.length < bytes) buffer = new Uint8Array(bytes);
  }

  function whole(chars: string): boolean {
    const id = model.get(chars);
    if (id === undefined) return false;
    work.symbols[0] = id;
    work.starts[0] = 0;
    return true;
  }

  /** The bytes in `buffer` as symbols, merged. */
  function merge(length: number): number {
    const { symbols, starts } = work;
    let count = 0;
    let fused = false;
    for (let i = 0; i < length; i++) {
      const byte = buffer[i];
      const symbol = symbolOf[byte];
      if (symbol < 0) continue;
      const isUnknown = lacks[byte] === 1;
      if (isUnknown && fused && fuseUnknown) continue;
      fused = isUnknown;
      symbols[count] = symbol;
      starts[count++] = i;
    }
    return bpe.merge(symbols, starts, count);
  }

  return {
    work,
    tokenize(text, start, end) {
      const part = text.slice(start, end);
      if (ignoreMerges && whole(toByteChars(part))) return 1;
      room(part.length * 3);
      return merge(utf8.encodeInto(part, buffer).written);
    },
    tokenizeBytes(chars) {
      if (ignoreMerges && whole(chars)) return 1;
      room(chars.length);
      for (let i = 0; i < chars.length; i++) buffer[i] = bytesOfChars[chars.charCodeAt(i)];
      return merge(chars.length);
    },
  };
}
