/** @file `tunery fit`: which settings fit into a memory, what they give up, and how fast they are. */
import { z } from 'zod';
import {
  type Choice,
  type Fit,
  fitInto,
  qualities,
  type Tried,
  ways,
  yamlOf,
} from '../../advise/fit.ts';
import { loadConfig } from '../../config/load.ts';
import { TuneryError } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { formatBytes, parseBytes } from '../../core/units.ts';
import type { Estimate } from '../../estimate/estimate.ts';
import { quick } from '../../estimate/sample.ts';
import { cutOff, sampleOf } from '../../estimate/shapes-of-job.ts';
import { availableMemory } from '../../native/memory.ts';
import { nativeEngine } from '../../runs/engines/engines.ts';
import type { Job } from '../../train/job.ts';
import { type Context, defineCommand } from '../command.ts';
import { badSize } from '../errors.ts';
import { formatRate } from '../estimate-view.ts';
import { plannedRows } from '../planned-rows.ts';

export const fitCommand = defineCommand({
  name: 'fit',
  summary:
    'Find settings that train a model within a memory, and say what each gives up and how fast it is.',
  examples: [
    'tunery fit examples/smollm2_lora_sft.yaml --memory 1.5GB',
    'tunery fit --memory 16GB --model meta-llama/Llama-3.2-1B --data alpaca_en_100',
    'tunery fit --memory 16GB --model folder/with/config.json cutoff_len=2048',
  ],
  positionals: [
    {
      name: 'FILE.yaml',
      help: 'settings to begin with; `key=value` beside it counts too',
      optional: true,
    },
  ],
  takesSettings: true,
  options: {
    memory: field(z.string().nullable().default(null), {
      help: 'How much there may be, as `16GB`; unset is what this machine has free.',
    }),
    model: field(z.string().nullable().default(null), { help: 'Short for `model_name_or_path`.' }),
    data: field(z.string().nullable().default(null), { help: 'Short for `dataset`.' }),
  },

  async run(_job, context) {
    const { options } = context;
    const memory = options.memory === null ? availableMemory() : parseBytes(options.memory);
    if (memory === undefined) throw badSize(options.memory ?? '');
    const settings = [
      ...context.settings,
      ...(options.model === null ? [] : [`model_name_or_path=${options.model}`]),
      ...(options.data === null ? [] : [`dataset=${options.data}`]),
    ];
    const tried = await tryAll(settings, memory, context);
    const fit = fitInto(memory, tried);
    if (context.json) context.emit({ memory, ...fit });
    else for (const line of fitLines(memory, fit)) context.print(line);
    return fit.fitting.length > 0 ? undefined : 1;
  },
});

/** Shares of `cutoff_len`: the next is tried where nothing fits at the one before. */
const cutoffs = [1, 0.5, 0.25];

async function tryAll(
  settings: readonly string[],
  memory: number,
  context: Context,
): Promise<Tried[]> {
  const [file] = context.positionals;
  const jobOf = (choice: Choice): Job | undefined => {
    const overrides = [...settings, ...Object.entries(choice).map(([k, v]) => `${k}=${v}`)];
    try {
      return loadConfig({ file, overrides, command: 'fit' }).job;
    } catch (error) {
      // Not every way to tune goes with every setting.
      if (error instanceof TuneryError) return undefined;
      throw error;
    }
  };
  const plain = loadConfig({ file, overrides: settings, command: 'fit' }).job;
  const rows = await plannedRows(plain, context);
  const estimator = await nativeEngine().estimator();
  const tried: Tried[] = [];
  try {
    for (const quality of qualities) {
      for (const cutoff of cutoffs) {
        const cutoff_len = Math.floor(plain.data.cutoff_len * cutoff);
        const shapes = cutoff === 1 ? rows : cutOff(rows, cutoff_len);
        const attempt = async (way: Choice): Promise<Estimate | undefined> => {
          const job = jobOf({ ...quality.settings, ...way, cutoff_len });
          if (job === undefined) return undefined;
          context.progress(`tried ${tried.length} settings`);
          const request = { job, sample: sampleOf(job, shapes, quick) };
          const estimate = (await estimator.call('estimate', request, context.signal)) as Estimate;
          tried.push({ quality, way, cutoff, estimate });
          return estimate;
        };
        const smallest = await attempt(ways.at(-1)!);
        if (smallest === undefined || lasting(smallest) > memory) break;
        if (smallest.memory.total > memory) continue;
        for (const way of ways.slice(0, -1)) await attempt(way);
        break;
      }
    }
  } finally {
    context.progress(null);
    await estimator.close();
  }
  return tried;
}

/** Bytes that no way of computing a step can spare. */
const lasting = ({ memory: { kinds } }: Estimate): number =>
  kinds.weights + kinds.packed + kinds.trainable + kinds.optimizer + kinds.process;

function fitLines(memory: number, { fitting, tooLarge }: Fit): string[] {
  const line = ({ quality, way, cutoff, estimate }: Tried): string => {
    const rate = formatRate(estimate.step.tokens / estimate.step.seconds);
    const short = cutoff === 1 ? '' : `; rows cut at ${cutoff} of \`cutoff_len\``;
    return `  ${formatBytes(estimate.memory.total).padStart(8)}  ${rate.padStart(15)}  ${yamlOf({ ...quality.settings, ...way }).join(', ')}\n${' '.repeat(29)}gives up: ${quality.givesUp}${short}`;
  };
  const [best] = fitting;
  return [
    ...(fitting.length > 0 ? [`fits into ${formatBytes(memory)}, what gives up least first:`] : []),
    ...fitting.map(line),
    ...(tooLarge.length > 0 ? [`does not fit, at its smallest:`, ...tooLarge.map(line)] : []),
    ...(best ? ['', '# to use', ...yamlOf({ ...best.quality.settings, ...best.way })] : []),
  ];
}
