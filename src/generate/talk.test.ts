import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { greedy } from './sampling.ts';
import type { Session } from './session.ts';
import { longestReply, type Reply, type ReplyRequest, reply } from './talk.ts';

const tokenizer = byteTokenizer();
const end = tokenizer.eos?.id ?? -1;

/** Says what it is told to, byte by byte, and knows when it is broken off. */
function parrot(text: string, stop = false) {
  const said: number[] = [];
  let broken = true;
  const ids = [...Buffer.from(text), ...(stop ? [end] : [])];
  const session: Session = {
    about: { model: 'parrot', adapters: [], dtype: 'f32', context_length: null },
    async *generate() {
      try {
        for (const id of ids) {
          said.push(id);
          yield { sequence: 0, id };
        }
        broken = false;
        return [{ ids: Int32Array.from(ids), reason: stop ? 'stop' : 'length', reused: 3 }];
      } finally {
        said.push(-1);
      }
    },
    score: async () => [],
    close: async () => {},
  };
  return { session, said, broken: () => broken };
}

const request = (changes: Partial<ReplyRequest> = {}): ReplyRequest => ({
  ids: Int32Array.of(1),
  sampling: greedy,
  seed: 0,
  max_new_tokens: 100,
  stop_ids: [end],
  skip_special_tokens: true,
  ...changes,
});

async function collect(session: Session, changes: Partial<ReplyRequest> = {}) {
  const pieces: string[] = [];
  const all = reply({ session, tokenizer }, request(changes));
  for (;;) {
    const { done, value } = await all.next();
    if (done) return { pieces, result: value satisfies Reply };
    pieces.push(value);
  }
}

describe('a reply', () => {
  test('comes in whole characters, without its stop token', async () => {
    const { pieces, result } = await collect(parrot('Tuna 🐟!', true).session);
    expect(pieces).toEqual(['T', 'u', 'n', 'a', ' ', '🐟', '!']);
    expect(result).toEqual({ text: 'Tuna 🐟!', reason: 'stop', tokens: 11, reused: 3 });
  });

  test('shows special tokens where they are asked for', async () => {
    const { result } = await collect(parrot('Hi', true).session, { skip_special_tokens: false });
    expect(result.text).toBe('Hi<|im_end|>');
  });

  test('tells of a character that was cut off', async () => {
    const cut = parrot('');
    const session: Session = {
      ...cut.session,
      async *generate() {
        yield { sequence: 0, id: 0xf0 };
        return [{ ids: Int32Array.of(0xf0), reason: 'length', reused: 0 }];
      },
    };
    expect((await collect(session)).result.text).toBe('\uFFFD');
  });

  test('ends before a stop text, of which nothing comes out', async () => {
    const said = parrot('one two END three');
    const { pieces, result } = await collect(said.session, { stop: ['END', 'never'] });
    expect(pieces.join('')).toBe('one two ');
    expect(result).toMatchObject({ text: 'one two ', reason: 'stop', tokens: 11 });
    // The session was told, and generated nothing more.
    expect(said.said.length).toBe(12);
    expect(said.broken()).toBe(true);
  });

  test('gives out what only looked like a stop text', async () => {
    const { pieces, result } = await collect(parrot('an EN END-less ENENEND').session, {
      stop: ['ENEND'],
    });
    expect(result.text).toBe('an EN END-less EN');
    expect(pieces.join('')).toBe(result.text);
    const open = await collect(parrot('it ends in EN').session, { stop: ['END'] });
    expect(open.result).toMatchObject({ text: 'it ends in EN', reason: 'length' });
    expect(open.pieces.join('')).toBe('it ends in EN');
  });

  test('breaking it off ends the session’s work', async () => {
    const said = parrot('a long text');
    for await (const _ of reply({ session: said.session, tokenizer }, request())) break;
    expect(said.said).toEqual([97, -1]);
  });
});

test('`max_new_tokens` counts, unless it leaves it to `max_length`', () => {
  expect(longestReply({ max_new_tokens: 50, max_length: 10 }, 40)).toBe(50);
  expect(longestReply({ max_new_tokens: 0, max_length: 100 }, 40)).toBe(60);
  expect(longestReply({ max_new_tokens: -1, max_length: 100 }, 400)).toBe(1);
});
