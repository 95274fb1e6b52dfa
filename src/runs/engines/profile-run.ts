/** @file A run whose second step, and some more, are profiled into a file. */
import { resolve } from 'node:path';
import type { Memory } from '../../engine/memory.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { peakProbe } from '../../kernels/gemm.ts';
import type { TrainHost } from '../../train/host.ts';
import { Profile } from '../../train/profile.ts';

/** The first step touches fresh memory and compiles code; two more tell how they differ. */
const skipped = 1;
const profiled = 2;

/** The loop's host while a profile is made; the file is written as soon as the steps are done. */
export function profilingHost(
  host: TrainHost,
  { file, memory, totalSteps }: { file: string; memory: Memory; totalSteps: number },
): TrainHost {
  const first = Math.min(skipped, totalSteps - 1);
  const last = Math.min(first + profiled, totalSteps);
  const profile = new Profile(memory);
  // A place that cannot be written is told before the first step, not in the midst of a training.
  writeFileAtomic(file, profile.json());
  let done = 0;
  if (first === 0) profile.start();
  return {
    ...host,
    emit(event) {
      host.emit(event);
      if (event.type !== 'step-end') return;
      done++;
      if (profile.recording) profile.step(event.step);
      if (profile.recording && done === last) {
        profile.stop();
        writeFileAtomic(file, profile.json());
        host.emit({
          type: 'profile',
          file: resolve(file),
          steps: last - first,
          peak: peakProbe.run(0.2),
          dropped: profile.dropped,
          ops: profile.ops.map(({ kernelSeconds, ...sums }) => ({
            ...sums,
            kernel_seconds: kernelSeconds,
          })),
        });
      } else if (done === first && last > first) profile.start();
    },
  };
}
