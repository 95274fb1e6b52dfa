/** @file Numbers copied as they are: a kernel only so that a dry run knows of it. */
import { kernel, type TensorData } from './kernel.ts';

/** y = x, both of one type and length. The engine of JavaScript does this as fast as the machine can. */
export const copy = kernel(
  'copy',
  (x: TensorData, y: TensorData): void => {
    y.set(x);
  },
  { script: true },
);
