/**
 * @file What a LoRA step of SmolLM2-135M in f32 reaches of the machine's multiply-add peak, at 2,048 real tokens a step.
 *
 * `node bench/training-step.ts [--steps N] [--bf16]`. Rows are the quick start's. FLOPs are those of
 * bench/flops.ts. The peak is probed before and after, the best taken. It also says in which kernels the time goes.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config/load.ts';
import { Memory } from '../src/engine/memory.ts';
import { peakProbe } from '../src/kernels/gemm.ts';
import { observeKernels } from '../src/kernels/kernel.ts';
import { methods } from '../src/methods/index.ts';
import { loadModel } from '../src/models/load.ts';
import { openModel } from '../src/models/source.ts';
import { peakMemory } from '../src/native/memory.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';
import { memoryHost } from '../src/train/host.ts';
import { train } from '../src/train/train.ts';
import { tunings } from '../src/tuning/index.ts';
import { flopsOf, productsOf, sizeOf, workOf } from './flops.ts';
import { median, report } from './report.ts';

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '6' }, bf16: { type: 'boolean', default: false } },
});
const stepTokens = 2048;
const { job } = loadConfig({
  file: 'examples/smollm2_lora_sft.yaml',
  overrides: ['lr_scheduler_type=constant', 'save_strategy=no', `bf16=${values.bf16}`],
  command: 'train',
});
const source = await openModel(job.model.model_name_or_path);
const { sets } = await prepareJob(job, source);
const rows = sets.train;
if (!rows) throw new Error('the example has no rows');

const memory = new Memory();
const { family, model } = await loadModel(source, { memory, dtype: values.bf16 ? 'bf16' : 'f32' });
const tuned = tunings['lora'].apply(model, {
  settings: job.tuning,
  memory,
  seed: job.train.seed,
  adapterTargets: family.adapterTargets,
  baseModel: source.name,
});

/** Rows, in order, until a step has its tokens; short ones fill it to the last few. */
const steps: number[][] = [];
const unused = new Set(Array.from({ length: rows.count }, (_, row) => row));
while (steps.length < Number(values.steps)) {
  const step: number[] = [];
  let tokens = 0;
  for (const row of unused) {
    const length = rows.ids(row).length;
    if (tokens + length > stepTokens) continue;
    step.push(row);
    unused.delete(row);
    tokens += length;
  }
  steps.push(step);
}
const size = await sizeOf(source, job.tuning.lora_rank);
const rowOf = (row: number) => ({
  ids: rows.ids(row),
  labels: rows.labels(row),
  documents: rows.documents(row),
});
const works = steps.map((step) => workOf(step.map(rowOf)));

let peak = peakProbe.run(1);
const seconds: number[] = [];
const host = memoryHost();
const { emit } = host;

const groups=new Map<string,any>();
function prof(){ observeKernels((call)=>{ const t=performance.now(); try { return call.run(); } finally { const d=(performance.now()-t)/1e3; const c=call.cost(); const a=call.args as any[];
 const dt=(x:any)=>x instanceof Uint16Array?'b':x instanceof Float32Array?'f':x===null||x===undefined?'-':'q';
 const key = call.name==='gemm'? `gemm m${Math.round(a[3]/256)*256||a[3]} n${a[4]} k${a[5]>1000&&a[3]<100?Math.round(a[5]/256)*256:a[5]>300&&a[5]!==576&&a[5]!==1536?Math.round(a[5]/256)*256:a[5]} ${a[6]?'T':'N'}${a[7]?'T':'N'} beta${a[9]} low${a[11]?1:0} ${dt(a[0])}${dt(a[1])}${dt(a[2])}`:call.name;
 const g=groups.get(key)??{n:0,s:0,f:0,b:0}; g.n++; g.s+=d; g.f+=c.flops; g.b+=c.bytes; groups.set(key,g); } }); }
await train({
  settings: { ...job.train, do_train: true },
  method: methods['sft'],
  model,
  parameters: tuned.parameters,
  memory,
  rows: {
    count: rows.count,
    row: (row) => ({ row, ...rowOf(row) }),
    place: () => undefined,
  },
  plan: {
    steps: steps.length,
    rows: (step) => steps[step],
    targets: (step) => works[step].supervised,
    examples: (step) => steps[step].length,
    epoch: (step) => step,
  },
  evalSets: [],
  host: {
    ...host,
    emit(event) {
      emit(event);
      if (event.type !== 'step-end') return;
      seconds.push(event.seconds);
      // The first step touches fresh memory and compiles code.
      if (event.step === 1) prof();
    },
  },
  saveModel: () => {},
});
observeKernels(null); const times = new Map();
peak = Math.max(peak, peakProbe.run(1));


const tot=[...groups.values()].reduce((a,g)=>a+g.s,0);
for (const [k,g] of [...groups].sort((a,b)=>b[1].s-a[1].s).slice(0,40)) console.log(k.padEnd(60), (100*g.s/tot).toFixed(1).padStart(5)+' %', String(g.n/(steps.length-1)).padStart(6), (g.f/g.s/1e9).toFixed(0).padStart(5)+' GF/s', (1e6*g.s/g.n).toFixed(0).padStart(7)+' us', (g.b/g.s/1e9).toFixed(1)+' GB/s');
console.log('peak',peak, 'whole', seconds.slice(1).reduce((a, b) => a + b, 0), 'in', tot);
