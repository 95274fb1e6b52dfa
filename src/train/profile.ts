/**
 * @file A profile of some steps: a timeline of ops, their kernels and the memory of each class, as a Chrome trace
 * (JSON, which Perfetto opens), and sums by op.
 */
import { type Memory, memoryClasses } from '../engine/memory.ts';
import { type TraceSink, traceTo } from '../engine/trace.ts';
import { type KernelCall, observeKernels } from '../kernels/kernel.ts';

/** Events that a file may hold: about 60 MB, and more than any viewer is quick with. */
const mostEvents = 400_000;

/** Rows of the timeline, by the number that a trace knows a thread by. */
const tracks = { steps: 1, engine: 2 } as const;

/** Sums over all calls of one op in one direction. `seconds` is its own: ops that run inside it are left out. */
export type OpSums = {
  readonly name: string;
  calls: number;
  seconds: number;
  /** Inside kernels. */
  kernelSeconds: number;
  flops: number;
  bytes: number;
};

type Open = {
  readonly name: string;
  readonly start: number;
  inside: number;
  readonly sums: OpSums;
};

/** Records from `start` to `stop`; then `json` and `ops` tell what was seen. */
export class Profile implements TraceSink {
  /** Events that found no more room. */
  dropped = 0;
  private readonly events: string[] = [];
  private readonly sums = new Map<string, OpSums>();
  private readonly open: Open[] = [];
  private readonly memory: Memory;
  private readonly began = performance.now();
  private lastMemory = '';
  private stepBegan = 0;
  private undo: (() => void) | undefined;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  start(): void {
    this.stepBegan = performance.now();
    const sink = traceTo(this);
    const observer = observeKernels((call) => this.kernel(call));
    this.undo = () => {
      traceTo(sink);
      observeKernels(observer);
    };
  }

  stop(): void {
    while (this.open.length > 0) this.end();
    this.undo?.();
    this.undo = undefined;
  }

  /** A step ended here. */
  step(step: number): void {
    const now = performance.now();
    this.slice(`step ${step}`, 'step', this.stepBegan, now, undefined, tracks.steps);
    this.stepBegan = now;
  }

  get recording(): boolean {
    return this.undo !== undefined;
  }

  begin(name: string): void {
    const sums = this.sums.get(name) ?? {
      ...{ name, calls: 0, seconds: 0, kernelSeconds: 0, flops: 0, bytes: 0 },
    };
    this.sums.set(name, sums);
    this.open.push({ name, start: performance.now(), inside: 0, sums });
  }

  end(): void {
    const span = this.open.pop();
    // It began before the recording did.
    if (span === undefined) return;
    const now = performance.now();
    const spent = now - span.start;
    const outer = this.open.at(-1);
    if (outer) outer.inside += spent;
    span.sums.calls++;
    span.sums.seconds += (spent - span.inside) / 1000;
    this.slice(span.name, 'op', span.start, now);
    this.account(now);
  }

  /** The longest time first. */
  get ops(): readonly OpSums[] {
    return [...this.sums.values()].sort((a, b) => b.seconds - a.seconds);
  }

  /** The trace in pieces, as a file is written. */
  *json(): Generator<string> {
    yield '{"displayTimeUnit":"ms","traceEvents":[\n';
    yield '{"ph":"M","pid":1,"name":"process_name","args":{"name":"tunery"}},\n';
    const names = Object.entries(tracks).map(([name, tid]) =>
      JSON.stringify({ ph: 'M', pid: 1, tid, name: 'thread_name', args: { name } }),
    );
    yield names.join(',\n');
    for (const event of this.events) yield `,\n${event}`;
    yield '\n]}\n';
  }

  private kernel(call: KernelCall): unknown {
    const start = performance.now();
    try {
      return call.run();
    } finally {
      const now = performance.now();
      const { flops, bytes, rate } = call.cost();
      const sums = this.open.at(-1)?.sums;
      if (sums) {
        sums.kernelSeconds += (now - start) / 1000;
        sums.flops += flops;
        sums.bytes += bytes;
      }
      this.slice(call.name, 'kernel', start, now, { flops, bytes, rate });
    }
  }

  private slice(
    name: string,
    cat: string,
    start: number,
    end: number,
    args?: object,
    tid: number = tracks.engine,
  ): void {
    const at = { ts: this.microseconds(start), dur: Math.round((end - start) * 1e6) / 1e3 };
    this.push({ ph: 'X', pid: 1, tid, name, cat, ...at, ...(args && { args }) });
  }

  /** Memory in use by class, where it changed. */
  private account(now: number): void {
    const inUse = Object.fromEntries(memoryClasses.map((name) => [name, this.memory[name].inUse]));
    const text = JSON.stringify(inUse);
    if (text === this.lastMemory) return;
    this.lastMemory = text;
    this.push({ ph: 'C', pid: 1, name: 'memory', ts: this.microseconds(now), args: inUse });
  }

  private push(event: object): void {
    if (this.events.length < mostEvents) this.events.push(JSON.stringify(event));
    else this.dropped++;
  }

  private microseconds(time: number): number {
    return Math.round((time - this.began) * 1e6) / 1e3;
  }
}
