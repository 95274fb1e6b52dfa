/**
 * @file What is known of a public data set: where it lies and how its rows are read, spelled as in dataset_info.json.
 * Most names and mappings are those of LLaMA-Factory's own `data/dataset_info.json` (Apache-2.0).
 */
import type { JsonObject } from '../../files/json.ts';

export type KnownDatasets = Readonly<Record<string, JsonObject>>;

/** Messages of `role` and `content`. */
export const roleTags = {
  role_tag: 'role',
  content_tag: 'content',
  user_tag: 'user',
  assistant_tag: 'assistant',
} as const;
