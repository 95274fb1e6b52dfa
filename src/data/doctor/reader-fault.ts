/** @file The kind of finding that a fault of a reader is: one that is known, or whatever else the reader refuses. */
import type { Kind } from './check.ts';
import { kindsByCode } from './checks/index.ts';

/** Of codes that readers of files have to themselves: a broken archive, a table that is none. */
const unreadable = {
  severity: 'error',
  title: 'a file, or a row of it, cannot be read',
  help: 'mend the file, or take it from its source again',
  fix: { how: 'drop', what: 'leaves out what cannot be read' },
} as const;

export const kindOfReaderFault = (code: string, help: string = unreadable.help): Kind =>
  kindsByCode.get(code) ?? { ...unreadable, code, help };
