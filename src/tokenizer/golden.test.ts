import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readTokenizerFixture } from '../../tests/golden/tokenizer-fixture.ts';
import { tokenizerFromGguf } from './from-gguf.ts';
import { tokenizerFromJson } from './from-json.ts';
import type { Tokenizer } from './tokenizer.ts';

const golden = new URL('../../tests/golden/tokenizer/', import.meta.url);
const unzip = (name: string): string =>
  gunzipSync(readFileSync(new URL(name, golden))).toString('utf8');

const Golden = z.object({
  listed: z.array(z.string()),
  drawn: z.array(z.string()),
  listed_ids: z.record(z.string(), z.array(z.array(z.int()))),
  drawn_digests: z.record(z.string(), z.array(z.string())),
});
const { listed, drawn, listed_ids, drawn_digests } = Golden.parse(JSON.parse(unzip('ids.json.gz')));

type Case = {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** The tokenizer.json that the Rust library reads. */
  readonly json: string;
};

function smollm2(): Case {
  const { tokens, merges, json } = readTokenizerFixture('smollm2');
  const control = z.array(z.looseObject({ id: z.int() })).parse(json['added_tokens']);
  const types = new Int32Array(tokens.length).fill(1);
  for (const { id } of control) types[id] = 3;
  const metadata = new Map<string, unknown>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'smollm'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', merges.map((pair) => pair.join(' '))],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
    ['tokenizer.ggml.padding_token_id', 2],
    ['tokenizer.ggml.add_bos_token', false],
  ]);
  return { name: 'smollm2', tokenizer: tokenizerFromGguf(metadata), json: JSON.stringify(json) };
}

function qwen3(): Case {
  const fixture = readTokenizerFixture('qwen3');
  const json = JSON.stringify(fixture.json);
  const tokenizer = tokenizerFromJson(json, JSON.stringify(fixture.config));
  return { name: 'qwen3', tokenizer, json };
}

function llama3Kind(): Case {
  const json = unzip('llama3-kind.json.gz');
  return { name: 'llama3-kind', tokenizer: tokenizerFromJson(json), json };
}

/** Its license does not let its vocabulary stand here: TUNERY_LLAMA3_TOKENIZER is the path of its tokenizer.json. */
function llama3(): Case | undefined {
  const path = process.env['TUNERY_LLAMA3_TOKENIZER'];
  if (path === undefined) return undefined;
  const json = readFileSync(path, 'utf8');
  return { name: 'llama3', tokenizer: tokenizerFromJson(json), json };
}

const digest = (ids: Int32Array): string =>
  createHash('sha256').update(new Uint8Array(ids.buffer)).digest('hex').slice(0, 12);

/** UTF-16 position of every code point, as the library counts in code points. */
function positions(text: string): number[] {
  const all: number[] = [];
  let at = 0;
  for (const char of text) {
    all.push(at);
    at += char.length;
  }
  return [...all, at];
}

const cases = [smollm2(), qwen3(), llama3Kind(), llama3()].filter((one) => one !== undefined);

describe.each(cases)('$name', ({ name, tokenizer, json }) => {
  const strings = [...listed, ...drawn];
  const rust = RustTokenizer.fromString(json);

  test('ids of the listed strings', () => {
    for (const [i, text] of listed.entries()) {
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(listed_ids[name][i]);
    }
  });

  test(`ids of ${drawn.length} strings drawn from all of Unicode`, () => {
    expect(drawn.length).toBeGreaterThanOrEqual(2000);
    for (const [i, text] of drawn.entries()) {
      expect(digest(tokenizer.encode(text)), JSON.stringify(text)).toBe(drawn_digests[name][i]);
    }
  });

  test('the library beside us gives the same ids and text', async () => {
    for (const text of strings) {
      const encoding = await rust.encode(text.toWellFormed(), null, { addSpecialTokens: false });
      const ids = encoding.getIds();
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(await rust.decode(ids, false));
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(await rust.decode(ids, true));
    }
  });

  test('bytes cut anywhere decode as the library decodes them, at once and as a stream', async () => {
    let state = 7;
    for (let n = 0; n < 300; n++) {
      const ids = Array.from({ length: 12 }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        // Half of them single bytes, so that halves of characters meet.
        return (state >>> 8) % (state & 1 ? 300 : tokenizer.vocabSize);
      });
      const text = await rust.decode(ids, false);
      expect(tokenizer.decode(ids)).toBe(text);
      const stream = tokenizer.streamDecoder();
      const parts = ids.map((id) => stream.push(id));
      for (const part of parts) expect(part.isWellFormed()).toBe(true);
      expect(parts.join('') + stream.end()).toBe(text);
    }
  });

  test('offsets are the library’s where every byte has a token and nothing was normalized', async () => {
    const plain = json.replaceAll('"trim_offsets":true', '"trim_offsets":false');
    const untrimmed = RustTokenizer.fromString(plain);
    let compared = 0;
    for (const text of strings) {
      const { ids, starts, ends } = tokenizer.encodeWithOffsets(text);
      expect(ids).toEqual(tokenizer.encode(text));
      const given = text.toWellFormed();
      if (tokenizer.decode(ids) !== given) continue;
      compared++;
      const encoding = await untrimmed.encode(given, null, { addSpecialTokens: false });
      const units = positions(given);
      expect([...starts].map((start, i) => [start, ends[i]])).toEqual(
        encoding.getOffsets().map(([start, end]) => [units[start], units[end]]),
      );
    }
    expect(compared).toBeGreaterThan(strings.length / 4);
  });

  test('offsets cover the whole text in order, also where it was normalized', () => {
    if (name === 'smollm2') return;
    for (const text of strings) {
      const { starts, ends } = tokenizer.encodeWithOffsets(text);
      let reached = 0;
      for (const [i, start] of starts.entries()) {
        expect(start).toBeLessThanOrEqual(reached);
        expect(ends[i]).toBeGreaterThan(start);
        reached = Math.max(reached, ends[i]);
      }
      expect(reached).toBe(text.length);
    }
  });

  test('special tokens can be left as text', async () => {
    const text = '<|im_start|>a<|im_end|><|eot_id|> <|endoftext|>';
    const ids = [...tokenizer.encode(text, { parseSpecial: false })];
    expect(ids.some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(tokenizer.decode(ids)).toBe(text);
  });

  test('what the post-processor adds comes only when asked for', async () => {
    const encoding = await rust.encode('Hi', null, { addSpecialTokens: true });
    expect([...tokenizer.encode('Hi', { addSpecialTokens: true })]).toEqual(encoding.getIds());
    const { ids, starts, ends } = tokenizer.encodeWithOffsets('Hi', { addSpecialTokens: true });
    expect([...ids]).toEqual(encoding.getIds());
    expect([starts[0], ends.at(-1)]).toEqual([0, 2]);
  });
});

test('SmolLM2 splits digits one by one, and its turn ends with <|im_end|>', () => {
  const { tokenizer } = cases[0];
  expect([...tokenizer.encode('a   5 b')]).toEqual([81, 333, 37, 278]);
  expect(tokenizer.eos).toEqual({ id: 2, token: '<|im_end|>' });
  expect(tokenizer.pad?.id).toBe(2);
});

test('LLaMA 3’s kind takes whole words that no merge makes', () => {
  const { tokenizer } = cases[2];
  expect([...tokenizer.encode(' unreachable')]).toEqual([tokenizer.idOf('Ġunreachable')]);
});
