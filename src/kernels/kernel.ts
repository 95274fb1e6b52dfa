/**
 * @file A kernel: one name, a plain TypeScript twin (its specification, and its oracle in f64) and
 * the Rust function of the same name that does the real work.
 */
import { addon } from '../native/addon.ts';
import { environment } from '../native/environment.ts';
import { decodeBf16, encodeBf16 } from './bf16.ts';
import { Quantized } from './quantized.ts';

/** Float storage that the twins take. `Uint16Array` (bf16) exists in Rust only. */
export type FloatArray = Float32Array | Float64Array;

/** What a tensor's data can be. `Uint16Array` holds bf16. A frozen matrix may be `Quantized` instead. */
export type TensorData = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

type Twin = (...args: never[]) => unknown;
type AnyTwin = (...args: unknown[]) => unknown;

/** Rust looks at the kind of each array itself, so `run` takes a tensor's data as it is. */
type Data<Argument> = Argument extends ArrayBufferView ? TensorData | Quantized : Argument;
type DataOf<Arguments extends readonly unknown[]> = {
  [Index in keyof Arguments]: Data<Arguments[Index]>;
};

/** What a call does: a multiply-add is two FLOPs, and each operand is counted once. */
export type Cost = {
  readonly flops: number;
  readonly bytes: number;
  /** Calls of one rate run at about the same share of the machine: the cost model measures each once. */
  readonly rate: string;
};

export type Kernel<Run extends Twin> = {
  readonly name: string;
  /** Rust for f32 and bf16, the twin for f64 or under `TUNERY_ISA=reference`. */
  readonly run: (...args: DataOf<Parameters<Run>>) => ReturnType<Run>;
  readonly reference: Run;
};

/** A call as an observer sees it. */
export type KernelCall = {
  readonly name: string;
  readonly args: readonly unknown[];
  cost(): Cost;
  /** Does the work. An observer that never asks for it counts what would be done: a dry run. */
  run(): unknown;
};

/** Takes the place of every call: what it gives is the call's result. */
export type KernelObserver = (call: KernelCall) => unknown;

let observer: KernelObserver | null = null;

/** Puts an observer before all kernels, or takes it away; gives the one before it. */
export function observeKernels(next: KernelObserver | null): KernelObserver | null {
  const before = observer;
  observer = next;
  return before;
}

/** Runs `work`, and gives the calls that it made, in order. Their results are in the arrays that they were given. */
export function recordKernels(work: () => void): readonly KernelCall[] {
  const calls: KernelCall[] = [];
  const before = observer;
  observer = (call) => {
    calls.push(call);
    return before === null ? call.run() : before(call);
  };
  try {
    work();
    return calls;
  } finally {
    observer = before;
  }
}

/** Makes the calls again, on what the same arrays hold now. */
export function replayKernels(calls: readonly KernelCall[]): void {
  for (const call of calls) {
    if (observer === null) call.run();
    else observer(call);
  }
}

const forced = environment('TUNERY_ISA') === 'reference';

/** The storage of a tensor, as the rates of its products name it. */
export function storageOf(data: unknown): string {
  if (data instanceof Uint16Array) return 'bf16';
  if (data instanceof Quantized) return data.integer ? `${data.type} whole` : data.type;
  return data instanceof Float64Array ? 'f64' : 'f32';
}

/** Bytes of everything that a call was given. */
function operandBytes(args: readonly unknown[]): number {
  let sum = 0;
  for (const arg of args) {
    if (ArrayBuffer.isView(arg) || arg instanceof Quantized) sum += arg.byteLength;
  }
  return sum;
}

type KernelOptions<Run extends Twin> = {
  /** A `Uint16Array` is no bf16 tensor here, and the twin takes it as it is. */
  readonly bits?: boolean;
  /** There is no Rust of it: the twin is all that is needed. */
  readonly script?: boolean;
  /** What differs from: no FLOPs, the bytes of all operands, and a rate of its own. */
  readonly cost?: (...args: Parameters<Run>) => Partial<Cost>;
};

/** Defines a kernel. Any Float64Array among the arguments selects the twin. */
export function kernel<Run extends Twin>(
  name: string,
  reference: Run,
  { bits = false, script = false, cost }: KernelOptions<Run> = {},
): Kernel<Run> {
  const plain = reference as unknown as AnyTwin;
  const twin: AnyTwin = bits || script ? plain : (...args) => onDecoded(plain, args);
  const own = cost as unknown as ((...args: unknown[]) => Partial<Cost>) | undefined;
  let native: AnyTwin | undefined;
  const chosen = (args: readonly unknown[]): AnyTwin => {
    if (forced || script || args.some((arg) => arg instanceof Float64Array)) return twin;
    native ??= addon()[name] as AnyTwin;
    return native;
  };
  const run = (...args: unknown[]): unknown =>
    observer === null
      ? chosen(args)(...args)
      : observer({
          name,
          args,
          cost: () => ({ flops: 0, bytes: operandBytes(args), rate: name, ...own?.(...args) }),
          // What is recorded is run thousands of times: bound, a call costs half of what it costs through here.
          run: chosen(args).bind(null, ...args),
        });
  return { name, run: run as unknown as Kernel<Run>['run'], reference };
}

/** The meaning of bf16 and quantized storage: the twin's result on the decoded numbers, rounded once. */
function onDecoded(twin: AnyTwin, args: readonly unknown[]): unknown {
  const decoded = new Map<Uint16Array, Float32Array>();
  const result = twin(
    ...args.map((arg) => {
      if (arg instanceof Quantized) return arg.numbers();
      if (!(arg instanceof Uint16Array)) return arg;
      const numbers = decoded.get(arg) ?? Float32Array.from(arg, decodeBf16);
      decoded.set(arg, numbers);
      return numbers;
    }),
  );
  for (const [array, numbers] of decoded) {
    for (let i = 0; i < array.length; i++) array[i] = encodeBf16(numbers[i]);
  }
  return result;
}

export type KernelTime = { readonly calls: number; readonly seconds: number };

/** Wall time inside each kernel, by name. Off until `start`; then it costs two clock readings a call. */
class KernelTimer {
  private readonly sums = new Map<string, { calls: number; seconds: number }>();
  private before: KernelObserver | null = null;

  /** Forgets what was measured, and measures from now on. */
  start(): void {
    this.sums.clear();
    this.before = observeKernels((call) => this.time(call));
  }

  /** Ends the measurement; the longest time comes first. */
  stop(): ReadonlyMap<string, KernelTime> {
    observeKernels(this.before);
    return new Map([...this.sums].sort(([, a], [, b]) => b.seconds - a.seconds));
  }

  private time({ name, run }: KernelCall): unknown {
    const start = performance.now();
    try {
      return run();
    } finally {
      const seconds = (performance.now() - start) / 1000;
      const sum = this.sums.get(name);
      if (sum === undefined) {
        this.sums.set(name, { calls: 1, seconds });
      } else {
        sum.calls++;
        sum.seconds += seconds;
      }
    }
  }
}

export const kernelTimer = new KernelTimer();
