/** @file What splits one pre-token into ids: byte-level BPE, BPE over characters, Unigram. */

export type WordModel = {
  /**
   * Splits the pre-token `text[start … end)` and gives how many ids it has. They lie in `work` until the next call.
   */
  readonly tokenize: (text: string, start: number, end: number) => number;
  /** The same for a pre-token that is in byte characters already (byte level only). */
  readonly tokenizeBytes?: (chars: string) => number;
  readonly work: Work;
  /** Where a pre-token can be cut further without a change to its ids, so that its parts are found in the cache. */
  readonly cut?: (text: string, at: number, end: number) => number;
};

/** Replaced by larger ones when a longer pre-token comes. */
export type Work = {
  symbols: Int32Array;
  /** The byte of the pre-token's UTF-8 at which each symbol begins. */
  starts: Int32Array;
};

export const createWork = (): Work => ({
  symbols: new Int32Array(1 << 10),
  starts: new Int32Array(1 << 10),
});

/** Makes room for so many symbols; what was there is lost. */
export function reserve(work: Work, room: number): void {
  if (work.symbols.length >= room) return;
  work.symbols = new Int32Array(room);
  work.starts = new Int32Array(room);
}

/** Bytes of a code point in UTF-8. */
export const utf8Width = (code: number): number =>
  code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

/** Bytes of a range in UTF-8, where no surrogate is alone. */
export function utf8Length(text: string, start: number, end: number): number {
  let bytes = 0;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate is half of four bytes.
    bytes += unit >= 0xd800 && unit < 0xe000 ? 2 : utf8Width(unit);
  }
  return bytes;
}
