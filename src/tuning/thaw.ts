/** @file A frozen weight made to learn: it moves to f32, whatever it was stored as. */
import type { Memory } from '../engine/memory.ts';
import type { Parameter } from '../engine/parameter.ts';
import { toF32 } from '../kernels/convert.ts';
import { scale } from '../kernels/elementwise.ts';

export function thaw(parameter: Parameter, memory: Memory): void {
  if (parameter.trainable) return;
  const frozen = parameter.tensor;
  const values = memory.trainable.keep(parameter.shape, frozen.dtype === 'f64' ? 'f64' : 'f32');
  if (frozen.dtype === 'bf16') toF32.run(frozen.data, 'BF16', values.data);
  else if (frozen.dtype === 'blocks') values.data.set(frozen.read());
  else scale.run(frozen.data, 1, values.data);
  parameter.set(values, true);
  frozen.buffer.release();
}
