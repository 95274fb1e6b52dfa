/**
 * @file One definition for a setting: a zod schema with the sentences that people need. YAML check,
 * flags, JSON Schema, docs and `config explain` are all made from it.
 */
import type { z } from 'zod';

export type Notes = {
  /** One sentence: what it does. */
  readonly help: string;
  /** Why the default is what it is. */
  readonly why?: string;
  readonly unit?: string;
  /** Bounds outside which a gentle warning is due. */
  readonly healthy?: readonly [number, number];
  readonly level?: 'simple' | 'advanced';
  /** Other names by which people know it (LLaMA-Factory's former names, Hugging Face's). */
  readonly aliases?: readonly string[];
  /** Values that are accepted, with what happens instead, in one line each. */
  readonly accepted?: Readonly<Record<string, string>>;
};

export type Field<Schema extends z.ZodType = z.ZodType> = {
  readonly schema: Schema;
  readonly notes: Notes;
};

export function field<Schema extends z.ZodType>(schema: Schema, notes: Notes): Field<Schema> {
  return { schema, notes };
}

export type Fields = Readonly<Record<string, Field>>;
export type Resolved<F extends Fields> = {
  readonly [Key in keyof F]: F[Key] extends Field<infer Schema> ? z.output<Schema> : never;
};

/** A conflict between keys: said with both keys, why, and the fix. */
export type Conflict = {
  readonly keys: readonly string[];
  readonly message: string;
  readonly help: string;
};

/** Any resolved keys of the whole configuration: rules may look beyond their own section. */
export type Values = Readonly<Record<string, unknown>>;

export type Section<F extends Fields = Fields> = {
  readonly name: string;
  readonly title: string;
  readonly fields: F;
  /** Defaults that follow from other keys; only for keys that the user left unset. */
  readonly derive?: (values: Values) => Values;
  readonly rules?: readonly ((values: Values) => Conflict | undefined)[];
};

/** A group of settings, owned by the folder that uses them. Keys are flat and global. */
export function section<F extends Fields>(
  name: string,
  title: string,
  fields: F,
  more: Pick<Section, 'derive' | 'rules'> = {},
): Section<F> {
  return { name, title, fields, ...more };
}

/** The resolved type of a section: `type Train = SectionOf<typeof trainSection>`. */
export type SectionOf<S> = S extends Section<infer F> ? Resolved<F> : never;
