import { expect, test } from 'vitest';
import { checkAccess, hasKey, namesLoopback } from './access.ts';

test.each([
  ['localhost', true],
  ['localhost:8000', true],
  ['127.0.0.1:8000', true],
  ['127.1.2.3', true],
  ['[::1]:8000', true],
  ['LocalHost:1', true],
  ['evil.example:8000', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['10.0.0.1', false],
  ['[::]:80', false],
  ['', false],
  [undefined, false],
])('a request for %s names this machine: %s', (header, expected) => {
  expect(namesLoopback(header)).toBe(expected);
});

test('an address that others can reach wants a key', () => {
  for (const host of ['127.0.0.1', 'localhost', '::1']) checkAccess(host, undefined);
  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'box.example']) {
    expect(() => checkAccess(host, undefined)).toThrow(/no key/);
    checkAccess(host, 'secret-key');
  }
});

test('the key is the whole of what stands after Bearer', () => {
  expect(hasKey('Bearer secret-key', 'secret-key')).toBe(true);
  expect(hasKey('bearer secret-key', 'secret-key')).toBe(true);
  for (const header of [undefined, '', 'secret-key', 'Bearer secret-ke', 'Bearer secret-key2']) {
    expect(hasKey(header, 'secret-key')).toBe(false);
  }
});
