/** @file Full fine-tuning: every weight learns, in f32. */
import { namedParameters } from '../engine/nn/index.ts';
import { thaw } from './thaw.ts';
import { defineTuning } from './tuning.ts';

export const full = defineTuning({
  type: 'full',
  everyWeight: true,

  apply(model, { memory }) {
    const parameters = new Map([...namedParameters(model.root)]);
    for (const parameter of parameters.values()) thaw(parameter, memory);
    return {
      parameters,
      weightsFile: 'model.safetensors',
      weights: [...parameters].map(([name, parameter]) => ({ name, parameter })),
      files: {},
    };
  },
});
