/** @file `tunery.schema.json`, for editors (`# yaml-language-server: $schema=…`). */
import { formerNames, knownKeys } from './known-keys.ts';
import { settings } from './run-config.ts';
import { inputSchema, type JsonSchema, plainDefault } from './schema-words.ts';

/** Null means "unset" for every key. */
function orNull(schema: JsonSchema): JsonSchema {
  if (schema.enum) return { ...schema, enum: [...schema.enum, null], type: ['string', 'null'] };
  if (schema.type !== undefined) {
    return { ...schema, type: [...new Set([schema.type, 'null'].flat())] };
  }
  if (schema.anyOf?.some(({ type }) => type === 'null')) return schema;
  return { ...schema, anyOf: [...(schema.anyOf ?? []), { type: 'null' }] };
}

export function toJsonSchema(): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [key, { field, section }] of settings) {
    const { help, why, unit, aliases = [] } = field.notes;
    const description = [
      help,
      unit === undefined ? undefined : `Unit: ${unit}.`,
      why,
      `Section: ${section.title}.`,
    ].filter((part) => part !== undefined);
    const schema = orNull(inputSchema(field));
    const usual = plainDefault(field);
    properties[key] = {
      description: description.join(' '),
      ...schema,
      ...(usual === undefined || usual === null ? {} : { default: usual }),
    };
    for (const alias of aliases) {
      properties[alias] = { ...schema, description: `Use \`${key}\`.`, deprecated: true };
    }
  }
  for (const [key, { answer, says }] of knownKeys) {
    const word = answer === 'accepted' ? 'Accepted' : 'Not supported yet';
    properties[key] = { description: `${word}: ${says}.`, deprecated: true };
  }
  for (const [former, key] of formerNames) {
    properties[former] = { description: `Use \`${key}\`.`, deprecated: true };
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Tunery settings',
    type: 'object',
    properties,
    patternProperties: { '^(x-|<<$)': {} },
    additionalProperties: false,
  };
}
