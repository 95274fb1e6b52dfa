/** @file A setting's zod schema in other words: as JSON Schema, and as a phrase for people. */
import { z } from 'zod';
import type { Field } from '../core/field.ts';
import { Secret } from '../core/secret.ts';

export type JsonSchema = {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly [key: string]: unknown;
};

const trivial = (key: string, value: unknown): boolean =>
  key === '$schema' ||
  (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) ||
  (key === 'maximum' && value === Number.MAX_SAFE_INTEGER);

function tidy(schema: JsonSchema): JsonSchema {
  const entries = Object.entries(schema)
    .filter(([key, value]) => !trivial(key, value))
    .map(([key, value]) =>
      key === 'anyOf' && Array.isArray(value) ? [key, value.map(tidy)] : [key, value],
    );
  return Object.fromEntries(entries);
}

/** What a file may hold, before transforms. */
export function inputSchema(field: Field): JsonSchema {
  return tidy(z.toJSONSchema(field.schema, { io: 'input' }) as JsonSchema);
}

function range(schema: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (minimum !== undefined && minimum === maximum) return ` that is ${minimum}`;
  const parts: string[] = [];
  if (minimum !== undefined) parts.push(`from ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (maximum !== undefined) parts.push(`up to ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${exclusiveMaximum}`);
  return parts.length === 0 ? '' : ` ${parts.join(' ')}`;
}

function phrase(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf) {
    const arms = schema.anyOf.filter((arm) => arm.type !== 'null').map(phrase);
    return arms.includes('a list') ? 'a list, or text with commas' : arms.join(' or ');
  }
  if (Array.isArray(schema.type)) {
    const types: readonly string[] = schema.type;
    return types
      .filter((type) => type !== 'null')
      .map((type) => phrase({ ...schema, type }))
      .join(' or ');
  }
  switch (schema.type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'array':
      return schema.items?.enum ? `a list of ${phrase(schema.items)}` : 'a list';
    case 'object':
      return 'a map';
    default:
      return 'text';
  }
}

/** `a whole number from 1`, `one of …`: for error messages and docs. */
export function expected(field: Field): string {
  const schema = inputSchema(field);
  const words = phrase(schema);
  return schema.enum ? `one of ${words}` : words;
}

/** A value as people write it in YAML. */
export function display(value: unknown): string {
  if (value === undefined || value === null) return 'unset';
  if (typeof value === 'string') return value === '' ? '""' : value;
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(display).join(', ');
  if (value instanceof Secret) return String(value);
  if (typeof value === 'object') {
    const parts = Object.entries(value).map(([key, item]) => `${key}: ${display(item)}`);
    return `{${parts.join(', ')}}`;
  }
  return String(value);
}

/** What was found, for `… and this is …`. */
export function found(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'null';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text \`${value}\``;
  return typeof value === 'boolean' ? `${value}` : `the number ${value}`;
}

/** The plain default, or undefined for a key that has none. */
export function plainDefault(field: Field): unknown {
  const parsed = field.schema.safeParse(undefined);
  return parsed.success ? parsed.data : undefined;
}
