/** @file LoRA (Hu et al. 2021, arXiv:2106.09685), initialized and saved as PEFT does. */
import { hash32 } from '../core/hash.ts';
import { type CausalLM, namedLayers, namedParameters } from '../engine/nn/index.ts';
import { Parameter } from '../engine/parameter.ts';
import { fill } from '../kernels/elementwise.ts';
import { randomUniform } from '../kernels/random.ts';
import { adapterConfig } from './adapter-files.ts';
import { goOnWith } from './continue-adapter.ts';
import { unknownTarget } from './errors.ts';
import { shortName } from './module-names.ts';
import { peftName } from './peft-adapter.ts';
import { configName, weightsName } from './peft-config.ts';
import { namedLinears } from './targets.ts';
import { thaw } from './thaw.ts';
import { headCopy, headWeight, isTied, untie } from './tied-head.ts';
import { defineTuning, type SavedWeight } from './tuning.ts';

/**
 * What the modules that are trained whole hold, by full name. As in PEFT a module counts whose name ends with a target, in the
 * middle of a word too: `norm` is every norm. Throws where the model has no such module.
 */
export function wholeParameters(
  model: CausalLM,
  targets: readonly string[],
): ReadonlyMap<string, Parameter> {
  const layers = [...namedLayers(model.root)];
  for (const target of targets) {
    if (layers.some(([name]) => name.endsWith(target))) continue;
    const known = new Set(layers.map(([name]) => shortName(name)));
    throw unknownTarget('additional_target', target, [...known]);
  }
  const whole = layers.filter(([name]) => targets.some((target) => name.endsWith(target)));
  return new Map(whole.flatMap(([name, layer]) => [...namedParameters(layer, name)]));
}

export const lora = defineTuning({
  type: 'lora',

  apply(model, context) {
    if (context.adapters?.length) return goOnWith(context.adapters, model, context);
    const { settings, memory, seed, adapterTargets, baseModel } = context;
    const { lora_rank: R, lora_alpha, lora_dropout, lora_target, additional_target } = settings;
    const { use_rslora: rslora, use_dora: dora } = settings;
    const targets = lora_target.includes('all') ? adapterTargets : lora_target;
    const parameters = new Map<string, Parameter>();
    const weights: SavedWeight[] = [];
    const learn = (name: string, parameter: Parameter): void => {
      parameters.set(name, parameter);
      weights.push({ name, parameter });
    };
    for (const [name, linear] of namedLinears(model, 'lora_target', targets)) {
      if (linear === (model.head as unknown)) continue;
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
    for (const [name, parameter] of wholeParameters(model, additional_target)) {
      thaw(parameter, memory);
      learn(peftName(name), parameter);
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
