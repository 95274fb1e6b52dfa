/** @file Splits a command's arguments: its own options, its positionals, and settings as `key=value`. */

import { expected, found, plainDefault } from '../config/schema-words.ts';
import { flagKind, settingFlagKind } from '../config/to-flags.ts';
import type { Fields } from '../core/field.ts';
import { suggest } from '../core/suggest.ts';
import { badOption, missingValue, unknownOption } from './errors.ts';

export type Split = {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  /** `key=value`, in order. */
  readonly settings: readonly string[];
  readonly help: boolean;
  readonly helpAll: boolean;
  readonly json: boolean;
};

const isBooleanWord = (text: string | undefined): boolean =>
  text !== undefined && /^(true|false|yes|no|on|off)$/i.test(text);

/** A value that stands by itself after a flag: anything but another flag. Negative numbers are values. */
const isValue = (text: string | undefined): text is string =>
  text !== undefined && (!text.startsWith('-') || /^-(\d|\.\d|$)/.test(text));

export function splitArguments(
  args: readonly string[],
  command: { readonly name: string; readonly options?: Fields; readonly takesSettings: boolean },
): Split {
  const { takesSettings } = command;
  // Without a prototype, so that `--constructor` is no option.
  const own: Fields = Object.assign(Object.create(null), command.options);
  const positionals: string[] = [];
  const settings: string[] = [];
  const given = new Map<string, unknown>();
  const globals = { help: false, helpAll: false, json: false };

  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--') {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (arg === '-h' || arg === '--help') globals.help = true;
    else if (arg === '--help-all' || arg === '--help_all') globals.helpAll = true;
    else if (arg === '--json') globals.json = true;
    else if (!arg.startsWith('--')) {
      const setting = takesSettings && /^[A-Za-z_][\w-]*=/.test(arg);
      (setting ? settings : positionals).push(setting ? underscored(arg) : arg);
    } else {
      const [flag = '', inline] = splitOnce(arg.slice(2));
      const name = flag.replaceAll('-', '_');
      const field = own[name];
      const negated = name.startsWith('no_') ? name.slice(3) : undefined;
      const off =
        negated !== undefined && (own[negated] ? flagKind(own[negated]) : settingFlagKind(negated));
      if (
        !field &&
        off &&
        off !== 'value' &&
        settingFlagKind(name) === undefined &&
        inline === undefined
      ) {
        if (own[negated ?? '']) given.set(negated ?? '', false);
        else settings.push(`${negated}=false`);
        continue;
      }
      if (!field && !takesSettings) {
        throw unknownOption(arg, command.name, nearOption(flag, Object.keys(own)));
      }
      const kind = field ? flagKind(field) : (settingFlagKind(name) ?? 'either');
      const next = args[i + 1];
      let text = inline;
      if (text === undefined && (kind === 'switch' ? isBooleanWord(next) : takesNext(kind, next))) {
        text = next;
        i++;
      }
      if (text === undefined && kind === 'value') throw missingValue(`--${flag}`);
      if (field) given.set(name, text ?? true);
      else settings.push(`${name}=${text ?? 'true'}`);
    }
  }
  return { positionals, settings, options: readOptions(own, given), ...globals };
}

/** `--unknown FILE.yaml key=value`: neither a settings file nor a setting is the value of a flag that may stand alone. */
function takesNext(kind: 'either' | 'value', next: string | undefined): boolean {
  if (!isValue(next)) return false;
  return kind === 'value' || !/^[A-Za-z_]\w*=|\.(ya?ml|json)$/i.test(next);
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function underscored(setting: string): string {
  const [key, value] = splitOnce(setting);
  return `${key.replaceAll('-', '_')}=${value}`;
}

function nearOption(flag: string, names: readonly string[]): string | undefined {
  const near = suggest(flag.replaceAll('-', '_'), [...names, 'json', 'help']);
  return near === undefined ? undefined : `--${near.replaceAll('_', '-')}`;
}

function readOptions(own: Fields, given: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(own)) {
    const value = given.get(name);
    if (value === undefined) {
      options[name] = plainDefault(field);
      continue;
    }
    const readings = [value, ...otherReadings(value)];
    const parsed = readings
      .map((reading) => field.schema.safeParse(reading))
      .find((result) => result.success);
    if (!parsed) throw badOption(`--${name.replaceAll('_', '-')}`, expected(field), found(value));
    options[name] = parsed.data;
  }
  return options;
}

function otherReadings(value: unknown): unknown[] {
  if (typeof value !== 'string') return [];
  if (/^(true|yes|on)$/i.test(value)) return [true];
  if (/^(false|no|off)$/i.test(value)) return [false];
  return value.trim() !== '' && Number.isFinite(Number(value)) ? [Number(value)] : [];
}
