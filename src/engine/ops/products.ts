/** @file The product that layers and heads are made of, by the kernel that fits the pass. */
import { gemm } from '../../kernels/gemm.ts';
import { rowProducts } from '../../kernels/row-products.ts';
import { session } from '../session.ts';
import type { Tensor } from '../tensor.ts';

type Options = {
  /** [O] */
  readonly bias?: Tensor | null;
  /** A low-rank update beside the weight: + scale · h · bᵀ. h: [T, R], b: [O, R] */
  readonly low?: { readonly h: Tensor; readonly b: Tensor; readonly scale: number };
};

/**
 * y = x · Wᵀ + bias. x: [T, D], weight: [O, D], y: [T, O]. When decoding, the weight is read where it lies and y's rows know
 * nothing of each other.
 */
export function multiply(x: Tensor, weight: Tensor, y: Tensor, options: Options = {}): void {
  const { bias = null, low = null } = options;
  const [outputs, inputs] = weight.shape;
  const T = x.rows;
  const offset = bias?.data ?? null;
  if (session().decoding) {
    rowProducts.run(x.data, weight.data, y.data, T, outputs, inputs, 1, 0, offset);
    if (low === null) return;
    const { h, b, scale } = low;
    rowProducts.run(h.data, b.data, y.data, T, outputs, h.width, scale, 1, null);
  } else {
    const plain = [x.data, weight.data, y.data, T, outputs, inputs, false, true, 1, 0] as const;
    if (low === null) gemm.run(...plain, offset);
    else gemm.run(...plain, offset, low.h.data, low.b.data, low.scale);
  }
}
