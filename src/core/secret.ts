/** @file A text that must not be shown or kept: it prints, clones and serializes as nothing, and says itself only when asked. */

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '(hidden)';
  }

  toJSON(): string {
    return '(hidden)';
  }
}
