/** @file `config explain`: every value in force, where it came from, and what a setting means. */
import { chosenBy } from '../core/field.ts';
import { suggest } from '../core/suggest.ts';
import { allNames, canonicalKey } from './answer.ts';
import { unknownKey } from './errors.ts';
import { knownKeys } from './known-keys.ts';
import { formatOrigin, type Loaded } from './load.ts';
import { sectionList, settings } from './run-config.ts';
import { display, expected, plainDefault } from './schema-words.ts';

export type Explained = {
  readonly key: string;
  readonly section: string;
  readonly value: unknown;
  readonly origin: string;
};

/** Every setting with its value and origin, in the order of the sections. */
export function explainAll({ values, origins }: Pick<Loaded, 'values' | 'origins'>): Explained[] {
  return [...settings.values()].map(({ key, section }) => ({
    key,
    section: section.name,
    value: values[key] ?? null,
    origin: formatOrigin(origins.get(key) ?? { kind: 'default' }),
  }));
}

/** A table for the terminal, section by section. */
export function explainTable(loaded: Pick<Loaded, 'values' | 'origins'>): string {
  const rows = explainAll(loaded);
  const keyWidth = Math.max(...rows.map(({ key }) => key.length));
  const shown = rows.map((row) => ({ ...row, text: display(row.value) }));
  const valueWidth = Math.min(40, Math.max(...shown.map(({ text }) => text.length)));
  return sectionList
    .map(({ name, title }) => {
      const lines = shown
        .filter(({ section }) => section === name)
        .map(
          ({ key, text, origin }) =>
            `  ${key.padEnd(keyWidth)}  ${text.padEnd(valueWidth)}  ${origin}`,
        );
      return [title, ...lines].join('\n');
    })
    .join('\n\n');
}

/** One setting: its value, where it came from, and all that is known of it. */
export function explainKey(name: string, loaded: Pick<Loaded, 'values' | 'origins'>): string {
  const key = canonicalKey(name);
  const setting = settings.get(key);
  const renamed = key === name ? [] : [`\`${name}\` is called \`${key}\` here.`];
  if (!setting) {
    const known = knownKeys.get(key);
    if (!known) throw unknownKey({ file: 'config explain' }, name, suggest(name, allNames()));
    const word = known.answer === 'accepted' ? 'accepted' : 'not supported yet';
    return [...renamed, `${key}: ${word}; ${known.says}`].join('\n');
  }
  const { field, section } = setting;
  const { notes } = field;
  const usual = plainDefault(field);
  const derivation = section.derive?.[key];
  const line = (label: string, text: string) => `  ${label.padEnd(9)}  ${text}`;
  const lines = [
    ...renamed,
    `${key}: ${display(loaded.values[key])}`,
    line('from', formatOrigin(loaded.origins.get(key) ?? { kind: 'default' })),
    line('what', notes.help),
    line('takes', expected(field) + (notes.unit === undefined ? '' : ` (${notes.unit})`)),
    line(
      'default',
      (usual === undefined ? 'none: it must be set' : display(usual)) +
        (derivation ? `, or what follows from ${derivation.from.join(', ')}` : ''),
    ),
  ];
  if (notes.why !== undefined) lines.push(line('why', notes.why));
  if (notes.healthy) lines.push(line('usual', `${notes.healthy[0]} to ${notes.healthy[1]}`));
  for (const [value, says] of Object.entries(notes.accepted ?? {})) {
    lines.push(line('accepted', `${value === '*' ? 'any other value' : value}: ${says}`));
  }
  for (const [value, says] of Object.entries(notes.later ?? {})) {
    lines.push(line('not yet', `${value === '*' ? 'any other value' : value}: ${says}`));
  }
  for (const [command, values] of Object.entries(notes.laterIn ?? {})) {
    for (const [value, says] of Object.entries(values)) {
      lines.push(line('not yet', `${value}, in \`tunery ${command}\`: ${says}`));
    }
  }
  for (const [engine, otherwise] of Object.entries(notes.ofEngine ?? {})) {
    lines.push(line('only', `with \`${chosenBy(engine)}\`; otherwise ${otherwise}`));
  }
  if (notes.aliases) lines.push(line('also', notes.aliases.join(', ')));
  lines.push(line('section', section.title));
  return lines.join('\n');
}
