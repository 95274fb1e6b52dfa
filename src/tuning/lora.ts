/** @file LoRA (Hu et al. 2021, arXiv:2106.09685), initialized and saved as PEFT does. */
import { hash32 } from '../core/hash.ts';
import { isLinear, type Linear, namedLayers, namedParameters } from '../engine/nn/index.ts';
import { Parameter } from '../engine/parameter.ts';
import { fill } from '../kernels/elementwise.ts';
import { randomUniform } from '../kernels/random.ts';
import { adapterConfig } from './adapter-files.ts';
import { goOnWith } from './continue-adapter.ts';
import { unknownTarget } from './errors.ts';
import { peftName } from './peft-adapter.ts';
import { configName, weightsName } from './peft-config.ts';
import { thaw } from './thaw.ts';
import { headCopy, headWeight, isTied, untie } from './tied-head.ts';
import { defineTuning, type SavedWeight } from './tuning.ts';

const shortName = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

export const lora = defineTuning({
  type: 'lora',

  apply(model, context) {
    if (context.adapters?.length) return goOnWith(context.adapters, model, context);
    const { settings, memory, seed, adapterTargets, baseModel } = context;
    const { lora_rank: R, lora_alpha, lora_dropout, lora_target, additional_target } = settings;
    const { use_rslora: rslora, use_dora: dora } = settings;
    const layers = [...namedLayers(model.root)];
    const linears = layers.filter((entry): entry is [string, Linear] => isLinear(entry[1]));
    const known = [...new Set(linears.map(([name]) => shortName(name)))];
    const targets = lora_target.includes('all') ? adapterTargets : lora_target;
    const matches = (name: string, target: string): boolean =>
      name === target || name.endsWith(`.${target}`);
    for (const target of targets) {
      if (!linears.some(([name]) => matches(name, target))) {
        throw unknownTarget('lora_target', target, known);
      }
    }
    const parameters = new Map<string, Parameter>();
    const weights: SavedWeight[] = [];
    const learn = (name: string, parameter: Parameter): void => {
      parameters.set(name, parameter);
      weights.push({ name, parameter });
    };
    for (const [name, linear] of linears) {
      if (linear === (model.head as unknown)) continue;
      if (!targets.some((target) => matches(name, target))) continue;
      const a = new Parameter([R, linear.inputs]);
      const b = new Parameter([linear.outputs, R]);
      const dtype = 'f32';
      const aValues = memory.trainable.keep(a.shape, dtype);
      const bValues = memory.trainable.keep(b.shape, dtype);
      // kaiming_uniform with a = √5, as PEFT: bound 1/√inputs. B is zero, so nothing changes at first.
      const bound = 1 / Math.sqrt(linear.inputs);
      randomUniform.run(seed, hash32(`${name}.lora_A`), -bound, bound, aValues.data);
      fill.run(bValues.data, 0);
      a.set(aValues, true);
      b.set(bValues, true);
      linear.adapter = {
        a,
        b,
        scale: lora_alpha / (rslora ? Math.sqrt(R) : R),
        dropout: lora_dropout,
        purpose: hash32(name),
      };
      learn(peftName(`${name}.lora_A.weight`), a);
      learn(peftName(`${name}.lora_B.weight`), b);
    }
    // As PEFT does: a head that is trained by name is no longer the embedding.
    if (additional_target.includes('lm_head') && isTied(model)) {
      untie(model, memory);
      thaw(model.head.weight, memory);
      learn(peftName(headWeight), model.head.weight);
    }
    for (const target of additional_target) {
      const found = layers.filter(([name]) => matches(name, target));
      if (found.length === 0) {
        throw unknownTarget('additional_target', target, [
          ...new Set(layers.map(([n]) => shortName(n))),
        ]);
      }
      for (const [name, layer] of found) {
        for (const [full, parameter] of namedParameters(layer, name)) {
          thaw(parameter, memory);
          learn(peftName(full), parameter);
        }
      }
    }
    const copy = headCopy(model, weights);
    return {
      parameters,
      weightsFile: weightsName,
      weights: [...weights, ...copy],
      files: {
        [configName]: adapterConfig({
          baseModel,
          rank: R,
          alpha: lora_alpha,
          dropout: lora_dropout,
          targets,
          modulesToSave: additional_target,
          rslora,
          dora,
          tiesHead: copy.length > 0,
        }),
      },
    };
  },
});
