/**
 * @file Gzip (RFC 1952) and DEFLATE (RFC 1951) undone a block at a time. Node's own can be had for a whole file or
 * from the event loop only; row readers are synchronous, and a file of a few bytes may stand for gigabytes.
 */
import { crc32 } from 'node:zlib';
import type { Chunks } from './chunks.ts';
import { badGzip } from './errors.ts';

/** As far back as DEFLATE repeats. */
const windowBytes = 1 << 15;
const longestRepeat = 258;

// RFC 1951, section 3.2.5: what a length or distance symbol stands for, and how many bits follow it.
const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
];
const lengthBits = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const distanceBits = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** Section 3.2.7: the order in which the lengths of the code-length code come. */
const codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A prefix code: `table[next bits]` is the symbol · 16 + the code's length; 0 where no code begins so. */
type Code = { readonly table: Uint16Array; readonly bits: number };

function makeCode(lengths: Uint8Array, fail: (what: string) => never): Code {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  const next = new Uint16Array(16);
  let code = 0;
  let bits = 0;
  for (let length = 1; length < 16; length++) {
    code = (code + counts[length - 1]!) << 1;
    next[length] = code;
    if (counts[length]! > 0) bits = length;
    if (code + counts[length]! > 1 << length) fail('a code table claims too many codes');
  }
  const table = new Uint16Array(1 << bits);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    // Codes come with their first bit lowest.
    let reversed = 0;
    for (let i = 0, rest = next[length]!++; i < length; i++, rest >>= 1) {
      reversed = (reversed << 1) | (rest & 1);
    }
    const entry = symbol * 16 + length;
    for (let at = reversed; at < table.length; at += 1 << length) table[at] = entry;
  }
  return { table, bits };
}

const fixedLengths = new Uint8Array(288)
  .fill(8, 0, 144)
  .fill(9, 144, 256)
  .fill(7, 256, 280)
  .fill(8, 280);

