/**
 * @file Matrices that bitsandbytes has quantized, as transformers saves them: `X.weight` has the codes, and tensors named
 * after it their scales. Facts: bitsandbytes 0.50, `QuantState.as_dict` and `Linear8bitLt`.
 */
import { z } from 'zod';
import type { RawWeights } from '../files/safetensors.ts';
import { codebooks } from '../kernels/blocks.ts';
import {
  bytesOfCodes,
  type FourBitType,
  fourBitBlock,
  nestedBlock,
  Quantized,
} from '../kernels/quantized.ts';
import { badQuantized } from './errors.ts';

/** Matrices by name, and the names of all tensors that are parts of one. */
export type BnbMatrices = {
  readonly matrices: ReadonlyMap<string, () => Quantized>;
  readonly parts: ReadonlySet<string>;
};

const stateKey = /^(.+)\.quant_state\.bitsandbytes__(nf4|fp4)$/;
const scaleParts = ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'] as const;

const State = z.object({
  quant_type: z.enum(['nf4', 'fp4']),
  blocksize: z.number(),
  shape: z.tuple([z.int().min(0), z.int().min(0)]),
  nested_blocksize: z.number().optional(),
  nested_offset: z.number().optional(),
});

export function bnbMatrices(folder: string, raw: RawWeights): BnbMatrices {
  const names = new Set(raw.names());
  const matrices = new Map<string, () => Quantized>();
  const parts = new Set<string>();
  for (const name of names) {
    const [, weight, kind] = stateKey.exec(name) ?? [];
    if (weight !== undefined) {
      const type = kind === 'fp4' ? 'FP4' : 'NF4';
      matrices.set(weight, () => fourBit(folder, raw, { state: name, weight, type }));
      for (const part of [name, ...scaleParts.map((each) => `${weight}.${each}`)]) parts.add(part);
    }
    const module = name.endsWith('.SCB') ? name.slice(0, -'.SCB'.length) : undefined;
    if (module !== undefined && names.has(`${module}.weight`)) {
      matrices.set(`${module}.weight`, () => eightBit(folder, raw, module));
      for (const part of [name, `${module}.weight_format`]) parts.add(part);
    }
  }
  return { matrices, parts };
}

/** A copy: a tensor may begin at any byte. */
function floats(folder: string, raw: RawWeights, name: string, length: number): Float32Array {
  const { dtype, bytes } = raw.get(name);
  if (dtype !== 'F32' || bytes.length !== 4 * length) {
    throw badQuantized(folder, name, `it is no list of ${length} numbers in F32`);
  }
  return new Float32Array(bytes.slice().buffer);
}

function fourBit(
  folder: string,
  raw: RawWeights,
  { state, weight, type }: { state: string; weight: string; type: FourBitType },
): Quantized {
  let said: z.infer<typeof State>;
  try {
    said = State.parse(JSON.parse(new TextDecoder().decode(raw.get(state).bytes)));
  } catch {
    throw badQuantized(folder, state, 'it does not describe a matrix');
  }
  const { blocksize, nested_blocksize, nested_offset } = said;
  const [rows, columns] = said.shape;
  if (blocksize !== fourBitBlock || (nested_blocksize ?? nestedBlock) !== nestedBlock) {
    const what = `its blocks have ${blocksize} numbers; ${fourBitBlock} can be read`;
    throw badQuantized(folder, state, what);
  }
  // `bnb_4bit_quant_storage` may call the codes bf16 or f32; their bytes are the same.
  const { bytes } = raw.get(weight);
  if (bytes.length !== bytesOfCodes(type, rows * columns)) {
    throw badQuantized(folder, weight, `its codes do not make ${rows} rows of ${columns}`);
  }
  const map = floats(folder, raw, `${weight}.quant_map`, 16);
  if (map.some((value, i) => value !== codebooks[type][i])) {
    throw badQuantized(folder, `${weight}.quant_map`, `these are not the values of ${type}`);
  }
  const count = Math.ceil((rows * columns) / fourBitBlock);
  const matrix = { type, rows, columns, bytes };
  const scales = raw.get(`${weight}.absmax`);
  if (nested_offset === undefined) {
    return new Quantized({ ...matrix, scales: floats(folder, raw, `${weight}.absmax`, count) });
  }
  if (scales.bytes.length !== count) {
    throw badQuantized(folder, `${weight}.absmax`, `it has no scale for each of ${count} blocks`);
  }
  const second = Math.ceil(count / nestedBlock);
  return new Quantized({
    ...matrix,
    nested: {
      codes: scales.bytes,
      map: floats(folder, raw, `${weight}.nested_quant_map`, 256),
      scales: floats(folder, raw, `${weight}.nested_absmax`, second),
      offset: Math.fround(nested_offset),
    },
  });
}

function eightBit(folder: string, raw: RawWeights, module: string): Quantized {
  const name = `${module}.weight`;
  const { dtype, shape, bytes } = raw.get(name);
  const [rows, columns] = shape;
  if (dtype !== 'I8' || shape.length !== 2) {
    throw badQuantized(folder, name, 'its codes are no matrix of signed bytes');
  }
  const largest = floats(folder, raw, `${module}.SCB`, rows);
  return new Quantized({
    ...{ type: 'INT8', rows, columns, bytes },
    scales: largest.map((each) => each / 127),
  });
}
