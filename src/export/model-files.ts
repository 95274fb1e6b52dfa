/** @file What stands beside the weights of a model that other programs load: tokenizer, template, stop tokens, configuration. */
import { readFileSync } from 'node:fs';
import type { OpenTemplate } from '../data/open-template.ts';
import { readFault } from '../files/errors.ts';
import type { JsonObject, JsonValue } from '../files/json.ts';
import type { ModelSource } from '../models/source.ts';
import { tokenizerTexts } from '../tokenizer/to-json.ts';

type Source = Pick<
  ModelSource,
  'config' | 'generationConfig' | 'chatTemplate' | 'tokenizerFiles' | 'tokenizer'
>;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * The tokenizer's files, by name. A folder's own are taken as they are where the template asks for no other tokens and
 * no other text; `opened` is undefined where nothing was rendered (plain text on a model without a template).
 */
export function tokenizerFilesOf(
  source: Source,
  opened: OpenTemplate | undefined,
): Readonly<Record<string, string>> {
  const own = source.tokenizerFiles;
  const copies = Object.fromEntries([...own].map(([name, path]) => [name, readText(path)]));
  const templateText = opened ? opened.jinja : source.chatTemplate;
  const sameText = templateText === source.chatTemplate;
  const before = own.size === 0 ? undefined : source.tokenizer();
  const after = opened?.tokenizer ?? before ?? source.tokenizer();
  if (before && sameText && before.digest === after.digest) return copies;
  const length = source.config['max_position_embeddings'];
  const texts = tokenizerTexts(after, {
    chatTemplate: before && sameText ? undefined : (templateText ?? null),
    maxLength: typeof length === 'number' ? length : undefined,
  });
  if (!before) return texts;
  const { 'special_tokens_map.json': map, ...changed } = texts;
  // An older file of the same meaning would speak against the new one.
  const { 'chat_template.json': _, ...kept } = copies;
  const roles = kept['special_tokens_map.json'];
  return {
    ...kept,
    ...changed,
    ...(roles === undefined
      ? {}
      : { 'special_tokens_map.json': json({ ...JSON.parse(roles), ...JSON.parse(map) }) }),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw readFault(path, error);
  }
}

const ids = (value: JsonValue | undefined): number[] =>
  (Array.isArray(value) ? value : [value]).filter((id) => typeof id === 'number');

/** Every id at which a reply ends: the template's, which was taught, and then the model's own. */
export function stopIdsOf(source: Source, opened: OpenTemplate | undefined): readonly number[] {
  const { generationConfig, config } = source;
  const own = ids(generationConfig['eos_token_id'] ?? config['eos_token_id']);
  return [...new Set([...(opened?.template.stopIds ?? []), ...own])];
}

/**
 * config.json and generation_config.json. `eos_token_id` of the first is the token that ends a reply; of the second, all
 * ids that do.
 */
export function configFilesOf(
  source: Source,
  opened: OpenTemplate | undefined,
  changes: { readonly dtype: string; readonly tied?: boolean },
): Readonly<Record<string, string>> {
  const stops = stopIdsOf(source, opened);
  // What is written is full weights, whatever the base was held as.
  const { dtype: _, torch_dtype: __, quantization_config: ___, ...config } = source.config;
  const pad = opened?.tokenizer.pad?.id;
  const end = (several: boolean): JsonObject =>
    stops.length === 0 ? {} : { eos_token_id: several && stops.length > 1 ? [...stops] : stops[0] };
  const padding: JsonObject = pad === undefined ? {} : { pad_token_id: pad };
  const bos = config['bos_token_id'];
  return {
    'config.json': json({
      ...config,
      ...end(false),
      ...padding,
      ...(changes.tied === undefined ? {} : { tie_word_embeddings: changes.tied }),
      torch_dtype: changes.dtype,
    }),
    'generation_config.json': json({
      ...(bos === undefined ? {} : { bos_token_id: bos }),
      ...source.generationConfig,
      ...end(true),
      ...padding,
    }),
  };
}