/** The content of a gzip file, all of its members end to end, checked against their sums. */
export function* gunzip(path: string, chunks: Chunks, outBytes = 1 << 20): Chunks {
  const fail = (what: string): never => {
    throw badGzip(path, what);
  };
  let input: Buffer = Buffer.alloc(0);
  let at = 0;
  let hold = 0;
  let held = 0;

  const refill = (): boolean => {
    const next = chunks.next();
    if (next.done) return false;
    input = next.value;
    at = 0;
    return true;
  };
  const byte = (): number => {
    while (at >= input.length) if (!refill()) fail('it ends too early');
    return input[at++]!;
  };
  /** Up to 16 bits. */
  const take = (count: number): number => {
    while (held < count) {
      hold |= byte() << held;
      held += 8;
    }
    const value = hold & ((1 << count) - 1);
    hold >>>= count;
    held -= count;
    return value;
  };
  const align = (): void => {
    hold >>>= held & 7;
    held -= held & 7;
  };
  const atEnd = (): boolean => {
    if (held > 0) return false;
    while (at >= input.length) if (!refill()) return true;
    return false;
  };

  const out = Buffer.alloc(windowBytes + Math.max(outBytes, 4 * longestRepeat));
  /** What stands before it is the window, given out already. */
  let from = windowBytes;
  let to = windowBytes;
  let reach = 0;
  let sum = 0;
  let size = 0;
  const isFull = (): boolean => to > out.length - longestRepeat;
  const give = (): Buffer => {
    const piece = Buffer.from(out.subarray(from, to));
    sum = crc32(piece, sum);
    size = (size + piece.length) >>> 0;
    reach += piece.length;
    out.copyWithin(0, to - windowBytes, to);
    from = windowBytes;
    to = windowBytes;
    return piece;
  };

  /** One symbol of a code. */
  const symbol = ({ table, bits }: Code): number => {
    while (held < bits) {
      hold |= byte() << held;
      held += 8;
    }
    const entry = table[hold & ((1 << bits) - 1)]!;
    if (entry === 0) fail('a code stands for nothing');
    hold >>>= entry & 15;
    held -= entry & 15;
    return entry >> 4;
  };

  /** A repeat of what stands before, whose length symbol is `code`. */
  const repeat = (code: number, distances: Code): void => {
    if (code > 285) fail('a length has no meaning');
    const length = lengthBase[code - 257]! + take(lengthBits[code - 257]!);
    const near = symbol(distances);
    if (near > 29) fail('a distance has no meaning');
    const distance = distanceBase[near]! + take(distanceBits[near]!);
    if (distance > reach + (to - from)) fail('a repeat reaches back before the beginning');
    const end = to + length;
    let position = to;
    for (let source = to - distance; position < end; ) out[position++] = out[source++]!;
    to = end;
  };

  /** Symbols until the block's end (true) or until the buffer is full (false). */
  const inflate = (literals: Code, distances: Code): boolean => {
    const { table, bits } = literals;
    const mask = (1 << bits) - 1;
    while (!isFull()) {
      // Literals are the bulk: their loop keeps its state in variables of its own.
      const bytes = input;
      let near = at;
      let ahead = hold;
      let count = held;
      let position = to;
      const stop = out.length - longestRepeat;
      while (position < stop) {
        while (count < bits && near < bytes.length) {
          ahead |= bytes[near++]! << count;
          count += 8;
        }
        const entry = table[ahead & mask]!;
        if (count < bits || entry === 0 || entry >> 4 > 255) break;
        ahead >>>= entry & 15;
        count -= entry & 15;
        out[position++] = entry >> 4;
      }
      at = near;
      hold = ahead;
      held = count;
      to = position;
      if (position >= stop) return false;
      const code = symbol(literals);
      if (code === 256) return true;
      if (code < 256) out[to++] = code;
      else repeat(code, distances);
    }
    return false;
  };

  const readCodes = (): readonly [Code, Code] => {
    const literals = take(5) + 257;
    const distances = take(5) + 1;
    const count = take(4) + 4;
    const own = new Uint8Array(19);
    for (let i = 0; i < count; i++) own[codeOrder[i]!] = take(3);
    const code = makeCode(own, fail);
    const lengths = new Uint8Array(literals + distances);
    for (let i = 0; i < lengths.length; ) {
      const value = symbol(code);
      if (value < 16) {
        lengths[i++] = value;
        continue;
      }
      if (value === 16 && i === 0) fail('a length repeats nothing');
      const [repeated, times] =
        value === 16
          ? [lengths[i - 1]!, 3 + take(2)]
          : [0, value === 17 ? 3 + take(3) : 11 + take(7)];
      if (i + times > lengths.length) fail('a code table is too long');
      lengths.fill(repeated, i, i + times);
      i += times;
    }
    return [
      makeCode(lengths.subarray(0, literals), fail),
      makeCode(lengths.subarray(literals), fail),
    ];
  };

  const skipHeader = (): void => {
    if (take(8) !== 0x1f || take(8) !== 0x8b) fail('it does not begin as one does');
    if (take(8) !== 8) fail('it is compressed by an unknown method');
    const flags = take(8);
    for (let i = 0; i < 6; i++) take(8);
    if (flags & 4) for (let rest = take(16); rest > 0; rest--) take(8);
    for (const flag of [8, 16]) if (flags & flag) while (take(8) !== 0);
    if (flags & 2) take(16);
  };

  try {
    do {
      skipHeader();
      reach = 0;
      sum = 0;
      size = 0;
      for (let last = false; !last; ) {
        last = take(1) === 1;
        const kind = take(2);
        if (kind === 3) fail('a block is of no known kind');
        if (kind === 0) {
          align();
          let rest = take(16);
          if (take(16) !== (rest ^ 0xffff)) fail('the length of a block is broken');
          for (; rest > 0; rest--) {
            if (isFull()) yield give();
            out[to++] = take(8);
          }
          continue;
        }
        const [literals, distances] =
          kind === 2
            ? readCodes()
            : [makeCode(fixedLengths, fail), makeCode(new Uint8Array(30).fill(5), fail)];
        while (!inflate(literals, distances)) yield give();
      }
      if (to > from) yield give();
      align();
      const expected = (take(16) | (take(16) << 16)) >>> 0;
      if (expected !== sum) fail('its checksum is wrong');
      if ((take(16) | (take(16) << 16)) >>> 0 !== size) fail('its length is wrong');
    } while (!atEnd());
  } catch (error) {
    // What stands before the fault is sound as far as anyone can tell, and the rows in it may be read.
    if (to > from) yield give();
    throw error;
  } finally {
    chunks.return();
  }
}
