/** @file The product that layers and heads are made of, by the kernel that fits the pass. */
import { gemm } from '../../kernels/gemm.ts';
import { rowProducts } from '../../kernels/row-products.ts';
import { session } from '../session.ts';
import type { Tensor } from '../tensor.ts';

type Options = {
  /** [O] */
  readonly bias?: Tensor | null;
  /** A low-rank update beside the weight: + h · bᵀ. h: [T, R], b: [O, R] */
  readonly low?: { readonly h: Tensor; readonly b: Tensor };
  /** What x · Wᵀ is multiplied by. */
  readonly scale?: number;
};

/**
 * y = scale · x · Wᵀ + bias. x: [T, D], weight: [O, D], y: [T, O]. When decoding, the weight is read where it lies and y's rows know
 * nothing of each other.
 */
export function multiply(x: Tensor, weight: Tensor, y: Tensor, options: Options = {}): void {
  const { bias = null, low = null, scale = 1 } = options;
  const [outputs, inputs] = weight.shape;
  const T = x.rows;
  const offset = bias?.data ?? null;
  if (session().decoding) {
    rowProducts.run(x.data, weight.data, y.data, T, outputs, inputs, scale, 0, offset);
    if (low === null) return;
    const { h, b } = low;
    rowProducts.run(h.data, b.data, y.data, T, outputs, h.width, 1, 1, null);
  } else {
    const plain = [x.data, weight.data, y.data, T, outputs, inputs, false, true, scale, 0] as const;
    if (low === null) gemm.run(...plain, offset);
    else gemm.run(...plain, offset, low.h.data, low.b.data);
  }
}
