/**
 * @file Values that follow from a name alone: the seeded adapter of the references, without its file.
 * The same bits as `named_values` in tests/golden/reference.py.
 */

/** FNV-1a over the name's bytes. */
function seedOf(name: string): number {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return seed;
}

/** `count` values, uniform in [-bound, bound), for a tensor of this name. */
export function namedValues(name: string, count: number, bound: number): Float32Array {
  const seed = seedOf(name);
  return Float32Array.from({ length: count }, (_, i) => {
    let x = (seed + i) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x = (x ^ (x >>> 16)) >>> 0;
    return (x / 2 ** 31 - 1) * bound;
  });
}

/** Bounds of the seeded adapter (`adapter.py`): A by its inputs, B small and not zero. */
export const adapterBound = { a: (inputs: number) => 1 / Math.sqrt(inputs), b: 0.02 } as const;

/** A weight of the seeded adapter by PEFT's name, `base_model.model.….lora_A.weight` [R, in] or `lora_B` [out, R]. */
export function seededAdapterWeight(name: string, shape: readonly [number, number]): Float32Array {
  const bound = name.includes('.lora_A.') ? adapterBound.a(shape[1]) : adapterBound.b;
  return namedValues(name, shape[0] * shape[1], bound);
}
