/** @file Decoding token by token: what is given out is always whole characters, and adds up to the text of all. */

export type StreamDecoder = {
  /** The characters that this token completes; often none, in the middle of an emoji. */
  readonly push: (id: number) => string;
  /** What is left, an unfinished character as U+FFFD. */
  readonly end: () => string;
};

/** Where every token is bytes. */
export function byteStream(bytesOf: (id: number) => Uint8Array | undefined): StreamDecoder {
  // Without ignoreBOM a U+FEFF at the start of the text would be lost.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push(id) {
      const bytes = bytesOf(id);
      return bytes === undefined ? '' : utf8.decode(bytes, { stream: true });
    },
    end: () => utf8.decode(),
  };
}

/** Where tokens are texts that a decoder puts together. */
export function tokenStream(
  tokenOf: (id: number) => string | undefined,
  { push, end }: { push: (token: string) => string; end: () => string },
): StreamDecoder {
  return {
    push(id) {
      const token = tokenOf(id);
      return token === undefined ? '' : push(token);
    },
    end,
  };
}
