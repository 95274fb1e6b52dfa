/** @file Normalizers of tokenizer.json: text before it is split, each with the way back to the text as given. */
import * as z from 'zod';
import { precompiled, readCharsmap } from './charsmap.ts';
import { unsupportedPart } from './errors.ts';
import { compileOniguruma } from './oniguruma.ts';
import { sentencePiece } from './sentencepiece-normalizer.ts';
import { markClass, type NormalForm, normalizationUnits, normalizeText } from './unicode.ts';

/** A text that came of another; unit i came of `[starts[i], ends[i])` there. Absent where nothing moved. */
export type Aligned = {
  readonly text: string;
  readonly starts?: Int32Array | undefined;
  readonly ends?: Int32Array | undefined;
};

/** Rewrites by parts: `[text, start, end]`, where each part came of that range of the input. */
export type Rewrite = (
  text: string,
) => Iterable<readonly [text: string, start: number, end: number]>;

export type Normalizer = {
  /** The text alone: the fast way. */
  readonly normalize: (text: string) => string;
  /** The same text with its way back. */
  readonly align: (text: string) => Aligned;
};

export const Part = z.looseObject({ type: z.string() });
export type Part = z.infer<typeof Part>;

/** A pattern of tokenizer.json: `{ String }` or `{ Regex }`. */
export const Pattern = z.union([
  z.object({ String: z.string() }).transform(({ String: text }) => ({ text, regex: undefined })),
  z.object({ Regex: z.string() }).transform(({ Regex: regex }) => ({ text: undefined, regex })),
]);

export function compilePattern(pattern: z.infer<typeof Pattern>): RegExp {
  if (pattern.regex !== undefined) return compileOniguruma(pattern.regex, 'g');
  return new RegExp(pattern.text!.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gu');
}

/** Every `pattern` of a text as `content`, in order and without overlap. */
export function literalReplacer(pattern: string, content: string): (text: string) => string {
  return (text) => text.replaceAll(pattern, () => content);
}

/** `normalize` gives the text alone, where that is faster than by parts. */
function fromRewrite(
  rewrite: Rewrite,
  normalize = (text: string): string => {
    let result = '';
    for (const [part] of rewrite(text)) result += part;
    return result;
  },
): Normalizer {
  return {
    normalize,
    align(text) {
      let result = '';
      const starts: number[] = [];
      const ends: number[] = [];
      for (const [part, start, end] of rewrite(text)) {
        // A part that is its own source keeps its characters apart.
        const same = part.length === end - start && part === text.slice(start, end);
        for (let i = 0; i < part.length; i++) {
          starts.push(same ? start + i : start);
          ends.push(same ? start + i + 1 : end);
        }
        result += part;
      }
      return { text: result, starts: Int32Array.from(starts), ends: Int32Array.from(ends) };
    },
  };
}

const byCharacter = (change: (char: string) => string): Rewrite =>
  function* (text) {
    let at = 0;
    for (const char of text) {
      yield [change(char), at, at + char.length];
      at += char.length;
    }
  };

function unicode(form: NormalForm): Normalizer {
  const slow = fromRewrite(function* (text) {
    const units = normalizationUnits(text);
    const parts = units.map((unit) => normalizeText(unit, form));
    if (parts.join('') !== normalizeText(text, form)) {
      yield [normalizeText(text, form), 0, text.length];
      return;
    }
    let at = 0;
    for (const [i, unit] of units.entries()) {
      yield [parts[i], at, at + unit.length];
      at += unit.length;
    }
  });
  return {
    normalize: (text) => normalizeText(text, form),
    align: (text) => (normalizeText(text, form) === text ? { text } : slow.align(text)),
  };
}

function sequence(parts: readonly Normalizer[]): Normalizer {
  return {
    normalize: (text) => parts.reduce((result, part) => part.normalize(result), text),
    align: (text) =>
      parts.reduce<Aligned>(
        (before, part) => {
          const next = part.align(before.text);
          if (!before.starts || !before.ends) return next;
          if (!next.starts || !next.ends)
            return { text: next.text, starts: before.starts, ends: before.ends };
          const { starts, ends } = before;
          return {
            text: next.text,
            starts: next.starts.map((i) => starts[i] ?? ends.at(-1) ?? 0),
            ends: next.ends.map((end, i) =>
              end > next.starts![i] ? ends[end - 1] : (starts[end] ?? 0),
            ),
          };
        },
        { text },
      ),
  };
}

function* replacements(
  text: string,
  pattern: RegExp,
  content: string,
): ReturnType<Rewrite> & Generator<readonly [string, number, number]> {
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    const end = match.index + match[0].length;
    if (match.index > last) yield [text.slice(last, match.index), last, match.index];
    yield [content, match.index, end];
    last = end;
  }
  if (last < text.length) yield [text.slice(last), last, text.length];
}

