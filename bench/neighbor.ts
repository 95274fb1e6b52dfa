/**
 * @file Which of many short measurements met no neighbor: on a rented machine the other thread of a core belongs to another
 * guest, whose work takes half of the instructions and shares the caches. Bursts that compute nothing, before and after
 * each measurement, see it.
 */
import { addon } from '../src/native/addon.ts';

/** A core with a neighbor takes in half of what it takes in alone; clocks differ by less than this. */
const alone = 0.85;

export type Sample = { readonly seconds: number; readonly slots: number };

let most = 0;

function probe(): number {
  const slots = addon()['slotsProbe']() as number;
  most = Math.max(most, slots);
  return slots;
}

/** Times some work of at most some milliseconds. */
export function sample(work: () => unknown): Sample {
  const before = probe();
  const start = performance.now();
  work();
  const seconds = (performance.now() - start) / 1000;
  return { seconds, slots: Math.min(before, probe()) };
}

/**
 * Whether all threads had their cores to themselves before and after, by the best burst of this process so far. Where not one
 * burst met none, the least disturbed pass for alone: `bestBurst` tells.
 */
export const isAlone = ({ slots }: Sample): boolean => slots >= alone * most;

/** The best burst so far, in instructions a nanosecond: as many as a core alone takes in at its clock, if one was alone. */
export const bestBurst = (): number => most;

/**
 * What multiply-adds of f32 in registers run at now, on average over `seconds`, in GFLOP/s: a neighbor that multiplies as
 * well takes part of the peak, and nothing that computes could have it.
 */
export function peakNow(seconds: number): number {
  const took: number[] = [];
  const end = performance.now() + 1000 * seconds;
  // Not the kernel: its calls are observed.
  const probe = addon()['peakProbe'];
  // The shortest probe is a single burst, and all bursts do the same work.
  while (performance.now() < end) took.push(1 / probe(1e-6, 'f32'));
  return took.length / took.reduce((a, b) => a + b, 0);
}
