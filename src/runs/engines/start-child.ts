/**
 * @file Starts an engine's process. The launcher starts that of a training before anything else is loaded, so that both
 * processes load their modules at once; it imports next to nothing for that.
 */
import { type ChildProcess, fork } from 'node:child_process';
import module from 'node:module';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../../native/environment.ts';
import { trainsSoon } from './protocol.ts';

/** `.ts` in a clone, `.js` in a package. */
export const entryOf = (name: string): string =>
  fileURLToPath(new URL(`./${name}${import.meta.url.slice(-3)}`, import.meta.url));

let early: { readonly child: ChildProcess; readonly entry: string } | undefined;

/** Starts the process that a training on this machine will ask for. It holds nobody up, and ends with its parent. */
export function startEarly(args: readonly string[]): ChildProcess | undefined {
  // A detached one is started in another way, and help needs none.
  if (args.some((arg) => /^-h$|^--help|detach/.test(arg))) return undefined;
  const entry = entryOf('native-child');
  const child = forkChild(entry, { detached: false, args: [trainsSoon] });
  // A fault before anyone has asked for it is for another one to meet, and to tell.
  child.on('error', () => {});
  for (const each of handles(child)) each?.unref();
  early = { child, entry };
  return child;
}

/** Typed arrays cross as they are; Ctrl+C of the terminal reaches the child too, which ignores it. */
export function startChild(
  entry: string,
  { detached }: { readonly detached: boolean },
): ChildProcess {
  const begun = early;
  early = undefined;
  if (begun?.entry === entry && !detached && begun.child.connected) {
    for (const each of handles(begun.child)) each?.ref();
    return begun.child;
  }
  begun?.child.kill('SIGKILL');
  return forkChild(entry, { detached, args: [] });
}

const handles = (child: ChildProcess) => [
  child,
  child.channel,
  child.stderr instanceof Socket ? child.stderr : undefined,
];

function forkChild(
  entry: string,
  { detached, args }: { readonly detached: boolean; readonly args: readonly string[] },
): ChildProcess {
  // Its very first modules come from our cache too: it could turn that on for the later ones only.
  const cache = module.getCompileCacheDir();
  return fork(entry, args, {
    detached,
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', detached ? 'ignore' : 'pipe', 'ipc'],
    env: childEnvironment(cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }),
  });
}
