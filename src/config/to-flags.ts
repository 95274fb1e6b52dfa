/** @file Settings as arguments: which take a value, and how `--help` lists them. */
import type { Field, Section } from '../core/field.ts';
import { canonicalKey } from './answer.ts';
import { settings } from './run-config.ts';
import { display, plainDefault } from './schema-words.ts';

/** `switch`: `--key` alone means true. `either`: it may take a value too. */
export type FlagKind = 'switch' | 'either' | 'value';

export function flagKind(field: Field): FlagKind {
  if (!field.schema.safeParse(true).success) return 'value';
  return field.schema.safeParse('some/path').success ? 'either' : 'switch';
}

/** Undefined for a name that is no setting. */
export function settingFlagKind(name: string): FlagKind | undefined {
  const setting = settings.get(canonicalKey(name));
  return setting && flagKind(setting.field);
}

/** Lines of `--help` for one section; advanced settings only when all are asked for. */
export function flagLines({ fields, derive = {} }: Section, all: boolean): string[] {
  const shown = Object.entries(fields).filter(([, { notes }]) => all || notes.level !== 'advanced');
  return shown.map(([key, field]) => {
    const usual = plainDefault(field);
    const from = derive[key]?.from.join(', ');
    const basis = from === undefined ? display(usual) : `from ${from}`;
    return optionLine(`--${key}`, `${field.notes.help}${usual === undefined ? '' : ` [${basis}]`}`);
  });
}

export function optionLine(name: string, text: string): string {
  return `  ${name.padEnd(32)}  ${text}`;
}
