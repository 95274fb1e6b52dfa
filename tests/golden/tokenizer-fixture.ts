/**
 * @file Whole vocabularies in a few hundred kB: merges as planes of ids under Brotli, from which the tokens follow.
 *
 * `node tests/golden/tokenizer-fixture.ts TOKENIZER.json OUT.br [TOKENIZER_CONFIG.json]` makes one. A line of JSON
 * (the file without vocabulary and merges; tokens that no merge makes), then bytes 0, 1 and 2 of all left ids, then of
 * all right ids.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { z } from 'zod';

const TokenizerJson = z.looseObject({
  model: z.looseObject({
    vocab: z.record(z.string(), z.int()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

const Header = z.object({
  json: z.looseObject({ model: z.looseObject({}) }),
  config: z.record(z.string(), z.unknown()).optional(),
  base: z.array(z.tuple([z.string(), z.int()])),
  merges: z.int(),
});

export type TokenizerFixture = {
  /** By id. */
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
  /** tokenizer.json with all its parts. */
  readonly json: Readonly<Record<string, unknown>> & { readonly model: object };
  readonly config: Readonly<Record<string, unknown>> | undefined;
};

export function packTokenizer(tokenizerJson: string, config?: string): Buffer {
  const { model, ...rest } = TokenizerJson.parse(JSON.parse(tokenizerJson));
  const { vocab, merges, ...settings } = model;
  const pairs = merges.map((merge) => (typeof merge === 'string' ? merge.split(' ') : merge));
  const made = new Set(pairs.map(([left, right]) => left + right));
  const results = [...made].map((token) => vocab[token]);
  if (made.size !== pairs.length || results.some((id, i) => i > 0 && id < results[i - 1])) {
    throw new Error('the ids do not follow from the order of the merges');
  }
  const header: z.infer<typeof Header> = {
    json: { ...rest, model: settings },
    ...(config === undefined ? {} : { config: JSON.parse(config) }),
    base: Object.entries(vocab).filter(([token]) => !made.has(token)),
    merges: pairs.length,
  };
  const planes = [0, 1].flatMap((side) =>
    [0, 8, 16].map((shift) => Buffer.from(pairs.map((pair) => (vocab[pair[side]] >> shift) & 255))),
  );
  return brotliCompressSync(
    Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...planes]),
    {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
    },
  );
}

export function unpackTokenizer(packed: Uint8Array): TokenizerFixture {
  const bytes = brotliDecompressSync(packed);
  const end = bytes.indexOf(10);
  const header = Header.parse(JSON.parse(bytes.toString('utf8', 0, end)));
  const count = header.merges;
  const side = (at: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const byte = (plane: number) => bytes[end + 1 + (3 * at + plane) * count + i];
      return byte(0) | (byte(1) << 8) | (byte(2) << 16);
    });
  const tokens: string[] = [];
  for (const [token, id] of header.base) tokens[id] = token;
  const [left, right] = [side(0), side(1)];
  const merges: (readonly [string, string])[] = [];
  let next = 0;
  for (let i = 0; i < count; i++) {
    while (tokens[next] !== undefined) next++;
    merges.push([tokens[left[i]], tokens[right[i]]]);
    tokens[next] = merges[i].join('');
  }
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const json = { ...header.json, model: { ...header.json.model, vocab, merges } };
  return { tokens, merges, json, config: header.config };
}

/** One of tests/fixtures/tokenizers. */
export const readTokenizerFixture = (name: 'smollm2' | 'qwen3'): TokenizerFixture =>
  unpackTokenizer(readFileSync(new URL(`../fixtures/tokenizers/${name}.br`, import.meta.url)));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [tokenizer, out, config] = process.argv.slice(2);
  const text = readFileSync(tokenizer, 'utf8');
  const packed = packTokenizer(text, config && readFileSync(config, 'utf8'));
  const again = TokenizerJson.parse(unpackTokenizer(packed).json);
  const given = TokenizerJson.parse(JSON.parse(text));
  for (const [token, id] of Object.entries(given.model.vocab)) {
    if (again.model.vocab[token] !== id) throw new Error(`token ${token} does not come back`);
  }
  writeFileSync(out, packed);
  console.log(`${out}: ${packed.length} bytes, ${given.model.merges.length} merges`);
}
