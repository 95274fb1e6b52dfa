import { describe, expect, test } from 'vitest';
import { Memory } from '../engine/memory.ts';
import { Cache } from '../engine/nn/index.ts';
import { blockTokens } from './blocks.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';
import { Call, type Sequence } from './sequence.ts';

const prompt = (length: number, seed = 0): Int32Array =>
  Int32Array.from({ length }, (_, i) => seed * 1000 + i);

function setUp(changes: Partial<SchedulerOptions> = {}) {
  const options = { blocks: 100, sequences: 8, passTokens: 64, mixedTokens: 16, ...changes };
  const cache = new Cache(new Memory(), options.blocks * blockTokens);
  const scheduler = new Scheduler(cache, options);
  const newSequence = (call: Call, ids: Int32Array, reply = 10): Sequence => ({
    call,
    prompt: ids,
    reusable: ids.length - 1,
    most: ids.length + reply - 1,
    table: scheduler.newTable(),
    read: 0,
    reused: 0,
    promised: 0,
    work: { kind: 'score', ids, from: 1, into: new Float32Array(0) },
  });
  /** A call of so many sequences, each with a prompt of its own unless they are given. */
  const call = (prompts: readonly Int32Array[], reply?: number): Sequence[] => {
    const own = new Call(prompts.length);
    const sequences = prompts.map((ids) => newSequence(own, ids, reply));
    scheduler.add(own, sequences);
    return sequences;
  };
  /** Passes over prompts until all are read: the tokens of each pass, by sequence. */
  const readAll = (): Map<Sequence, number>[] => {
    const passes: Map<Sequence, number>[] = [];
    for (;;) {
      scheduler.admit();
      const reading = scheduler.reading();
      if (reading.length === 0) return passes;
      passes.push(new Map(reading.map(({ sequence, piece }) => [sequence, piece.ids.length])));
      for (const { sequence, piece } of reading) scheduler.wasRead(sequence, piece.ids.length);
    }
  };
  return { scheduler, call, readAll };
}

describe('sequences begin', () => {
  test('the call with the fewest under way first, however many the other brought', () => {
    const { scheduler, call } = setUp({ sequences: 4 });
    const many = call(Array.from({ length: 20 }, (_, i) => prompt(5, i)));
    const [one] = call([prompt(5, 50)]);
    scheduler.admit();
    expect(scheduler.active).toEqual([many[0], one, many[1], many[2]]);
    scheduler.end(one);
    scheduler.admit();
    expect(scheduler.active).toEqual([many[0], many[1], many[2], many[3]]);
  });

  test('with all blocks that they may need set aside, so that they never run out', () => {
    const { scheduler, call, readAll } = setUp({ blocks: 7 });
    // Three blocks each: two of them fit, and the third waits until one ends.
    const [a, b, c] = call([prompt(40, 1), prompt(40, 2), prompt(40, 3)], 40);
    readAll();
    expect(scheduler.active).toEqual([a, b]);
    for (let i = 0; i < 39; i++) for (const each of scheduler.decoding()) each.read++;
    expect(a.table.blocks.length + b.table.blocks.length).toBe(6);
    scheduler.admit();
    expect(scheduler.active).toEqual([a, b]);
    scheduler.end(a);
    readAll();
    expect(scheduler.active).toEqual([b, c]);
  });

  test('after the one that reads the same beginning, and then share its blocks', () => {
    const { call, readAll } = setUp();
    const shared = prompt(3 * blockTokens);
    const sequences = call([0, 1, 2].map((n) => Int32Array.from([...shared, 7000 + n, 1, 2])));
    const passes = readAll();
    expect(passes.map((pass) => [...pass.values()])).toEqual([[64], [35], [3, 3]]);
    expect(sequences.map(({ reused }) => reused)).toEqual([0, 96, 96]);
    const blocks = sequences.map(({ table }) => table.blocks);
    expect(blocks[1].slice(0, 3)).toEqual(blocks[0].slice(0, 3));
    expect(blocks[2].slice(0, 3)).toEqual(blocks[0].slice(0, 3));
    expect(new Set(blocks.map((own) => own[3])).size).toBe(3);
  });
});

test('a pass gives each prompt its share, and what short ones leave to the long ones', () => {
  const { scheduler, call, readAll } = setUp();
  const [long, short, longer] = call([prompt(100, 1), prompt(4, 2), prompt(300, 3)]);
  const passes = readAll();
  expect(passes[0]).toEqual(
    new Map([
      [short, 4],
      [long, 30],
      [longer, 30],
    ]),
  );
  // From now on somebody waits for a next token.
  expect([...passes[1].values()]).toEqual([8, 8]);
  expect(passes.slice(1).every((pass) => [...pass.values()].reduce((a, b) => a + b) <= 16)).toBe(
    true,
  );
  expect(scheduler.decoding()).toEqual([long, short, longer]);
});

test('what was read makes room for what comes, the oldest first', () => {
  const { scheduler, call, readAll } = setUp({ blocks: 6 });
  const read = (ids: Int32Array): Sequence => {
    const [sequence] = call([ids], 1);
    readAll();
    scheduler.end(sequence);
    return sequence;
  };
  read(prompt(64, 1));
  read(prompt(64, 2));
  expect(read(prompt(64, 1)).reused).toBe(63);
  read(prompt(128, 3));
  expect(read(prompt(64, 2)).reused).toBe(0);
});

test('one that ends gives everything back, wherever it stands', () => {
  const { scheduler, call, readAll } = setUp({ sequences: 1, blocks: 4 });
  const [a, b] = call([prompt(10, 1), prompt(10, 2)], 100);
  scheduler.admit();
  scheduler.reading();
  scheduler.end(a);
  scheduler.end(b);
  expect(scheduler.idle).toBe(true);
  const [c] = call([prompt(28, 4)], 100);
  readAll();
  for (let i = 0; i < 99; i++) for (const each of scheduler.decoding()) each.read++;
  expect(c.table.blocks.length).toBe(4);
});
