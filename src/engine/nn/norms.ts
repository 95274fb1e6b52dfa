/** @file Normalization layers. */
import { layerNorm as layerNormOp } from '../ops/layer-norm.ts';
import { rmsNorm as rmsNormOp } from '../ops/rms-norm.ts';
import { Parameter } from '../parameter.ts';
import type { Tensor } from '../tensor.ts';
import { layer } from './layer.ts';

/** x: [..., D] → [..., D] */
export const rmsNorm = (width: number, eps: number) =>
  layer({ weight: new Parameter([width]) }, ({ weight }, x: Tensor) =>
    rmsNormOp([x, weight.tensor], eps),
  );

/** x: [..., D] → [..., D] */
export const layerNorm = (width: number, eps: number) =>
  layer(
    { weight: new Parameter([width]), bias: new Parameter([width]) },
    ({ weight, bias }, x: Tensor) => layerNormOp([x, weight.tensor, bias.tensor], eps),
  );
