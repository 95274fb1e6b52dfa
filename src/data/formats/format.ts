/** @file What a row format is, and the columns and tags by which `dataset_info.json` describes one. */
import type { Place } from '../../core/errors.ts';
import type { JsonObject } from '../../files/json.ts';
import type { Example } from '../example.ts';

export const columnNames = [
  'prompt',
  'query',
  'response',
  'history',
  'messages',
  'system',
  'tools',
  'images',
  'videos',
  'audios',
  'chosen',
  'rejected',
  'kto_tag',
] as const;
export type ColumnName = (typeof columnNames)[number];
/** The row's own name of each column; null where the data set has none. */
export type Columns = Readonly<Record<ColumnName, string | null>>;

export const tagNames = [
  'role_tag',
  'content_tag',
  'user_tag',
  'assistant_tag',
  'observation_tag',
  'function_tag',
  'system_tag',
] as const;
export type TagName = (typeof tagNames)[number];
/** The roles that a row can do without; null where `tags` lists others and not this one. */
export type RareTag = 'observation_tag' | 'function_tag' | 'system_tag';
export type Tags = Readonly<
  Record<Exclude<TagName, RareTag>, string> & Record<RareTag, string | null>
>;

/** How the rows of one data set are to be read. */
export type Reading = {
  readonly columns: Columns;
  readonly tags: Tags;
  /** Rows hold a chosen and a rejected reply. */
  readonly ranking: boolean;
  /**
   * Add LLaMA-Factory's "detailed thinking off" to the system text of `openai` rows; `named` adds it where a
   * named template writes them.
   */
  readonly detailedThinking: boolean | 'named';
};

export type Format = {
  readonly name: string;
  readonly title: string;
  /** Columns and tags where `dataset_info.json` names none. */
  readonly columns: Partial<Record<ColumnName, string>>;
  readonly tags?: Partial<Tags>;
  /** A row as it is usually written; the shared suite reads and renders it. */
  readonly example: JsonObject;
  /** Columns that a row is known by when a path is given directly; undefined when it is another format. */
  detect(row: JsonObject): Partial<Record<ColumnName, string>> | undefined;
  read(row: JsonObject, reading: Reading, place: Place): Example;
};

export const defineFormat = (format: Format): Format => format;

const shareGptTags: Tags = {
  role_tag: 'from',
  content_tag: 'value',
  user_tag: 'human',
  assistant_tag: 'gpt',
  observation_tag: 'observation',
  function_tag: 'function_call',
  system_tag: 'system',
};

export type Description = {
  readonly columns?: Partial<Record<ColumnName, string>> | undefined;
  readonly tags?: Partial<Record<TagName, string>> | undefined;
  readonly ranking?: boolean | undefined;
  readonly detailedThinking?: boolean | 'named' | undefined;
};

/** Tags that `tags` does not list are no roles of the set, as in LLaMA-Factory. */
const unlisted = { observation_tag: null, function_tag: null, system_tag: null };

/**
 * Defaults filled in as LLaMA-Factory does: where `columns` or `tags` is given, what it does not list is
 * not read. `messages` and four of the tags keep their defaults, for without them no row could be read at all;
 * and so do all of a format that has tags of its own.
 */
export function readingOf(format: Format, description: Description = {}): Reading {
  const given = description.columns;
  const column = (name: ColumnName): string | null => {
    if (!given) return format.columns[name] ?? null;
    return given[name] ?? (name === 'messages' ? (format.columns.messages ?? null) : null);
  };
  return {
    columns: Object.fromEntries(columnNames.map((name) => [name, column(name)])) as Columns,
    tags: {
      ...shareGptTags,
      ...(description.tags ? unlisted : {}),
      ...format.tags,
      ...description.tags,
    },
    ranking: description.ranking ?? false,
    detailedThinking: description.detailedThinking ?? false,
  };
}
