/** @file What a check of the data doctor is: one kind of defect, its words, and how it is seen. */
import type { Severity } from './finding.ts';
import type { Path } from './locate.ts';
import type { Passage, RowView } from './view.ts';

/** What `--fix` does: mends the text, or leaves the row out. */
export type Fix = { readonly how: 'mend' | 'drop'; readonly what: string };

export type Kind = {
  /** Stable, as `data/empty-reply`. */
  readonly code: string;
  readonly severity: Severity;
  /** What is wrong, as a heading. */
  readonly title: string;
  /** What to do about it. */
  readonly help: string;
  readonly fix?: Fix;
};

/**
 * Says what was found: the sentence, the value that it is about (the row itself if none), and where in its
 * text, in UTF-16 units.
 */
export type Found = (message: string, path?: Path, offset?: number) => void;

/** Of an earlier row, where a check knows only at the end. */
export type FoundLater = (message: string, view: Pick<RowView, 'place'>) => void;

/** A check over a whole set: it sees each row once, and says the rest at the end. Memory must be bounded. */
export type SetCheck = {
  row(view: RowView, found: Found): void;
  end?(found: FoundLater): void;
};

export type Check = Kind & {
  /** Each text of a row. */
  passage?(passage: Passage, found: Found, view: RowView): void;
  /** Its passages are asked of only where they hold more than printable ASCII: most do not. */
  readonly beyondAscii?: boolean;
  row?(view: RowView, found: Found): void;
  set?(): SetCheck;
  /** Looks over all data sets together, not over each by itself. */
  readonly across?: boolean;
  /** The text as `--fix` writes it; of each passage. */
  mend?(text: string, passage: Passage): string;
};

export const defineCheck = (check: Check): Check => check;
