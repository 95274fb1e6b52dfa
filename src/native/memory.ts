/** @file Mapped files, aligned buffers, and how much memory there is. */
import { readFileSync } from 'node:fs';
import { addon } from './addon.ts';
import { fileNotMapped, outOfMemory } from './errors.ts';

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * A whole file as memory, read page by page when touched, unmapped when collected. Writes to it stay in
 * this process. Throws `native/file-not-mapped`.
 */
export function mapFile(path: string): Uint8Array<ArrayBuffer> {
  const { mapFile: map } = addon();
  let buffer: ArrayBuffer | null;
  try {
    buffer = map(path);
  } catch (error) {
    throw fileNotMapped(path, reason(error));
  }
  return new Uint8Array(buffer ?? new ArrayBuffer(0));
}

/**
 * Gives the whole pages inside `bytes` back to the system. A mapped file is read again when next touched
 * (what was written to it is gone); memory of `allocate` then holds zeros. False, and nothing done, for
 * memory of any other origin.
 */
export function dropPages(bytes: ArrayBufferView): boolean {
  return addon()['dropPages'](new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** Zeroed memory at a multiple of 64 bytes, in huge pages from 4 MB on, freed when collected. */
export function allocate(bytes: number): ArrayBuffer {
  if (bytes === 0) return new ArrayBuffer(0);
  const { allocate: take } = addon();
  try {
    return take(bytes);
  } catch (error) {
    throw outOfMemory(bytes, reason(error));
  }
}

/** Bytes that this process could still take, within the limits of its container. */
export function availableMemory(): number {
  return process.availableMemory();
}

/** Bytes in physical memory now. */
export function residentMemory(): number {
  return process.memoryUsage.rss();
}

/** The most bytes that were ever in physical memory at once (`VmHWM`). */
export function peakMemory(): number {
  return statusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024;
}

/** A size from /proc/self/status; undefined where there is none. */
function statusBytes(key: string): number | undefined {
  let status: string;
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    return undefined;
  }
  const kilobytes = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
