/** @file Holds what came out against what a vector says, and shows the first span that differs, with what is around it. */
import { isJsonObject, type JsonValue } from '../../src/files/json.ts';

/** A difference; its message is for people, and never long. */
export class Mismatch extends Error {}

const around = 40;
const longest = 400;

const show = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
};

/** Throws a Mismatch where the two differ; `what` names the value in the vector. */
export function compare(what: string, expected: JsonValue | undefined, actual: unknown): void {
  if (typeof expected === 'string' && typeof actual === 'string') {
    compareTexts(what, expected, actual);
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    const length = Math.max(expected.length, actual.length);
    for (let i = 0; i < length; i++) compare(`${what}[${i}]`, expected[i], actual[i]);
  } else if (isJsonObject(expected) && isJsonObject(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      compare(`${what}.${key}`, expected[key], actual[key]);
    }
  } else if (String(expected) !== String(actual) || typeof expected !== typeof actual) {
    throw new Mismatch(`${what}: expected ${show(expected)}, got ${show(actual)}`);
  }
}

function compareTexts(what: string, expected: string, actual: string): void {
  if (expected === actual) return;
  let at = 0;
  while (expected[at] === actual[at]) at++;
  const from = Math.max(0, at - around);
  const span = (text: string): string => JSON.stringify(text.slice(from, at + around));
  throw new Mismatch(
    `${what}, from character ${at}: expected …${span(expected)}…, got …${span(actual)}…`,
  );
}
