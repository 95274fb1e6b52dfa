/** @file `npm run test:vectors -- FILE…`: LLaMA-Factory's vectors, plain or gzipped, against the templates and formats here. */
import { TuneryError } from '../src/core/errors.ts';
import { checkVector } from '../tests/vectors/check-vector.ts';
import { readVectors, type Vector } from '../tests/vectors/vector.ts';

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('which file? npm run test:vectors -- FILE.jsonl');
  process.exit(2);
}

/** So many failures are shown; the others are counted. */
const most = 40;

function read(file: string): readonly Vector[] {
  try {
    return readVectors(file);
  } catch (error) {
    const known = error instanceof TuneryError || (error instanceof Error && 'code' in error);
    if (!known) throw error;
    console.error(`${file} cannot be read: ${error.message}`);
    process.exit(2);
  }
}

let passed = 0;
let failed = 0;
for (const vector of files.flatMap(read)) {
  const difference = checkVector(vector);
  if (difference === undefined) passed++;
  else if (++failed <= most) console.log(`✗ ${vector.id}\n    ${difference}`);
}
if (failed > most) console.log(`… and ${failed - most} more`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
