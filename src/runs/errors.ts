/** @file Errors of runs: folders, locks, resuming, and engines that died. */
import { defineError } from '../core/errors.ts';

export const runIsLive = defineError(
  'runs/is-live',
  (folder: string, pid: number, host: string | undefined, since: string) => ({
    message: `a run is going on in \`${folder}\` (process ${pid}${host === undefined ? '' : ` on ${host}`}, since ${since})`,
    place: { file: folder },
    help: 'wait for it, stop it with `tunery runs stop`, or choose another `output_dir`',
  }),
);

export const lockContended = defineError('runs/lock-contended', (folder: string) => ({
  message: `the lock of \`${folder}\` could not be taken: other commands keep starting on it`,
  place: { file: folder },
  help: 'start one run at a time on a folder',
}));

export const notRunning = defineError('runs/not-running', (folder: string) => ({
  message: `no run is going on in \`${folder}\``,
  place: { file: folder },
  help: 'name the `output_dir` of a running run; `tunery runs list` lists them',
}));

export const notARun = defineError('runs/not-a-run', (folder: string) => ({
  message: `\`${folder}\` is not the folder of a run`,
  place: { file: folder },
  help: 'name the `output_dir` of a run; `tunery runs list` lists those below `saves`',
}));

export const folderInUse = defineError('runs/folder-in-use', (folder: string, what: string) => ({
  message: `\`output_dir\` is \`${folder}\`, which already holds ${what}, and \`overwrite_output_dir\` is false`,
  place: { file: folder },
  help: 'set `overwrite_output_dir: true` to move it to `<output_dir>.bak-N` and start anew, `resume_from_checkpoint: true` to go on from its last checkpoint, or choose another `output_dir`',
}));

export const otherRun = defineError(
  'runs/other-run',
  (folder: string, differences: readonly string[], resuming: boolean) => ({
    message: `the run in \`${folder}\` is not this one: ${differences.join('; ')}`,
    place: { file: folder },
    help: resuming
      ? 'put back what was changed, or train anew: take `resume_from_checkpoint` out and set `overwrite_output_dir: true`, which moves the earlier run to `<output_dir>.bak-N`'
      : 'set `overwrite_output_dir: true` to move it to `<output_dir>.bak-N` and start anew, put back what was changed to go on from it (`resume_from_checkpoint: true`), or choose another `output_dir`',
  }),
);

export const cannotMoveAside = defineError(
  'runs/cannot-move',
  (folder: string, to: string, why: string) => ({
    message: `\`${folder}\` holds an earlier run, and it cannot be moved to \`${to}\`: ${why}`,
    place: { file: folder },
    help: 'move or rename it by hand, or choose another `output_dir`',
  }),
);

export const engineKilled = defineError(
  'runs/engine-killed',
  (signal: string, why: string, howToGoOn: string) => ({
    message: `the engine's process was ended by ${signal}${why}`,
    help: howToGoOn,
  }),
);

export const engineCrashed = defineError(
  'runs/engine-crashed',
  (code: number, said: string, howToGoOn: string) => ({
    message: `the engine's process ended with code ${code} and no result${said === '' ? '' : `; its last words were: ${said}`}`,
    help: howToGoOn,
  }),
);

export const engineSilent = defineError('runs/engine-silent', (what: string) => ({
  message: `the engine's process ended while ${what} was asked of it`,
  help: 'see the message before this one; ask again to start a new process',
}));

export const parentGone = defineError('runs/parent-gone', () => ({
  message: 'the command that started this run is gone, and the run was not started with `--detach`',
  help: 'run it again with `resume_from_checkpoint: true` to go on from the last checkpoint',
}));
