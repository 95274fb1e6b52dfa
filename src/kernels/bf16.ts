/** @file bfloat16, number by number: the upper half of an f32, rounded to nearest even. For twins and tests. */
const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

export function decodeBf16(half: number): number {
  bits[0] = half << 16;
  return value[0];
}

export function encodeBf16(number: number): number {
  value[0] = number;
  const word = bits[0];
  if (Number.isNaN(number)) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}
