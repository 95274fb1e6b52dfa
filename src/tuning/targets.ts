/** @file The modules that targets mean. */
import { type CausalLM, isLinear, type Linear, namedLayers } from '../engine/nn/index.ts';
import { unknownTarget } from './errors.ts';
import { isNamed, shortName } from './module-names.ts';

/** Linear layers that targets mean, by full name. Throws where the model has none for one of them. */
export function namedLinears(
  model: CausalLM,
  key: string,
  targets: readonly string[],
): (readonly [string, Linear])[] {
  const linears = [...namedLayers(model.root)].flatMap(([name, layer]) =>
    isLinear(layer) ? [[name, layer] as const] : [],
  );
  for (const target of targets) {
    if (linears.some(([name]) => isNamed(name, target))) continue;
    throw unknownTarget(key, target, [...new Set(linears.map(([name]) => shortName(name)))]);
  }
  return linears.filter(([name]) => targets.some((target) => isNamed(name, target)));
}
