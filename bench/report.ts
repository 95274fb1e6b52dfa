/** @file Figures of a bench: printed as they come, and as one JSON line for `npm run bench`, which sets them beside the kept ones. */

export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What must be reached, where something must. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number };
};

const marker = '#figure ';

/** Prints a figure. Under `npm run bench` the line is taken up, compared and printed there. */
export function report(figure: Figure): void {
  if (process.env['TUNERY_BENCH'] === '1') console.log(marker + JSON.stringify(figure));
  else console.log(line(figure));
}

export const figureOf = (text: string): Figure | undefined =>
  text.startsWith(marker) ? JSON.parse(text.slice(marker.length)) : undefined;

export function line({ name, value, unit, goal }: Figure, kept?: number): string {
  const met = goal === undefined ? '' : meets(value, goal) ? '  met' : '  NOT met';
  const wanted =
    goal === undefined
      ? ''
      : `  (${'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`}${met})`;
  const before = kept === undefined ? '' : `  kept ${round(kept)}`;
  return `${name.padEnd(58)} ${round(value).padStart(9)} ${unit}${wanted}${before}`;
}

const meets = (value: number, goal: NonNullable<Figure['goal']>): boolean =>
  'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;

const round = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Prints rows under a head, columns aligned: the first to the left, figures to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    );
    console.log(`  ${cells.join('  ')}`.trimEnd());
  }
}
