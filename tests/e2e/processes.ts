/** @file Processes that a process has started, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export type Child = { readonly pid: number; readonly command: string };

export function childrenOf(parent: number): Child[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [, ppid] = /\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      if (Number(ppid) !== parent) return [];
      return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8') }];
    } catch {
      return [];
    }
  });
}

export const descendantsOf = (parent: number): number[] =>
  childrenOf(parent).flatMap(({ pid }) => [pid, ...descendantsOf(pid)]);
