/** @file Arguments of methods and filters by place or name, checked as Python checks them. */
import { JinjaError } from './limits.ts';
import { isInteger, type Named, typeName, Undefined, type Value } from './values.ts';

/** The values of named parameters; undefined where one is not given. */
export function bind(
  what: string,
  names: readonly string[],
  args: readonly Value[],
  named: Named,
  required = 0,
): readonly (Value | undefined)[] {
  if (args.length > names.length)
    throw new JinjaError(
      `${what}() takes at most ${names.length} arguments (${args.length} given)`,
    );
  const values: (Value | undefined)[] = [...args];
  for (const [name, value] of named) {
    const at = names.indexOf(name);
    if (at < 0) throw new JinjaError(`${what}() got an unexpected keyword argument '${name}'`);
    if (at < args.length)
      throw new JinjaError(`${what}() got multiple values for argument '${name}'`);
    values[at] = value;
  }
  for (let i = 0; i < required; i++) {
    if (values[i] === undefined)
      throw new JinjaError(`${what}() missing a required argument: '${names[i]}'`);
  }
  return values;
}

export function textOf(value: Value, what: string): string {
  if (typeof value === 'string') return value;
  throw new JinjaError(`${what} must be str, not ${typeName(value)}`);
}

export function indexOf(value: Value, what: string): number {
  if (isInteger(value) || typeof value === 'boolean') return Number(value);
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`${what} must be an integer, not ${typeName(value)}`);
}
