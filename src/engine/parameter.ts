/** @file A named weight of a model: declared with its shape, filled when the model is loaded, trained or frozen. */
import { invariant } from '../core/errors.ts';
import { addInto } from '../kernels/elementwise.ts';
import { Tensor } from './tensor.ts';

export class Parameter {
  readonly shape: readonly number[];
  /** f32 [shape], or null while no micro-batch of the step has reached it. */
  grad: Tensor | null = null;
  private value: Tensor | null = null;

  constructor(shape: readonly number[]) {
    this.shape = shape;
  }

  get loaded(): boolean {
    return this.value !== null;
  }

  get tensor(): Tensor {
    invariant(
      this.value !== null,
      `a parameter of shape [${this.shape}] was used before it was loaded`,
    );
    return this.value;
  }

  get trainable(): boolean {
    return this.value?.slot.needsGrad ?? false;
  }

  /** Gives it its values. A trained one must be f32 (or f64 in a gradient check). */
  set(values: Tensor, trainable: boolean): void {
    invariant(
      values.data.length === this.shape.reduce((a, b) => a * b, 1),
      'a parameter got another shape',
    );
    const slot = { needsGrad: trainable, parameter: this };
    this.value = new Tensor(this.shape, values.dtype, values.data, values.buffer, slot);
  }

  freeze(): void {
    this.tensor.slot.needsGrad = false;
  }

  /** Adds a gradient; the first of a step is taken over as it is. */
  accumulate(grad: Tensor): void {
    if (this.grad === null) {
      grad.buffer.hold();
      this.grad = grad;
    } else {
      addInto.run(grad.data as Float32Array, this.grad.data as Float32Array);
    }
  }

  clearGrad(): void {
    this.grad?.buffer.release();
    this.grad = null;
  }
}
