/**
 * @file The normalizer of a SentencePiece model as SentencePiece runs it: the character map by longest prefixes, spaces,
 * the space before the text. No tokenizer.json has it; `to-json.ts` writes what comes closest.
 */
import * as z from 'zod';
import { readCharsmap } from './charsmap.ts';
import type { Part, Rewrite } from './normalizers.ts';

/** The keys of `normalizer_spec`, and what else decides; the map is Base64, as in tokenizer.json. */
export const SentencePieceNormalizer = z.looseObject({
  type: z.literal('SentencePiece'),
  precompiled_charsmap: z.string(),
  add_dummy_prefix: z.boolean(),
  remove_extra_whitespaces: z.boolean(),
  escape_whitespaces: z.boolean(),
  treat_whitespace_as_suffix: z.boolean(),
  /** Are not normalized. */
  user_defined: z.array(z.string()),
});
export type SentencePieceNormalizer = z.infer<typeof SentencePieceNormalizer>;

/** Some text with the range that it came of. */
type Chunk = readonly [text: string, start: number, end: number];

export const spaceMark = '▁';

export function sentencePiece(part: Part, file: string): Rewrite {
  const settings = SentencePieceNormalizer.parse(part);
  const { add_dummy_prefix, remove_extra_whitespaces, treat_whitespace_as_suffix } = settings;
  const space = settings.escape_whitespaces ? spaceMark : ' ';
  const charsmap = Buffer.from(settings.precompiled_charsmap, 'base64');
  const map = charsmap.length === 0 ? undefined : readCharsmap(charsmap, file);
  const byFirst = Map.groupBy(
    settings.user_defined.toSorted((a, b) => b.length - a.length),
    (token) => token.charCodeAt(0),
  );

  function chunkAt(text: string, at: number): Chunk {
    const fixed = byFirst.get(text.charCodeAt(at))?.find((token) => text.startsWith(token, at));
    if (fixed !== undefined) return [fixed, at, at + fixed.length];
    const mapped = map?.longest(text, at);
    if (mapped !== undefined) return [mapped.text, at, at + mapped.length];
    const end = at + (text.codePointAt(at)! > 0xffff ? 2 : 1);
    return [text.slice(at, end), at, end];
  }

  /** Where nothing but spaces changes: what lies between them goes as a whole. */
  function* spacesAlone(text: string): Generator<Chunk> {
    if (text === '') return;
    if (add_dummy_prefix && !treat_whitespace_as_suffix) yield [space, 0, 0];
    for (let at = 0; at < text.length; ) {
      const found = text.indexOf(' ', at);
      const end = found < 0 ? text.length : found;
      if (end > at) yield [text.slice(at, end), at, end];
      if (found >= 0) yield [space, found, found + 1];
      at = end + 1;
    }
    if (add_dummy_prefix && treat_whitespace_as_suffix) yield [space, text.length, text.length];
  }
  if (!map && byFirst.size === 0 && !remove_extra_whitespaces) return spacesAlone;

  return (text) => {
    const chunks: Chunk[] = [];
    let at = 0;
    // Leading spaces go before anything else is looked at, so that a text of spaces alone becomes nothing.
    while (remove_extra_whitespaces && at < text.length) {
      const [normal, , end] = chunkAt(text, at);
      if (normal !== ' ') break;
      at = end;
    }
    if (at === text.length) return [];
    if (add_dummy_prefix && !treat_whitespace_as_suffix) chunks.push([space, at, at]);
    let afterSpace = remove_extra_whitespaces;
    while (at < text.length) {
      const [whole, start, end] = chunkAt(text, at);
      let normal = whole;
      while (afterSpace && normal.startsWith(' ')) normal = normal.slice(1);
      if (normal !== '') {
        chunks.push([normal.replaceAll(' ', space), start, end]);
        afterSpace = normal.endsWith(' ');
      }
      at = end;
      if (!remove_extra_whitespaces) afterSpace = false;
    }
    while (remove_extra_whitespaces && chunks.length > 0) {
      const [last, start, end] = chunks.at(-1)!;
      if (!last.endsWith(space)) break;
      chunks.pop();
      if (last.length > space.length) chunks.push([last.slice(0, -space.length), start, end]);
    }
    if (add_dummy_prefix && treat_whitespace_as_suffix) chunks.push([space, at, at]);
    return chunks;
  };
}
