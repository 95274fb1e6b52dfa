/** @file The tokens `<0x00>` … `<0xFF>`, which stand for bytes of characters that a vocabulary lacks. */

export const byteTokens: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
);

const bytes: ReadonlyMap<string, number> = new Map(byteTokens.map((token, byte) => [token, byte]));

/** The byte that a token stands for, as the library reads it: hexadecimal digits of either case. */
export const byteOfToken = (token: string): number | undefined =>
  token.length === 6 && token.startsWith('<0x')
    ? bytes.get(`<0x${token.slice(3).toUpperCase()}`)
    : undefined;

/** The id of every byte's token, -1 where there is none. */
export const byteIds = (model: ReadonlyMap<string, number>): Int32Array =>
  Int32Array.from(byteTokens, (token) => model.get(token) ?? -1);
