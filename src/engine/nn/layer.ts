/** @file A layer: named parts and a function over them. Part names joined by dots are the checkpoint's weight names. */
import { Parameter } from '../parameter.ts';
import { session } from '../session.ts';

// biome-ignore lint/suspicious/noExplicitAny: a part may take and give anything; its own type says what.
export type AnyLayer = ((...args: any[]) => unknown) & { readonly parts: Parts };
export type Part = Parameter | AnyLayer | readonly AnyLayer[] | null;
export type Parts = { readonly [name: string]: Part };

export type Layer<P extends Parts, Args extends readonly unknown[], Result> = ((
  ...args: Args
) => Result) & { readonly parts: P };

/** Calls are memory scopes: what neither the result nor the tape holds goes back to its pool. */
export function layer<P extends Parts, Args extends readonly unknown[], Result>(
  parts: P,
  forward: (parts: P, ...args: Args) => Result,
): Layer<P, Args, Result> {
  const call = (...args: Args): Result => session().memory.scope(() => forward(parts, ...args));
  return Object.assign(call, { parts });
}

/** Every parameter with its full name, in the order of the parts. A parameter that stands twice is named once. */
export function* namedParameters(root: AnyLayer, prefix = ''): Generator<[string, Parameter]> {
  for (const [name, part] of namedParts(root, prefix)) {
    if (part instanceof Parameter) yield [name, part];
  }
}

/** Every layer below `root` with its full name, `root` itself left out. */
export function* namedLayers(root: AnyLayer, prefix = ''): Generator<[string, AnyLayer]> {
  for (const [name, part] of namedParts(root, prefix)) {
    if (!(part instanceof Parameter)) yield [name, part];
  }
}

function* namedParts(root: AnyLayer, prefix: string): Generator<[string, Parameter | AnyLayer]> {
  for (const [key, part] of Object.entries(root.parts)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (part === null) continue;
    if (part instanceof Parameter) {
      yield [name, part];
    } else if (typeof part === 'function') {
      yield [name, part];
      yield* namedParts(part, name);
    } else {
      for (const [i, item] of part.entries()) {
        yield [`${name}.${i}`, item];
        yield* namedParts(item, `${name}.${i}`);
      }
    }
  }
}
