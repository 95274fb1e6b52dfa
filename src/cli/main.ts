/** @file The command line: finds the command, loads its settings, runs it, and turns errors into paragraphs and exit codes. */

import { configLines, type Loaded, loadConfig, resolveConfig } from '../config/load.ts';
import { formatError, TuneryError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';
import { environment } from '../native/environment.ts';
import { splitArguments } from './arguments.ts';
import { type Command, type CommandTable, type Context, exitCodes } from './command.ts';
import { commands } from './commands/index.ts';
import { extraArgument, laterCommand, missingArgument, unknownCommand } from './errors.ts';
import { commandHelp, programHelp } from './help.ts';
import { packageVersion } from './version.ts';

/** Where a command's words go; a test hands its own in. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly isTTY: boolean;
  readonly columns: number;
};

/** Runs one command line; resolves to the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  table: CommandTable = commands,
): Promise<number> {
  const json = args.includes('--json');
  try {
    return await dispatch(args, terminal, table);
  } catch (error) {
    return report(error, terminal, json);
  }
}

async function dispatch(
  args: readonly string[],
  terminal: Terminal,
  table: CommandTable,
): Promise<number> {
  const [first = ''] = args;
  if (first === '--version' || first === '-V') {
    terminal.out(`tunery ${packageVersion()}\n`);
    return exitCodes.ok;
  }
  if (first === 'help') return dispatch([...args.slice(1), '--help'], terminal, table);
  if (first === '' || first === '--help' || first === '-h') {
    terminal.out(`${await programHelp(table)}\n`);
    return first === '' ? exitCodes.usage : exitCodes.ok;
  }
  const [name, rest] = findCommand(args, table);
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!load) {
    if (Object.keys(table).some((known) => known.startsWith(`${first} `))) {
      const [second] = args.slice(1);
      if (second !== undefined && !second.startsWith('-'))
        throw unknown(`${first} ${second}`, table);
      terminal.out(`${await programHelp(table, first)}\n`);
      return second === undefined ? exitCodes.usage : exitCodes.ok;
    }
    const instead = Object.hasOwn(laterCommands, first) ? laterCommands[first] : undefined;
    throw instead === undefined ? unknown(first, table) : laterCommand(first, instead);
  }
  return runCommand(await load(), rest, terminal);
}

const laterCommands: Readonly<Record<string, string>> = {
  eval: '`tunery train` with `do_eval: true` and `eval_dataset` measures loss and perplexity',
  webui: '`tunery train` starts a run, `tunery runs watch` follows it',
  webchat: '`tunery chat` asks the model in the terminal, `tunery api` serves it',
};

/** The longest name that the arguments begin with. */
function findCommand(
  args: readonly string[],
  table: CommandTable,
): [name: string, rest: readonly string[]] {
  const two = args.slice(0, 2).join(' ');
  return Object.hasOwn(table, two) ? [two, args.slice(2)] : [args[0] ?? '', args.slice(1)];
}

function unknown(name: string, table: CommandTable): TuneryError {
  return unknownCommand(
    name,
    suggest(
      name,
      Object.keys(table).flatMap((known) => [known, known.split(' ')[0] ?? known]),
    ),
  );
}

async function runCommand(
  command: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const split = splitArguments(args, command);
  if (split.help || split.helpAll) {
    terminal.out(`${commandHelp(command, split.helpAll)}\n`);
    return exitCodes.ok;
  }
  const takesFile = command.sections.length > 0;
  const file = takesFile ? split.positionals[0] : undefined;
  const positionals = takesFile ? split.positionals.slice(1) : split.positionals;
  const absent = command.positionals[positionals.length];
  if (absent && !absent.optional) throw missingArgument(command.name, absent.name, absent.help);
  const extra = positionals[command.positionals.length];
  if (extra !== undefined) throw extraArgument(command.name, extra);
  if (takesFile && file === undefined && split.settings.length === 0) {
    throw missingArgument(
      command.name,
      'FILE.yaml',
      'the settings file (or settings, as `key=value`)',
    );
  }

  const load = () => loadConfig({ file, overrides: split.settings, command: command.name });
  const loaded = takesFile ? load() : undefined;
  const interrupt = new AbortController();
  const listeners: (() => void)[] = [];
  const onSignal = (): void => {
    const listener = listeners.at(-1);
    if (listener) listener();
    else if (interrupt.signal.aborted) process.exit(exitCodes.stopped);
    else interrupt.abort();
  };
  process.on('SIGINT', onSignal);
  let status = '';
  const clear = (): void => {
    if (status !== '') terminal.error('\r\u001B[2K');
    status = '';
  };
  const { isTTY, columns } = terminal;
  const { json } = split;
  const context: Context = {
    print(text = '') {
      clear();
      (json ? terminal.error : terminal.out)(`${text}\n`);
    },
    note(text) {
      clear();
      terminal.error(`${text}\n`);
    },
    emit(value) {
      terminal.out(`${JSON.stringify(value)}\n`);
    },
    write(text) {
      clear();
      terminal.out(text);
    },
    progress(text) {
      if (!isTTY || json) return;
      clear();
      if (text === null || text === '') return;
      status = text.length >= columns ? `${text.slice(0, Math.max(0, columns - 2))}…` : text;
      terminal.error(status);
    },
    signal: interrupt.signal,
    onInterrupt(listener) {
      listeners.push(listener);
      return () => {
        const at = listeners.indexOf(listener);
        if (at >= 0) listeners.splice(at, 1);
      };
    },
    json,
    isTTY,
    color: isTTY && environment('NO_COLOR') === undefined,
    columns,
    file,
    positionals,
    options: split.options,
    settings: split.settings,
    loaded,
  };
  try {
    const ready = loaded && (await withAdapters(command.name, loaded, load, context));
    if (ready) for (const line of configLines(ready)) context.note(line);
    const job = ready?.job ?? resolveConfig([], 'config').job;
    const code = await command.run(job, { ...context, loaded: ready });
    return code ?? (interrupt.signal.aborted ? exitCodes.stopped : exitCodes.ok);
  } catch (error) {
    // What was under way when Ctrl+C came says that it was aborted.
    const isAbort = error instanceof Error && error.name === 'AbortError';
    if (!interrupt.signal.aborted || !isAbort) throw error;
    context.note('stopped');
    return exitCodes.stopped;
  } finally {
    clear();
    process.off('SIGINT', onSignal);
  }
}

/** Adapters of a hub are fetched first: other settings follow from them. */
async function withAdapters(
  command: string,
  loaded: Loaded,
  load: () => Loaded,
  context: Context,
): Promise<Loaded> {
  const { model } = loaded.job;
  if (model.adapter_name_or_path.length === 0) return loaded;
  const { fetchAdapters } = await import('./fetch-adapters.ts');
  return (await fetchAdapters(command, model, context)) ? load() : loaded;
}

/** Errors of the command line and of settings are for the user to mend before anything runs. */
function report(error: unknown, terminal: Terminal, json: boolean): number {
  if (error instanceof TuneryError) {
    if (json) {
      const { code, message, place, help } = error;
      terminal.out(`${JSON.stringify({ error: { code, message, place, help } })}\n`);
    }
    terminal.error(`${formatError(error)}\n`);
    return /^(cli|config)\//.test(error.code) ? exitCodes.usage : exitCodes.failed;
  }
  const message = error instanceof Error ? error.message : String(error);
  terminal.error(
    `error[bug]: ${message}\n  This is a fault of Tunery, not of your files: please report it with the command and \`tunery env\`.\n`,
  );
  if (environment('TUNERY_DEBUG') !== undefined) {
    terminal.error(`${error instanceof Error ? error.stack : ''}\n`);
  } else terminal.error('  help: TUNERY_DEBUG=1 shows where it happened\n');
  return exitCodes.failed;
}

/** The real terminal. A reader that went away (`| head`) is no error. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(exitCodes.ok);
      throw error;
    });
  }
  return {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    isTTY: process.stderr.isTTY === true && process.stdout.isTTY === true,
    columns: process.stderr.columns ?? 80,
  };
}
