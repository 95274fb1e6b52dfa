/** @file What a template may cost: its length, its depth, the steps it takes and the text it makes. */

/** UTF-16 units of a template's source. */
export const largestTemplate = 1 << 20;
/** UTF-16 units of any one text that a template makes. */
export const largestText = 16 << 20;
/** A long conversation takes some ten thousands; these take seconds. */
export const mostSteps = 4_000_000;
/** Values that one list may hold. */
export const longestList = 1_000_000;
/** As in Jinja2's sandbox. */
export const largestRange = 100_000;
/** Brackets within brackets, blocks within blocks: Python refuses them at about as many. */
export const deepestNesting = 100;
/** Macros that call macros: Python's own stack ends at about as many. */
export const deepestCalls = 150;

/** Raised by the template itself (`raise_exception`), by a limit, or by a fault in the template. */
export class JinjaError extends Error {
  readonly raised: boolean;

  constructor(message: string, raised = false) {
    super(message);
    this.name = 'JinjaError';
    this.raised = raised;
  }
}

/** One for each rendering. */
export class Budget {
  #steps = 0;
  #calls = 0;

  /** Counts a step, and work that grows with a text's length as more than one. */
  spend(units = 0): void {
    this.#steps += 1 + units / 32;
    if (this.#steps > mostSteps) throw new JinjaError('it runs on without an end in sight');
  }

  /** Refuses a text of so many units before it is made; `made` of them are new. */
  text(units: number, made = units): void {
    if (units > largestText) throw new JinjaError('it makes a text larger than 16 MB');
    this.spend(made);
  }

  list(length: number): void {
    if (length > longestList) throw new JinjaError('it makes a list of more than a million');
    this.spend(length * 16);
  }

  enter(): void {
    if (++this.#calls > deepestCalls) throw new JinjaError('its macros call each other too deeply');
    this.spend();
  }

  leave(): void {
    this.#calls--;
  }
}

/**
 * Values within values that one rendering prints or compares: a list that holds another twice, and that one a third
 * twice, is small in memory and without an end on paper. Counted for the whole rendering, which is one call.
 */
let visits = 0;
const mostVisits = 4_000_000;

export function visit(): void {
  if (++visits > mostVisits) throw new JinjaError('it runs on without an end in sight');
}

export function forgetVisits(): void {
  visits = 0;
}
