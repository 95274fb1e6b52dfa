/**
 * @file What the matrix products reach of the machine's multiply-add peak, shape by shape, form by form.
 *
 * `node bench/kernels.ts [f32 bf16 int8 NF4 Q4_1 …] [--rows M] [--threads N] [--seconds S]`. A form is the forward pass
 * (x · Wᵀ), the input gradient (dy · W), or one of LoRA's thin products. Peaks are probed in the same run with the same
 * threads: int8 stands against int8's, bf16 against bf16's where the machine has such products, all others against f32's.
 * `usual` is the median of all calls, `alone` of those that met no neighbor on the cores (bench/neighbor.ts).
 */
import { parseArgs } from 'node:util';
import { Memory } from '../src/engine/memory.ts';
import { gemm, peakProbe } from '../src/kernels/gemm.ts';
import type { TensorData } from '../src/kernels/kernel.ts';
import { Quantized, type QuantizedType } from '../src/kernels/quantized.ts';
import { numbers, store } from '../src/kernels/testing.ts';
import { quantizedTypes, randomQuantized } from '../src/kernels/testing-quantized.ts';
import { instructionSet, setThreads, threads } from '../src/native/machine.ts';
import { bestBurst, isAlone, type Sample, sample } from './neighbor.ts';
import { median, report, table } from './report.ts';

