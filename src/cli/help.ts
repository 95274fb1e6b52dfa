/** @file The text of `--help`, for the program and for each command. */
import { expected, plainDefault } from '../config/schema-words.ts';
import { flagKind, flagLines, optionLine } from '../config/to-flags.ts';
import type { Command, CommandTable } from './command.ts';

const globalOptions = [
  optionLine('--json', 'Print JSON lines for programs.'),
  optionLine('--help, --help-all', 'Print this; with `-all`, the advanced settings too.'),
];

/** All commands, or those that begin with a word. */
export async function programHelp(commands: CommandTable, prefix?: string): Promise<string> {
  const names = Object.keys(commands)
    .filter((name) => prefix === undefined || name.startsWith(`${prefix} `))
    .sort();
  const list = await Promise.all(names.map(async (name) => commands[name]?.()));
  return [
    'Usage: tunery COMMAND [FILE.yaml] [key=value …]',
    '',
    'Fine-tune large language models from one YAML file.',
    '',
    'Commands:',
    ...list.flatMap((command) =>
      command ? [`  ${command.name.padEnd(16)}  ${command.summary}`] : [],
    ),
    '',
    '`tunery COMMAND --help` tells more; `tunery --version` prints the version.',
    'Exit codes: 0 done, 1 failed, 2 the command line or the settings need a change, 130 stopped.',
  ].join('\n');
}

/** `tunery train [FILE.yaml] [OPTIONS] [key=value …]` */
export function usageLine(command: Command): string {
  const { name, sections, positionals, options, takesSettings } = command;
  const places = [
    ...(sections.length > 0 ? ['[FILE.yaml]'] : []),
    ...positionals.map((place) => (place.optional ? `[${place.name}]` : place.name)),
    ...(Object.keys(options).length > 0 ? ['[OPTIONS]'] : []),
    ...(takesSettings ? ['[key=value …]'] : []),
  ];
  return `tunery ${[name, ...places].join(' ')}`;
}

export function commandHelp(command: Command, all: boolean): string {
  const { name, summary, examples, sections, positionals, options } = command;
  const lines = [`Usage: ${usageLine(command)}`, '', summary, '', 'Examples:'];
  lines.push(...examples.map((example) => `  ${example}`));
  if (positionals.length > 0) {
    lines.push('', 'Arguments:', ...positionals.map(({ name, help }) => optionLine(name, help)));
  }
  lines.push('', 'Options:');
  for (const [option, field] of Object.entries(options)) {
    const kind = flagKind(field);
    const usual = plainDefault(field);
    const basis = kind === 'switch' || usual === undefined || usual === null ? '' : ` [${usual}]`;
    const flag = `--${option.replaceAll('_', '-')}${kind === 'value' ? ' VALUE' : ''}`;
    const takes = kind === 'value' ? ` Takes ${expected(field)}.` : '';
    lines.push(optionLine(flag, `${field.notes.help}${takes}${basis}`));
  }
  lines.push(...globalOptions);
  for (const section of sections) {
    const flags = flagLines(section, all);
    if (flags.length > 0) {
      lines.push(
        '',
        `${section.title} (in the file, or as \`--key value\` or \`key=value\`):`,
        ...flags,
      );
    }
  }
  if (sections.length > 0 && !all) {
    lines.push('', `\`tunery ${name} --help-all\` shows the advanced settings too.`);
  }
  return lines.join('\n');
}
