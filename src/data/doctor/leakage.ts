/**
 * @file Rows of the training data that stand in the evaluation data too: the very same, or most of it, by word
 * n-grams (13 words, as Brown et al. 2020, arXiv:2005.14165, appendix C, have it).
 */
import type { Place } from '../../core/errors.ts';
import type { Found, Kind } from './check.ts';
import { HashTable, hash64 } from './hash-table.ts';
import { askedOf, type RowView } from './view.ts';

export const leakedRow: Kind = {
  code: 'data/leaked-row',
  severity: 'error',
  title: 'a row of the training data is in the evaluation data',
  help: 'remove it from one of the two: the evaluation would measure what was learned by heart',
};

export const leakedText: Kind = {
  code: 'data/leaked-text',
  severity: 'warning',
  title: 'much of a row of the training data is in the evaluation data',
  help: 'compare the two rows, and remove one if they are the same question',
};

const gram = 13;
/** So much of a text must be found again. */
const share = 0.5;
/** n-grams of the evaluation data that are kept: 24 bytes each, twice for the table's room. */
const mostGrams = 4_000_000;

const textOf = ({ passages }: RowView): string =>
  passages
    .filter(({ part }) => part !== 'system' && part !== 'call' && part !== 'result')
    .map(({ text }) => text)
    .join('\n');

/** Words in lower case; of scripts without spaces, each character. */
const wordsOf = (text: string): readonly string[] =>
  text.toLowerCase().match(/[\u3040-\u30ff\u3400-\u9fff]|[\p{L}\p{N}]+/gu) ?? [];

function* gramsOf(words: readonly string[]): Generator<readonly [number, number]> {
  for (let i = 0; i + gram <= words.length; i++) yield hash64(words.slice(i, i + gram).join(' '));
}

const normal = (text: string): string => wordsOf(text).join(' ');

export class EvaluationTexts {
  readonly #rows = new HashTable();
  readonly #prompts = new HashTable();
  readonly #grams = new HashTable();
  /** Of each row: where it stands, and how many n-grams it has. */
  readonly #places: Pick<Place, 'line' | 'row'>[] = [];
  readonly #sizes: number[] = [];

  get count(): number {
    return this.#places.length;
  }

  #whereIs(index: number): string {
    const { line, row } = this.#places[index] ?? {};
    return line === undefined ? `row ${row}` : `line ${line}`;
  }

  add(view: RowView): void {
    const text = textOf(view);
    if (text.trim() === '') return;
    const index = this.#places.length;
    this.#places.push(view.place);
    this.#rows.set(...hash64(normal(text)), index);
    const asked = normal(askedOf(view));
    if (asked !== '') this.#prompts.set(...hash64(asked), index);
    let size = 0;
    for (const [low, high] of gramsOf(wordsOf(text))) {
      size++;
      if (this.#grams.size >= mostGrams || this.#grams.get(low, high) !== undefined) continue;
      this.#grams.set(low, high, index);
    }
    this.#sizes.push(size);
  }

  /** Compares one row of the training data. */
  compare(view: RowView, found: (kind: Kind) => Found): void {
    const text = textOf(view);
    if (text.trim() === '') return;
    const words = wordsOf(text);
    const same = this.#rows.get(...hash64(words.join(' ')));
    if (same !== undefined) {
      found(leakedRow)(`the row is the evaluation row at ${this.#whereIs(same)}`);
      return;
    }
    const asked = normal(askedOf(view));
    const prompt = asked === '' ? undefined : this.#prompts.get(...hash64(asked));
    if (prompt !== undefined) {
      found(leakedText)(`the prompt is that of the evaluation row at ${this.#whereIs(prompt)}`);
      return;
    }
    const shared = new Map<number, number>();
    let size = 0;
    for (const [low, high] of gramsOf(words)) {
      size++;
      const index = this.#grams.get(low, high);
      if (index !== undefined) shared.set(index, (shared.get(index) ?? 0) + 1);
    }
    const [most] = [...shared].sort(([, a], [, b]) => b - a);
    if (!most) return;
    const [index, count] = most;
    const part = count / Math.max(1, Math.min(size, this.#sizes[index]));
    if (part < share) return;
    const percent = Math.round(100 * Math.min(1, part));
    found(leakedText)(
      `${percent} % of its text is in the evaluation row at ${this.#whereIs(index)}`,
    );
  }
}
