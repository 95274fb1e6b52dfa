/** @file Ops as layers call them: plain arguments, one line each. */
import { add as addOp } from '../ops/add.ts';
import { columns as columnsOp } from '../ops/columns.ts';
import { gelu as geluOp } from '../ops/gelu.ts';
import { swiglu as swigluOp } from '../ops/swiglu.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear } from './linear.ts';

export const add = (a: Tensor, b: Tensor): Tensor => addOp([a, b], null);

/** silu(gate(x)) · up(x). x: [T, D] → [T, F] */
export const swiglu = (gate: Linear, up: Linear, x: Tensor): Tensor =>
  swigluOp([gate(x), up(x)], null);

export const gelu = (x: Tensor, { tanh = false } = {}): Tensor => geluOp([x], { tanh });

/** Columns [from, from + width) of x: [T, D] → [T, width] */
export const columns = (x: Tensor, from: number, width: number): Tensor =>
  columnsOp([x], { from, width });

/** [T, H · E] → [T, H, E] */
export const heads = (x: Tensor, width: number): Tensor =>
  x.reshape([x.rows, x.width / width, width]);
