/** @file Warnings: what a person should know of the data, though the run may go on. */
import { formatPlace, type Place } from '../core/errors.ts';

export type Warning = {
  readonly code: string;
  readonly message: string;
  readonly help: string;
  readonly place?: Place | undefined;
};

/** What is known of one fault: enough of it to go on counting elsewhere. */
export type TallyEntry = {
  readonly warning: Warning;
  /** The first ones. */
  readonly places: readonly Place[];
  readonly count: number;
};

/** One warning for the same fault in many rows: the first places, and how many there are. */
export class Tally {
  readonly #found = new Map<string, { warning: Warning; places: Place[]; count: number }>();

  add(warning: Warning): void {
    this.merge([{ warning, places: warning.place ? [warning.place] : [], count: 1 }]);
  }

  /** What was counted of later rows. */
  merge(entries: readonly TallyEntry[]): void {
    for (const { warning, places, count } of entries) {
      const key = `${warning.code}\n${warning.message}`;
      const known = this.#found.get(key);
      const entry = known ?? { warning, places: [], count: 0 };
      if (!known) this.#found.set(key, entry);
      entry.count += count;
      entry.places.push(...places.slice(0, 3 - entry.places.length));
    }
  }

  entries(): TallyEntry[] {
    return [...this.#found.values()];
  }

  all(): Warning[] {
    return [...this.#found.values()].map(({ warning, places, count }) => {
      const [first] = places;
      if (count === 1 || !first) return warning;
      const others = places
        .slice(1)
        .map((place) => formatPlace({ file: place.file, ...lineOf(place) }));
      const rest = count - places.length;
      const more = rest > 0 ? `, and ${rest} more` : '';
      return {
        ...warning,
        message: `${warning.message} (${count} rows; also ${others.join(', ')}${more})`,
        place: first,
      };
    });
  }
}

const lineOf = ({ line }: Place): { line: number } | object => (line === undefined ? {} : { line });
