/**
 * @file How long a kernel call takes on this machine. Calls of a dry run are timed as they come, each distinct one
 * once, until a budget of time is spent; what is left is reckoned from the rate of its kind, or from the machine's
 * multiply-add peak and memory bandwidth.
 */

import { fill, scale } from '../kernels/elementwise.ts';
import { peakProbe } from '../kernels/gemm.ts';
import type { Cost, KernelCall } from '../kernels/kernel.ts';
import { Quantized } from '../kernels/quantized.ts';
import { allocate } from '../native/memory.ts';
import { costKey } from './tally.ts';

export type MachineFacts = {
  /** GFLOP/s of f32 multiply-adds on all threads. */
  readonly peak: number;
  /** GB/s of a copy too large for the caches: bytes read and written. */
  readonly bandwidth: number;
  /** Seconds of a call that has nothing to do. */
  readonly callSeconds: number;
};

/** A share of the peak that products reach where nothing was timed, and a share of the bandwidth. */
const untimed = { flops: 0.6, bytes: 0.6 };

/** A third run of a call that took longer than this would tell nothing new. */
const longCall = 0.05;

/** What other calls leave in the caches between two of a kind: a second-level cache and more. */
const othersBytes = 4e6;

/** What was timed of one kind of call. */
type Rate = { flops: number; bytes: number; seconds: number };

export class CostModel {
  readonly facts: MachineFacts;
  private readonly timed = new Map<string, number>();
  private readonly rates = new Map<string, Rate>();
  private readonly others = new Uint8Array(othersBytes);

  constructor(facts: MachineFacts) {
    this.facts = facts;
  }

  knows(cost: Cost): boolean {
    return this.timed.has(costKey(cost));
  }

  /**
   * Runs a call for its time alone: the first run touches fresh memory and finds its code cold, and does not count. The
   * others count alike, for a training takes the minutes as they come, and find in the second-level cache what others
   * left there.
   */
  trial(call: KernelCall): unknown {
    touch(call.args);
    const { seconds, result } = timed(call);
    const runs = seconds < longCall ? 2 : 1;
    let sum = 0;
    for (let run = 0; run < runs; run++) {
      this.others.fill(run);
      sum += timed(call).seconds;
    }
    this.learn(call.cost(), sum / runs);
    return result;
  }

  /** Runs a call of a real training, and learns from it. */
  follow(call: KernelCall): unknown {
    const { seconds, result } = timed(call);
    this.learn(call.cost(), seconds);
    return result;
  }

  private learn(cost: Cost, seconds: number): void {
    this.timed.set(costKey(cost), seconds);
    const rate = this.rates.get(cost.rate) ?? { flops: 0, bytes: 0, seconds: 0 };
    rate.flops += cost.flops;
    rate.bytes += cost.bytes;
    rate.seconds += Math.max(0, seconds - this.facts.callSeconds);
    this.rates.set(cost.rate, rate);
  }

  seconds(cost: Cost): number {
    const known = this.timed.get(costKey(cost));
    if (known !== undefined) return known;
    const { peak, bandwidth, callSeconds } = this.facts;
    const rate = this.rates.get(cost.rate);
    if (rate !== undefined && rate.seconds > 0) {
      const share = cost.flops > 0 ? cost.flops / rate.flops : cost.bytes / rate.bytes;
      return callSeconds + share * rate.seconds;
    }
    return (
      callSeconds +
      cost.flops / (untimed.flops * peak * 1e9) +
      cost.bytes / (untimed.bytes * bandwidth * 1e9)
    );
  }

  /** As JSON keeps it. */
  get kept(): { readonly facts: MachineFacts; readonly rates: Readonly<Record<string, Rate>> } {
    return { facts: this.facts, rates: Object.fromEntries(this.rates) };
  }

  static of({ facts, rates }: CostModel['kept']): CostModel {
    const model = new CostModel(facts);
    for (const [name, rate] of Object.entries(rates)) model.rates.set(name, { ...rate });
    return model;
  }
}

const pageBytes = 4096;

/**
 * Gives operands pages of their own. Where nothing has been written, all pages are one page of zeros, which stays in the
 * first-level cache as no weight does.
 */
function touch(args: readonly unknown[]): void {
  for (const arg of args) {
    if (arg instanceof Quantized) {
      touch([arg.bytes, arg.scales]);
    } else if (ArrayBuffer.isView(arg)) {
      const bytes = new Uint8Array(arg.buffer, arg.byteOffset, arg.byteLength);
      for (let at = 0; at < bytes.length; at += pageBytes) bytes[at] |= 0;
    }
  }
}

function timed(call: KernelCall): { readonly seconds: number; readonly result: unknown } {
  const start = performance.now();
  const result = call.run();
  return { seconds: (performance.now() - start) / 1000, result };
}

const probedBytes = 48e6;

/** Measures the machine, in about 0.15 s. */
export function probeMachine(): MachineFacts {
  const peak = peakProbe.run(0.05);
  const length = probedBytes / 4;
  const from = new Float32Array(allocate(probedBytes));
  const to = new Float32Array(allocate(probedBytes));
  scale.run(from, 1, to);
  const copies = Array.from({ length: 3 }, () => secondsOf(() => scale.run(from, 1, to)));
  const tiny = from.subarray(0, 16);
  const calls = 1000;
  const callSeconds = secondsOf(() => {
    for (let i = 0; i < calls; i++) fill.run(tiny, 0);
  });
  return {
    peak,
    bandwidth: (8 * length) / Math.min(...copies) / 1e9,
    callSeconds: callSeconds / calls,
  };
}

function secondsOf(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}
