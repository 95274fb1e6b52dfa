/**
 * @file A kernel: one name, a plain TypeScript twin (its specification, and its oracle in f64) and
 * the Rust function of the same name that does the real work.
 */
import { addon } from '../native/addon.ts';
import { environment } from '../native/environment.ts';
import { decodeBf16, encodeBf16 } from './bf16.ts';

/** Float storage that the twins take. `Uint16Array` (bf16) exists in Rust only. */
export type FloatArray = Float32Array | Float64Array;

/** What a tensor's data can be. `Uint16Array` holds bf16. */
export type TensorData = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

type Twin = (...args: never[]) => unknown;
type AnyTwin = (...args: unknown[]) => unknown;

/** Rust looks at the kind of each array itself, so `run` takes a tensor's data as it is. */
type Data<Argument> = Argument extends ArrayBufferView ? TensorData : Argument;
type DataOf<Arguments extends readonly unknown[]> = {
  [Index in keyof Arguments]: Data<Arguments[Index]>;
};

export type Kernel<Run extends Twin> = {
  readonly name: string;
  /** Rust for f32 and bf16, the twin for f64 or under `TUNERY_ISA=reference`. */
  readonly run: (...args: DataOf<Parameters<Run>>) => ReturnType<Run>;
  readonly reference: Run;
};

const forced = environment('TUNERY_ISA') === 'reference';

/** Defines a kernel. Any Float64Array among the arguments selects the twin. */
export function kernel<Run extends Twin>(
  name: string,
  reference: Run,
  /** `bits`: a `Uint16Array` is no bf16 tensor here, and the twin takes it as it is. */
  { bits = false }: { readonly bits?: boolean } = {},
): Kernel<Run> {
  const plain = reference as unknown as AnyTwin;
  const twin: AnyTwin = bits ? plain : (...args) => onDecoded(plain, args);
  let native: AnyTwin | undefined;
  const call = (args: unknown[]): unknown => {
    if (forced || args.some((arg) => arg instanceof Float64Array)) return twin(...args);
    native ??= addon()[name] as AnyTwin;
    return native(...args);
  };
  const run = (...args: unknown[]): unknown =>
    kernelTimer.running ? kernelTimer.time(name, () => call(args)) : call(args);
  return { name, run: run as unknown as Kernel<Run>['run'], reference };
}

/** The meaning of bf16 storage: the twin's result on the decoded numbers, rounded once. */
function onDecoded(twin: AnyTwin, args: readonly unknown[]): unknown {
  const decoded = new Map<Uint16Array, Float32Array>();
  const result = twin(
    ...args.map((arg) => {
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
  running = false;
  private readonly sums = new Map<string, { calls: number; seconds: number }>();

  /** Forgets what was measured, and measures from now on. */
  start(): void {
    this.sums.clear();
    this.running = true;
  }

  /** Ends the measurement; the longest time comes first. */
  stop(): ReadonlyMap<string, KernelTime> {
    this.running = false;
    return new Map([...this.sums].sort(([, a], [, b]) => b.seconds - a.seconds));
  }

  time<Result>(name: string, work: () => Result): Result {
    const start = performance.now();
    try {
      return work();
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
