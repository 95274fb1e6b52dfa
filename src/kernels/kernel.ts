/**
 * @file A kernel: one name, a plain TypeScript twin (its specification, and its oracle in f64) and
 * the Rust function of the same name that does the real work.
 */
import { addon } from '../native/addon.ts';
import { environment } from '../native/environment.ts';

/** Float storage that the twins take. `Uint16Array` (bf16) exists in Rust only. */
export type FloatArray = Float32Array | Float64Array;

/** What a tensor's data can be. `Uint16Array` holds bf16. */
export type TensorData = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

export type Kernel<Run> = {
  readonly name: string;
  /** Rust for f32 and bf16, the twin for f64 or under `TUNERY_ISA=reference`. */
  readonly run: Run;
  readonly reference: Run;
};

const forced = environment('TUNERY_ISA') === 'reference';

/** Defines a kernel. Any Float64Array among the arguments selects the twin. */
export function kernel<Run extends (...args: never[]) => unknown>(
  name: string,
  reference: Run,
): Kernel<Run> {
  type Any = (...args: unknown[]) => unknown;
  let native: Any | undefined;
  const run = (...args: unknown[]): unknown => {
    if (forced || args.some((arg) => arg instanceof Float64Array)) {
      return (reference as unknown as Any)(...args);
    }
    native ??= addon()[name] as Any;
    return native(...args);
  };
  return { name, run: run as unknown as Run, reference };
}
