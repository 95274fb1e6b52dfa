/** @file Errors of a thread that encodes, on their way to the one that waits for it. */
import { defineError, type Place, TuneryError } from '../core/errors.ts';

export type SentError =
  | {
      readonly code: string;
      readonly message: string;
      readonly place: Place | undefined;
      readonly help: string | undefined;
    }
  | { readonly stack: string };

export function sendError(error: unknown): SentError {
  if (error instanceof TuneryError) {
    const { code, message, place, help } = error;
    return { code, message, place, help };
  }
  return { stack: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function restoreError(sent: SentError): Error {
  if ('stack' in sent)
    return Object.assign(new Error(sent.stack.split('\n')[0]), { stack: sent.stack });
  const { code, ...explained } = sent;
  return new TuneryError(code, explained);
}

export const encoderEnded = defineError('data/thread-ended', (why: string) => ({
  message: `a thread that tokenizes ended: ${why}`,
  help: 'where memory is short, set `preprocessing_num_workers: 1`',
}));
