/** @file What a command is: its words for `--help`, the settings it takes, and what it does. */

import type { Loaded } from '../config/load.ts';
import type { RunConfig } from '../config/run-config.ts';
import type { Fields, Resolved, Section } from '../core/field.ts';

/** Exit codes, the same for every command. */
export const exitCodes = {
  ok: 0,
  /** It began and failed: an error of the run, the data, the model, the machine. */
  failed: 1,
  /** Nothing began: the command line or the settings need a change. */
  usage: 2,
  /** Stopped from outside (Ctrl+C), in good order. */
  stopped: 130,
} as const;

export type Context<Options = Readonly<Record<string, unknown>>> = {
  /** A line for people, on stdout; under `--json` on stderr, so that stdout holds JSON only. */
  readonly print: (text?: string) => void;
  /** A side remark, always on stderr. */
  readonly note: (text: string) => void;
  /** A JSON line on stdout. */
  readonly emit: (value: unknown) => void;
  /** Text as it stands, without a line end, on stdout: for streams of text. */
  readonly write: (text: string) => void;
  /** Replaces the status line of a terminal; null clears it. Does nothing where there is no terminal. */
  readonly progress: (text: string | null) => void;
  /** Aborted by the first Ctrl+C; the second ends the process at once. */
  readonly signal: AbortSignal;
  /** Takes Ctrl+C over: called at each, instead of the signal. Returns how to give it back. */
  readonly onInterrupt: (listener: () => void) => () => void;
  readonly json: boolean;
  readonly isTTY: boolean;
  /** Whether colors are wanted (a terminal, and no `NO_COLOR`). */
  readonly color: boolean;
  readonly columns: number;
  /** The settings file, where one was given. */
  readonly file: string | undefined;
  /** Positional arguments after the settings file. */
  readonly positionals: readonly string[];
  readonly options: Options;
  /** Settings as they were typed, `key=value`: for commands that load by themselves. */
  readonly settings: readonly string[];
  /** The loaded settings with their origins; undefined for a command without sections. */
  readonly loaded: Loaded | undefined;
};

export type Positional = {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
};

export type CommandDefinition<Options extends Fields = Fields> = {
  /** One word, or two: `data tokens`. */
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /**
   * Settings that matter to it, for `--help`. With any, its first positional is a settings file, all settings
   * are taken (one file serves every command) and `run` gets them resolved.
   */
  readonly sections?: readonly Section[];
  /** After the settings file. */
  readonly positionals?: readonly Positional[];
  /** Its own options, as `--detach`; never settings. */
  readonly options?: Options;
  /** Takes settings as they were typed, and loads them by itself. */
  readonly takesSettings?: boolean;
  /** A number is the exit code; nothing is 0, or 130 where the signal was aborted. */
  run(job: RunConfig, context: Context<Resolved<Options>>): Promise<number | undefined>;
};

export type Command = {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly sections: readonly Section[];
  readonly positionals: readonly Positional[];
  readonly options: Fields;
  readonly takesSettings: boolean;
  run(job: RunConfig, context: Context): Promise<number | undefined>;
};

/** By name; each is imported when it is called. */
export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

export function defineCommand<Options extends Fields = Record<never, never>>(
  definition: CommandDefinition<Options>,
): Command {
  return {
    sections: [],
    positionals: [],
    takesSettings: (definition.sections ?? []).length > 0,
    ...definition,
    options: definition.options ?? {},
    // The frame has parsed the options by their own schemas.
    run: (job, context) => definition.run(job, context as Context<Resolved<Options>>),
  };
}