/** White space of other kinds as a space, control characters as nothing. */
function nmt(char: string): string {
  const code = char.codePointAt(0)!;
  if (isControl(code)) return '';
  return /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/.test(char) ? ' ' : char;
}

const isControl = (code: number): boolean =>
  (code >= 1 && code <= 8) ||
  code === 0x0b ||
  (code >= 0x0e && code <= 0x1f) ||
  [0x7f, 0x8f, 0x9f].includes(code);

const whitespace = /^\p{White_Space}$/u;

function strip(text: string, left: boolean, right: boolean): readonly [number, number] {
  let [start, end] = [0, text.length];
  while (left && start < end && whitespace.test(text[start])) start++;
  while (right && end > start && whitespace.test(text[end - 1])) end--;
  return [start, end];
}

const kinds: Readonly<Record<string, (part: Part, file: string) => Normalizer>> = {
  NFC: () => unicode('NFC'),
  NFD: () => unicode('NFD'),
  NFKC: () => unicode('NFKC'),
  NFKD: () => unicode('NFKD'),
  // Character by character, as the library does: no final sigma.
  Lowercase: () => fromRewrite(byCharacter((char) => char.toLowerCase())),
  StripAccents: () => {
    const mark = new RegExp(`^${markClass}$`, 'v');
    return fromRewrite(byCharacter((char) => (mark.test(char) ? '' : char)));
  },
  Strip: (part) => {
    const { strip_left, strip_right } = z
      .looseObject({ strip_left: z.boolean(), strip_right: z.boolean() })
      .parse(part);
    return fromRewrite((text) => {
      const [start, end] = strip(text, strip_left, strip_right);
      return [[text.slice(start, end), start, end]];
    });
  },
  Prepend: (part) => {
    const { prepend } = z.looseObject({ prepend: z.string() }).parse(part);
    return {
      normalize: (text) => (text === '' ? '' : prepend + text),
      align(text) {
        if (text === '') return { text };
        const starts = new Int32Array(prepend.length + text.length);
        const ends = new Int32Array(prepend.length + text.length);
        for (let i = 0; i < text.length; i++) {
          starts[prepend.length + i] = i;
          ends[prepend.length + i] = i + 1;
        }
        return { text: prepend + text, starts, ends };
      },
    };
  },
  Replace: (part) => {
    const { pattern, content } = z
      .looseObject({ pattern: Pattern, content: z.string() })
      .parse(part);
    const compiled = compilePattern(pattern);
    const literal = pattern.text === undefined ? undefined : literalReplacer(pattern.text, content);
    // One unit for one unit: nothing moves.
    if (literal && pattern.text?.length === 1 && content.length === 1) {
      return { normalize: literal, align: (text) => ({ text: literal(text) }) };
    }
    return fromRewrite((text) => replacements(text, compiled, content), literal);
  },
  Precompiled: (part, file) => {
    const { precompiled_charsmap } = z
      .looseObject({ precompiled_charsmap: z.string().nullish() })
      .parse(part);
    const map = readCharsmap(Buffer.from(precompiled_charsmap ?? '', 'base64'), file);
    return fromRewrite((text) => precompiled(map, text));
  },
  Nmt: () => fromRewrite(byCharacter(nmt)),
  SentencePiece: (part, file) => fromRewrite(sentencePiece(part, file)),
  Sequence: (part, file) => {
    const { normalizers } = z.looseObject({ normalizers: z.array(Part) }).parse(part);
    return sequence(normalizers.map((inner) => compileNormalizer(inner, file)));
  },
};

export function compileNormalizer(part: Part, file: string): Normalizer {
  const kind = Object.hasOwn(kinds, part.type) ? kinds[part.type] : undefined;
  if (kind === undefined) {
    throw unsupportedPart(file, 'normalizer', part.type, Object.keys(kinds));
  }
  return kind(part, file);
}
