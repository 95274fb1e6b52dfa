/** @file Ops as layers call them: plain arguments, one line each. */
import { checkpoint } from '../op.ts';
import { add as addOp } from '../ops/add.ts';
import { columns as columnsOp } from '../ops/columns.ts';
import { gelu as geluOp } from '../ops/gelu.ts';
import { swiglu as swigluOp } from '../ops/swiglu.ts';
import type { Tensor } from '../tensor.ts';
import type { Context } from './context.ts';
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

/** A block of a decoder: recomputed on the way back where the context asks for it. */
export const block = (
  context: Context,
  work: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
): Tensor => (context.checkpointing ? checkpoint(work, inputs) : work(...inputs));
