/**
 * @file One definition for a setting: a zod schema with the sentences that people need. YAML check,
 * flags, JSON Schema, docs and `config explain` are all made from it.
 */
import { z } from 'zod';

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
  /** Values that are accepted, with what happens instead, in one line each; `*` is any value but the default. */
  readonly accepted?: Readonly<Record<string, string>>;
  /** An engine that does what is written, so that nothing of `accepted` happens instead. */
  readonly servedBy?: string;
  /** Values that LLaMA-Factory or Hugging Face define and nothing here implements yet, with the alternative; `*` is any. */
  readonly later?: Readonly<Record<string, string>>;
  /** Values that some commands cannot serve yet, command by command, with the alternative. */
  readonly laterIn?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Values that mean the same as leaving the key out, so that a derived default applies. Null always does. */
  readonly unset?: readonly (string | number | boolean)[];
  /** Only this engine, or this backend of inference, has it; with any other it is as good as not written, and this line says why. */
  readonly ofEngine?: Readonly<Record<string, string>>;
  /** Commands that cannot run without it. Such a key has no default. */
  readonly requiredBy?: readonly string[];
};

/** The setting that chooses what `ofEngine` names. */
export const chosenBy = (engine: string): string =>
  `${engine === 'vllm' ? 'infer_backend' : 'engine'}: ${engine}`;

export type Field<Schema extends z.ZodType = z.ZodType> = {
  readonly schema: Schema;
  readonly notes: Notes;
};

export function field<Schema extends z.ZodType>(schema: Schema, notes: Notes): Field<Schema> {
  return { schema, notes };
}

/** A list, as a YAML list or as text with commas (LLaMA-Factory's manner). */
export function textList() {
  return z.union([z.array(z.string()), z.string()]).transform((value): string[] => {
    const items = typeof value === 'string' ? value.split(',') : value;
    return items.map((item) => item.trim()).filter((item) => item !== '');
  });
}

/** Numbers, as a YAML list or as text with commas. */
export function numberList() {
  return z
    .union([z.array(z.number()), z.number(), z.string()])
    .transform((value, context): number[] => {
      const items = typeof value === 'string' ? value.split(',') : [value].flat();
      const numbers = items.filter((item) => item !== '').map(Number);
      if (numbers.every((item) => Number.isFinite(item))) return numbers;
      context.addIssue({ code: 'custom', message: 'expected numbers' });
      return z.NEVER;
    });
}

export type Fields = Readonly<Record<string, Field>>;
export type Resolved<F extends Fields> = {
  readonly [Key in keyof F]: F[Key] extends Field<infer Schema> ? z.output<Schema> : never;
};

/** Any resolved keys of the whole configuration: rules may look beyond their own section. */
export type Values = Readonly<Record<string, unknown>>;

/** What a rule may know beside the values. */
export type Given = {
  /** `train`, `chat`, `export`, …; `config` when nothing is going to run. */
  readonly command: string;
  /** Whether the command runs a training, or says what one would take. */
  readonly training: boolean;
  /** Whether the user set the key (in the file or on the command line). */
  has(key: string): boolean;
};

const ofTraining: readonly string[] = ['train', 'estimate', 'fit'];
export const isTraining = (command: string): boolean => ofTraining.includes(command);

/** A conflict between keys: said with both keys, why, and the fix. */
export type Conflict = {
  readonly keys: readonly string[];
  readonly message: string;
  readonly help: string;
  /** A warning lets the run go on. */
  readonly severity?: 'error' | 'warning';
};

/** A default that follows from other keys; only for a key that the user left unset. */
export type Derivation<V = Values> = {
  /** The keys it follows from, for `config explain`. */
  readonly from: readonly string[];
  /** The value, or undefined where the plain default stands. */
  value(values: V, given: Given): unknown;
};

export type Rule<V = Values> = {
  // A method, so that a section of known keys fits where any section is asked for.
  check(values: V, given: Given): Conflict | undefined;
}['check'];

export type SectionExtras<V = Values> = {
  /** Taken in the order they stand in: a later one may read what an earlier one gave. */
  readonly derive?: Readonly<Record<string, Derivation<V>>>;
  readonly rules?: readonly Rule<V>[];
};

export type Section<F extends Fields = Fields> = SectionExtras<Resolved<F> & Values> & {
  readonly name: string;
  readonly title: string;
  readonly fields: F;
};

/** A group of settings, owned by the folder that uses them. Keys are flat and global. */
export function section<F extends Fields>(
  name: string,
  title: string,
  fields: F,
  more: SectionExtras<Resolved<F> & Values> = {},
): Section<F> {
  return { name, title, fields, ...more };
}

/** The resolved type of a section: `type Train = SectionOf<typeof trainSection>`. */
export type SectionOf<S> = S extends Section<infer F> ? Resolved<F> : never;
