/** @file The learner whose ranks are processes of torch: it says which step comes, and they say what it came to. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../files/atomic.ts';
import { nonFinite, notACheckpoint } from '../../train/errors.ts';
import { evalMetrics, type Rows } from '../../train/evaluate.ts';
import type { TrainHost } from '../../train/host.ts';
import type { Learner, Plan } from '../../train/loop.ts';
import type { TrainSettings } from '../../train/settings.ts';
import { Account } from './torch-account.ts';
import type { Ranks } from './torch-ranks.ts';

/** JSON has no number that is none: it is null. */
const figure = z.number().nullable();

const Learned = z.object({
  loss: figure,
  grad_norm: figure,
  read: z.int(),
  rows: z.array(z.tuple([z.int(), figure, z.int()])),
  memory: z.array(z.number()),
  accounts: z.array(Account),
});
const Evaluated = z.record(z.string(), z.object({ sum: figure, targets: z.int() }));

export type TorchInput = {
  readonly settings: TrainSettings;
  readonly ranks: Ranks;
  readonly plan: Plan;
  readonly place: Rows['place'];
  readonly host: TrainHost;
  /** What stands beside the weights, by name. */
  readonly texts: () => Promise<Readonly<Record<string, string>>>;
  /** Told what each rank took in a step of this attempt: the second, or the only one. */
  readonly account: ((accounts: readonly Account[]) => void) | undefined;
};

/** How often the run shows that it is alive, and sees that it must end. */
const turnMs = 200;

export function torchLearner(
  input: TorchInput,
): Learner & { exportTo(folder: string): Promise<void> } {
  const { settings, ranks, plan, place, host, texts, account } = input;
  // Moments are there from the second step on.
  const first = host.resume?.step ?? 0;
  const accounted = Math.min(first + 2, plan.steps);
  const optimizer = !settings.save_only_model;

  const ask = async (command: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const answer = ranks.ask(command);
    const settled = answer.then(
      () => true,
      () => true,
    );
    const pause = (): Promise<boolean> =>
      new Promise((resolve) => setTimeout(() => resolve(false), turnMs));
    while (!(await Promise.race([settled, pause()]))) await host.turn();
    await host.turn();
    return answer;
  };

  const exportTo = async (folder: string): Promise<void> => {
    await ask({ do: 'export', folder });
    for (const [name, text] of Object.entries(await texts())) {
      writeFileAtomic(join(folder, name), text);
    }
  };

  return {
    exportTo,

    async learn(step, learningRate) {
      const rows = Array.from(plan.rows(step - 1));
      const targets = plan.targets(step - 1);
      const asked = { do: 'learn', step, learning_rate: learningRate, rows, targets };
      const accounts = account !== undefined && step === accounted;
      const done = Learned.parse(await ask({ ...asked, account: accounts }));
      if (accounts) account(done.accounts);
      const { loss, grad_norm: gradNorm } = done;
      if (loss === null || gradNorm === null) {
        const bad = done.rows.filter(([, sum]) => sum === null).map(([row]) => row);
        const [what, of] =
          loss === null ? (['loss', bad] as const) : (['gradient norm', rows] as const);
        throw nonFinite({ what, step, learningRate, rows: of, placeOf: place });
      }
      return {
        loss,
        gradNorm,
        tokens: { read: done.read, supervised: targets },
        metrics: {},
        memory: Math.max(...done.memory),
        rowLosses: {
          rows: done.rows.map(([row]) => row),
          sums: done.rows.map(([, sum]) => sum ?? Number.NaN),
          targets: done.rows.map(([, , count]) => count),
        },
      };
    },

    async evaluate() {
      const sets = Object.entries(Evaluated.parse(await ask({ do: 'evaluate' })));
      return evalMetrics(
        sets.map(([name, { sum, targets }]) => ({ name, sum: sum ?? Number.NaN, targets })),
      );
    },

    contents: () => ({
      tensors: [],
      async files(folder) {
        await ask({ do: 'save', folder, optimizer });
        await exportTo(folder);
      },
    }),

    async restore({ folder }, what) {
      if (!existsSync(join(folder, 'torch'))) {
        throw notACheckpoint(
          folder,
          'the torch engine did not write it, and goes on from its own only',
        );
      }
      await ask({ do: 'restore', folder, optimizer: what === 'all' });
    },
  };
}
