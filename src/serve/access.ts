/** @file Who may ask: a key where there is one, and on loopback only those who call this machine by its own name. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { keyRequired } from './errors.ts';

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/** An address that others can reach is refused without a key. */
export function checkAccess(host: string, key: string | undefined): void {
  if (key === undefined && !isLoopback(host)) throw keyRequired(host);
}

/** Whether an `Authorization` header carries the key; how long it takes tells nothing of the key. */
export function hasKey(header: string | undefined, key: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const given = /^Bearer (.*)$/is.exec(header ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(key));
}

/**
 * Whether a `Host` header names this machine itself. A page in a browser can point its own name at 127.0.0.1
 * and then read what a server there answers, but it cannot change what that header says.
 */
export function namesLoopback(header: string | undefined): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(header ?? '')?.[1];
  return host !== undefined && isLoopback(host);
}