const { values, positionals } = parseArgs({
  options: {
    rows: { type: 'string', default: '1024' },
    threads: { type: 'string' },
    seconds: { type: 'string', default: '0.1' },
    large: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const rows = Number(values.rows);
const seconds = Number(values.seconds);

type Kind = 'f32' | 'bf16' | 'int8' | QuantizedType;
const kinds = (positionals.length > 0 ? positionals : ['f32', 'bf16', 'int8']) as Kind[];
const known: readonly string[] = ['f32', 'bf16', 'int8', ...quantizedTypes];
const unknown = kinds.find((kind) => !known.includes(kind));
if (unknown) throw new Error(`there is no ${unknown}, but ${known.join(', ')}`);

type Shape = {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transA?: true;
  readonly transB?: true;
  /** What must be reached of the peak on all threads. */
  readonly goal?: number;
  /** Neither operand is a frozen weight. */
  readonly thin?: true;
};

/** [out, in] of SmolLM2-135M's linear layers, of its head, and of larger models'. */
const weights: Readonly<Record<string, readonly [number, number, goal?: number]>> = {
  'q, o': [576, 576, 0.9],
  'k, v': [192, 576, 0.9],
  'gate, up': [1536, 576, 0.9],
  down: [576, 1536, 0.9],
  head: [49152, 576],
  '4096²': [4096, 4096, 0.8],
  '11008×4096': [11008, 4096, 0.8],
};
const large = ['4096²', '11008×4096'];

const products: Shape[] = Object.entries(weights).flatMap(([name, [out, inputs, goal]]) => {
  if (large.includes(name) && !values.large) return [];
  const m = name === 'head' ? 256 : rows;
  const aim = goal === undefined ? {} : { goal };
  return [
    { name: `${name}, forward`, m, n: out, k: inputs, transB: true, ...aim },
    { name: `${name}, gradient`, m, n: inputs, k: out, ...aim },
  ];
});

const thin: Shape[] = [8, 16, 64].flatMap((rank) => [
  { name: `x · Aᵀ, rank ${rank}`, m: rows, n: rank, k: 576, transB: true, thin: true },
  { name: `dy · B, rank ${rank}`, m: rows, n: rank, k: 1536, thin: true },
  { name: `dhᵀ · x, rank ${rank}`, m: rank, n: 576, k: rows, transA: true, thin: true },
  { name: `dyᵀ · h, rank ${rank}`, m: 1536, n: rank, k: rows, transA: true, thin: true },
]);

const memory = new Memory();

/** Seeded numbers in memory as the engine's tensors have it. */
function floats(length: number, seed: number, kind: 'f32' | 'bf16'): TensorData {
  const { data } = memory.workspace.tensor([length], kind);
  const some = store(numbers(Math.min(length, 1 << 16), seed), kind);
  for (let at = 0; at < length; at += some.length) {
    (data as Float32Array).set(some.subarray(0, Math.min(some.length, length - at)), at);
  }
  return data;
}

function weight(kind: Kind, stored: number, columns: number): TensorData | Quantized {
  if (kind === 'f32' || kind === 'bf16') return floats(stored * columns, 2, kind);
  if (kind !== 'int8') return randomQuantized(kind, stored, columns, 2);
  const bytes = memory.workspace.tensor([stored * columns], 'u8').data as Uint8Array;
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  const scales = new Float32Array(stored).fill(0.01);
  return new Quantized({ type: 'INT8', rows: stored, columns, bytes, scales, integer: true });
}

/** Calls of a product; the first, which makes work memory, is not among them. */
function measure(shape: Shape, kind: Kind): Sample[] {
  const { m, n, k, transA = false, transB = false } = shape;
  const storage = kind === 'f32' || kind === 'bf16' ? kind : 'f32';
  return memory.scope(() => {
    const a = floats(m * k, 1, storage);
    const b = weight(shape.thin ? storage : kind, transB ? n : k, transB ? k : n);
    const c = floats(m * n, 3, storage);
    const run = (): void => gemm.run(a, b, c, m, n, k, transA, transB, 1, 0, null);
    run();
    const samples: Sample[] = [];
    const end = performance.now() + seconds * 1000;
    while (samples.length < 3 || performance.now() < end) samples.push(sample(run));
    return samples;
  });
}

/** Calls without which no median is told. */
const enough = 5;

/** Billions of operations a second: the median of all calls, of those without a neighbor, and the best. */
function ratesOf({ m, n, k }: Shape, samples: readonly Sample[]) {
  const rate = (time: number): number => (2 * m * n * k) / time / 1e9;
  const undisturbed = samples.filter(isAlone).map((one) => one.seconds);
  return {
    calls: `${undisturbed.length}/${samples.length}`,
    usual: rate(median(samples.map((one) => one.seconds))),
    alone: undisturbed.length < enough ? null : rate(median(undisturbed)),
    best: rate(Math.min(...samples.map((one) => one.seconds))),
  };
}

const all = threads();
const counts = values.threads ? [Number(values.threads)] : [...new Set([1, all])];
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

for (const kind of kinds) {
  const multipliesBf16 = ['avx512-bf16', 'amx'].includes(instructionSet());
  const of = kind === 'int8' || (kind === 'bf16' && multipliesBf16) ? kind : 'f32';
  const shapes = kind === 'f32' || kind === 'bf16' ? [...products, ...thin] : products;
  const shares = new Map<Shape, (ReturnType<typeof ratesOf> & { peak: number })[]>();
  for (const count of counts) {
    setThreads(count);
    let peak = peakProbe.run(0.2, of);
    const measured = shapes.map((shape) => [shape, measure(shape, kind)] as const);
    peak = Math.max(peak, peakProbe.run(0.2, of));
    for (const [shape, samples] of measured) {
      const rates = ratesOf(shape, samples);
      // Seen under real-time priority: for some tenths of a second both threads stood on one core.
      if (rates.best > 1.05 * peak) {
        throw new Error(
          `${kind}: ${shape.name} did ${rates.best.toFixed(0)} Gop/s where the probe of ${count} threads found ${peak.toFixed(0)}: not all threads had a core; run it again`,
        );
      }
      shares.set(shape, [...(shares.get(shape) ?? []), { peak, ...rates }]);
    }
    report({ name: `${kind}: peak of ${of}, ${count} threads`, value: peak, unit: 'Gop/s' });
  }
  setThreads(all);
  table(
    [
      ...[kind, 'm', 'n', 'k'],
      ...counts.flatMap((n) => [`Gop/s, ${n} thr`, 'usual', 'alone', 'calls', 'best']),
    ],
    [...shares].map(([{ name, m, n, k }, rates]) => [
      name,
      ...[m, n, k].map(String),
      ...rates.flatMap(({ peak, usual, alone, calls, best }) => [
        usual.toFixed(0),
        percent(usual / peak),
        alone === null ? '' : percent(alone / peak),
        calls,
        percent(best / peak),
      ]),
    ]),
  );
  for (const [{ name, goal, thin }, rates] of shares) {
    const last = rates.at(-1);
    if (thin || !last) continue;
    const atLeast = goal && of === 'int8' ? Math.min(goal, 0.85) : goal;
    const share = { unit: '', ...(atLeast === undefined ? {} : { goal: { atLeast } }) };
    const figure = `${kind}: ${name}, share of the peak`;
    report({ name: figure, value: last.usual / last.peak, ...share });
    if (last.alone !== null) {
      report({ name: `${figure}, alone`, value: last.alone / last.peak, ...share });
    }
  }
}
report({ name: 'best burst of instructions on all cores', value: bestBurst(), unit: 'a ns' });
