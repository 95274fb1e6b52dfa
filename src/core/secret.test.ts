import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from './secret.ts';

test('a secret shows itself only when asked', () => {
  const secret = new Secret('hf_word');
  expect(secret.reveal()).toBe('hf_word');
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    JSON.stringify(structuredClone(secret)),
  ];
  expect(shown.join(' ')).not.toContain('hf_word');
});
