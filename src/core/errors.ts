/** @file Errors that people read: what happened, where, why, and what to do next. */

/** Where in the user's own material an error lies. All parts are optional but `file`. */
export type Place = {
  /** A path, or another name that the user knows (`--learning_rate`, `model.safetensors`). */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in UTF-16 units. */
  readonly column?: number;
  /** Row of a data set, from 0. */
  readonly row?: number;
  /** A key inside it, as `conversations[2].from`. */
  readonly key?: string;
};

export type Explanation = {
  readonly message: string;
  readonly place?: Place | undefined;
  readonly help?: string | undefined;
};

/** An error with a stable code. The message stands alone; `explain` gives the whole paragraph. */
export class TuneryError extends Error {
  readonly code: string;
  readonly place: Place | undefined;
  readonly help: string | undefined;

  constructor(code: string, explanation: Explanation, options?: ErrorOptions) {
    super(explanation.message, options);
    this.name = 'TuneryError';
    this.code = code;
    this.place = explanation.place;
    this.help = explanation.help;
  }
}

/**
 * Defines one kind of error. Call the result and throw what it returns:
 * `throw roleOrder(place, 'user', 'user')`.
 */
export function defineError<Args extends readonly unknown[]>(
  code: string,
  explain: (...args: Args) => Explanation,
): ((...args: Args) => TuneryError) & { readonly code: string } {
  const make = (...args: Args): TuneryError => new TuneryError(code, explain(...args));
  return Object.assign(make, { code });
}

/** `file:line:column: key` with only what is known. */
export function formatPlace(place: Place): string {
  let text = place.file;
  if (place.line !== undefined) text += `:${place.line}`;
  if (place.line !== undefined && place.column !== undefined) text += `:${place.column}`;
  if (place.row !== undefined) text += ` (row ${place.row})`;
  if (place.key !== undefined) text += `: ${place.key}`;
  return text;
}

/** The paragraph that a terminal shows for an error. */
export function formatError(error: TuneryError): string {
  const lines = [`error[${error.code}]: ${error.message}`];
  if (error.place) lines.push(`  --> ${formatPlace(error.place)}`);
  if (error.help) lines.push(`  help: ${error.help}`);
  return lines.join('\n');
}

/** For what cannot happen: a defect of ours, never of the user's input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal error: ${message}`);
}
