/**
 * @file `node scripts/draw-vectors.ts IN.jsonl OUT.jsonl.gz`: a tenth of a file of vectors, drawn by a seed, for
 * the tests. Of each template there is at least one conversation and its export, and all of every other kind.
 */
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { readVectors, textOf, type Vector } from '../tests/vectors/vector.ts';

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error('usage: node scripts/draw-vectors.ts IN.jsonl OUT.jsonl.gz');
  process.exit(2);
}

/** Mulberry32: the same draw everywhere. */
let state = 42;
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const all = readVectors(from);
const wanted = Math.ceil(all.length / 10);
const drawn = new Set<Vector>(all.filter(({ kind }) => kind !== 'encode'));
const left = all
  .filter(({ kind }) => kind === 'encode')
  .map((vector) => ({ vector, at: random() }));
left.sort((a, b) => a.at - b.at);
const seen = new Set<string>();
for (const { vector } of left) {
  if (seen.has(textOf(vector.template))) continue;
  seen.add(textOf(vector.template));
  drawn.add(vector);
}
for (const { vector } of left) if (drawn.size < wanted) drawn.add(vector);

const lines = all.filter((vector) => drawn.has(vector)).map((vector) => JSON.stringify(vector));
writeFileSync(to, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
console.log(`${drawn.size} of ${all.length} vectors, ${seen.size} templates`);
