/** @file A maker of defective data files for tests: sound rows drawn by a seed, and among them one row for each defect. */

/** Numbers in [0, 1) by a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words =
  'river stone market winter letter garden bridge silver window basket copper island lantern harbor meadow pepper ribbon saddle timber velvet'.split(
    ' ',
  );

export type Layout = 'alpaca' | 'sharegpt' | 'openai' | 'ranking' | 'kto' | 'text';

/** Draws sound rows of a layout, no two alike. */
export function soundRows(layout: Layout, seed: number): () => string {
  const draw = random(seed);
  const pick = (): string => words[Math.floor(draw() * words.length)] ?? '';
  let count = 0;
  const ask = (): string =>
    `What can you tell me about the ${pick()} and the ${pick()} of house ${++count}?`;
  const say = (): string =>
    `The ${pick()} lies near the ${pick()}, and number ${count} is known for its ${pick()}. It has a ${pick()} in room ${count}.`;
  const rows: Readonly<Record<Layout, () => object>> = {
    alpaca: () => ({ instruction: ask(), input: '', output: say() }),
    sharegpt: () => ({
      conversations: [
        { from: 'human', value: ask() },
        { from: 'gpt', value: say() },
      ],
      tools: '',
    }),
    openai: () => ({
      messages: [
        { role: 'user', content: ask() },
        { role: 'assistant', content: say() },
      ],
    }),
    ranking: () => ({
      conversations: [{ from: 'human', value: ask() }],
      chosen: { from: 'gpt', value: say() },
      rejected: { from: 'gpt', value: `I know nothing of the ${pick()} in house ${count}.` },
    }),
    kto: () => ({
      messages: [
        { role: 'user', content: ask() },
        { role: 'assistant', content: say() },
      ],
      kto_tag: draw() < 0.5,
    }),
    text: () => ({ text: `${ask()} ${say()}` }),
  };
  return () => JSON.stringify(rows[layout]());
}

export type Defect = {
  readonly code: string;
  /** The row, as it stands in the file. */
  readonly row: string | Buffer;
  /** What of the row the finding's column must point at; the row's beginning if undefined. */
  readonly points?: string;
};

export type Planted = Defect & { readonly line: number };

/** A .jsonl file of sound rows with each defect at a line drawn by the seed. */
export function plant(
  layout: Layout,
  defects: readonly Defect[],
  seed: number,
  rows = 40,
): { readonly bytes: Buffer; readonly planted: readonly Planted[] } {
  const draw = random(seed + 1);
  const sound = soundRows(layout, seed);
  const lines: (string | Buffer | Defect)[] = Array.from({ length: rows }, sound);
  // Not at the very beginning: a duplicate needs the row that it repeats.
  for (const defect of defects)
    lines.splice(2 + Math.floor(draw() * (lines.length - 2)), 0, defect);
  const planted: Planted[] = [];
  const pieces = lines.flatMap((line, i) => {
    if (typeof line === 'string' || Buffer.isBuffer(line))
      return [Buffer.from(line), Buffer.from('\n')];
    planted.push({ ...line, line: i + 1 });
    return [Buffer.from(line.row), Buffer.from('\n')];
  });
  return { bytes: Buffer.concat(pieces), planted };
}
