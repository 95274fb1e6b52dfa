/** @file What was timed of this machine, kept in the cache: a training's own steps, or an estimate's short trial. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../files/atomic.ts';
import { digestOf } from '../files/digest.ts';
import { tuneryCache } from '../files/hub-cache.ts';
import { cpuName, instructionSet, threads } from '../native/machine.ts';
import { CostModel } from './cost-model.ts';

const Kept = z.object({
  facts: z.object({ peak: z.number(), bandwidth: z.number(), callSeconds: z.number() }),
  rates: z.record(
    z.string(),
    z.object({ flops: z.number(), bytes: z.number(), seconds: z.number() }),
  ),
});

const path = (): string =>
  join(
    tuneryCache(),
    'rates',
    `${digestOf(cpuName(), instructionSet(), String(threads())).slice(0, 16)}.json`,
  );

/** Undefined where nothing is known of this machine with this number of threads. */
export function readRates(): CostModel | undefined {
  try {
    return CostModel.of(Kept.parse(JSON.parse(readFileSync(path(), 'utf8'))));
  } catch {
    return undefined;
  }
}

/** Newer rates take the place of older ones of the same name; a cache that cannot be written is no fault. */
export function keepRates(model: CostModel): void {
  const { facts, rates } = model.kept;
  const before = readRates()?.kept.rates;
  try {
    mkdirSync(join(tuneryCache(), 'rates'), { recursive: true });
    writeFileAtomic(path(), `${JSON.stringify({ facts, rates: { ...before, ...rates } })}\n`);
  } catch {
    // The next run measures anew.
  }
}
