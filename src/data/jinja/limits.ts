/** @file What a template may cost: its length, its depth, the steps it takes and the text it makes. */

/** UTF-16 units of a template's source. */
export const largestTemplate = 1 << 20;
/** UTF-16 units of any one text that a template makes. */
export const largestText = 64 << 20;
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
    this.#steps += 1 + units / 128;
    if (this.#steps > mostSteps) throw new JinjaError('it runs on without an end in sight');
  }

  /** Refuses a text of so many units before it is made. */
  text(units: number): void {
    if (units > largestText) throw new JinjaError('it makes a text larger than 64 MB');
    this.spend(units);
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
