/** @file Pre-tokenizers of tokenizer.json: where text is cut before BPE; no merge reaches across a cut. */
import * as z from 'zod';
import { toByteChars } from './byte-level.ts';
import { unsupportedPart } from './errors.ts';
import { compilePattern, Part, Pattern } from './normalizers.ts';
import { compileOniguruma } from './oniguruma.ts';
import { gpt2Scanner, llama3Scanner, type Scanner } from './scanners.ts';
import { numericClass, rustWordClass } from './unicode.ts';

/** A part of a text; unit i of it stood at `start + i`. A space that was put before it stands at -1. */
export type Piece = { readonly text: string; readonly start: number };

export type PreTokenizer = {
  /** Cuts the plain text; `first` says that nothing stands before it, not even an added token. */
  readonly split: (text: string, first: boolean) => readonly Piece[];
  /** Pre-tokens are bytes, and not characters. */
  readonly byteLevel: boolean;
  /** Cuts a piece once more after it became byte characters, where the tokenizer asks for that. */
  readonly splitBytes: ((chars: string) => readonly string[]) | undefined;
  /** The same cuts as `split`, for the patterns that are known. */
  readonly scan: Scanner | undefined;
};

export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const llama3Family = (number: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${number}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
export const llama3Pattern = llama3Family('\\p{N}{1,3}');
export const qwen2Pattern = llama3Family('\\p{N}');

const Behavior = z.enum([
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
]);
type Behavior = z.infer<typeof Behavior>;
type Cut = { start: number; end: number; readonly matched: boolean };

/** The whole text as matches and what lies between them. */
function cutsOf(text: string, pattern: RegExp, invert: boolean): Cut[] {
  const cuts: Cut[] = [];
  let last = 0;
  for (const { index, 0: match } of text.matchAll(pattern)) {
    if (index > last) cuts.push({ start: last, end: index, matched: invert });
    if (match !== '') cuts.push({ start: index, end: index + match.length, matched: !invert });
    last = index + match.length;
  }
  if (last < text.length) cuts.push({ start: last, end: text.length, matched: invert });
  return cuts;
}

/** Joins neighbors as the behavior says. */
function joined(cuts: readonly Cut[], behavior: Behavior): readonly Cut[] {
  if (behavior === 'Isolated') return cuts;
  if (behavior === 'Removed') return cuts.filter(({ matched }) => !matched);
  const result: Cut[] = [];
  const order = behavior === 'MergedWithNext' ? cuts.toReversed() : cuts;
  let previous = false;
  for (const cut of order) {
    const last = result.at(-1);
    const joins = behavior === 'Contiguous' ? cut.matched === previous : cut.matched && !previous;
    previous = cut.matched;
    if (!joins || last === undefined) result.push({ ...cut });
    else if (behavior === 'MergedWithNext') last.start = cut.start;
    else last.end = cut.end;
  }
  return behavior === 'MergedWithNext' ? result.reverse() : result;
}

/** One step over one piece. */
type Step = {
  readonly cut: (text: string, first: boolean) => readonly Piece[];
  /** The step that turns text into byte characters. */
  readonly byteLevel?: true;
  /** Leaves characters out: only possible before the bytes. */
  readonly removes?: true;
};

function patternStep(pattern: RegExp, behavior: Behavior, invert: boolean): Step {
  return {
    cut: (text) =>
      joined(cutsOf(text, pattern, invert), behavior).map(({ start, end }) => ({
        text: text.slice(start, end),
        start,
      })),
    ...(behavior === 'Removed' ? { removes: true } : {}),
  };
}

const ByteLevel = z.looseObject({
  add_prefix_space: z.boolean().default(true),
  use_regex: z.boolean().default(true),
});
const Split = z.looseObject({
  pattern: Pattern,
  behavior: Behavior,
  invert: z.boolean().default(false),
});
const Sequence = z.looseObject({ pretokenizers: z.array(Part) });

function byteLevelStep(part: Part): Step {
  const { add_prefix_space, use_regex } = ByteLevel.parse(part);
  const words = patternStep(compileOniguruma(gpt2Pattern, 'g'), 'Isolated', false);
  return {
    byteLevel: true,
    cut(text) {
      const prefix = add_prefix_space && !text.startsWith(' ') ? 1 : 0;
      const whole = prefix ? ` ${text}` : text;
      const pieces = use_regex ? words.cut(whole, false) : [{ text: whole, start: 0 }];
      return prefix ? pieces.map((piece) => ({ ...piece, start: piece.start - 1 })) : pieces;
    },
  };
}

const Metaspace = z.looseObject({
  replacement: z.string().default('▁'),
  add_prefix_space: z.boolean().optional(),
  prepend_scheme: z.enum(['always', 'never', 'first']).default('always'),
  split: z.boolean().default(true),
});

/** SentencePiece's manner: spaces become marks, one mark goes before the text, and words begin with theirs. */
function metaspaceStep(part: Part): Step {
  const given = Metaspace.parse(part);
  const { replacement } = given;
  const scheme = given.add_prefix_space === false ? 'never' : given.prepend_scheme;
  const pattern = compilePattern({ text: replacement, regex: undefined });
  const words = patternStep(pattern, 'MergedWithNext', false);
  return {
    cut(text, first) {
      const marked = text.replaceAll(' ', replacement);
      const wants = scheme === 'always' || (scheme === 'first' && first);
      const prefixed = wants && !marked.startsWith(replacement);
      const whole = prefixed ? replacement + marked : marked;
      const pieces = given.split ? words.cut(whole, first) : [{ text: whole, start: 0 }];
      return prefixed
        ? pieces.map((piece) => ({ ...piece, start: piece.start - replacement.length }))
        : pieces;
    },
  };
}

const punctuation = '[\\p{P}$+<=>^`\\|~]';

const kinds: Readonly<Record<string, (part: Part, file: string) => readonly Step[]>> = {
  BertPreTokenizer: () => [
    patternStep(/\p{White_Space}/gu, 'Removed', false),
    patternStep(new RegExp(punctuation, 'gu'), 'Isolated', false),
  ],
  ByteLevel: (part) => [byteLevelStep(part)],
  Split: (part) => {
    const { pattern, behavior, invert } = Split.parse(part);
    return [patternStep(compilePattern(pattern), behavior, invert)];
  },
  Digits: (part) => {
    const { individual_digits } = z
      .looseObject({ individual_digits: z.boolean().default(false) })
      .parse(part);
    const pattern = new RegExp(numericClass, 'gv');
    return [patternStep(pattern, individual_digits ? 'Isolated' : 'Contiguous', false)];
  },
  Punctuation: (part) => {
    const { behavior } = z.looseObject({ behavior: Behavior.default('Isolated') }).parse(part);
    return [patternStep(new RegExp(punctuation, 'gu'), behavior, false)];
  },
  Metaspace: (part) => [metaspaceStep(part)],
  Whitespace: () => [
    patternStep(
      new RegExp(`${rustWordClass}+|[^${rustWordClass}\\p{White_Space}]+`, 'gv'),
      'Removed',
      true,
    ),
  ],
  WhitespaceSplit: () => [patternStep(/\p{White_Space}/gu, 'Removed', false)],
  CharDelimiterSplit: (part) => {
    const { delimiter } = z.looseObject({ delimiter: z.string() }).parse(part);
    const pattern = compilePattern({ text: delimiter, regex: undefined });
    return [patternStep(pattern, 'Removed', false)];
  },
  Sequence: (part, file) =>
    Sequence.parse(part).pretokenizers.flatMap((inner) => steps(inner, file)),
};

function steps(part: Part, file: string): readonly Step[] {
  const kind = Object.hasOwn(kinds, part.type) ? kinds[part.type] : undefined;
  if (kind !== undefined) return kind(part, file);
  throw unsupportedPart(file, 'pre_tokenizer', part.type, Object.keys(kinds));
}

/** The scanner of a pre-tokenizer that is one of the common ones. */
function scannerOf(part: Part): Scanner | undefined {
  const parts = part.type === 'Sequence' ? Sequence.parse(part).pretokenizers : [part];
  const last = parts.at(-1);
  if (last?.type !== 'ByteLevel') return undefined;
  const bytes = ByteLevel.parse(last);
  if (bytes.add_prefix_space || parts.length > 2) return undefined;
  if (parts.length === 1) return bytes.use_regex ? gpt2Scanner(false) : undefined;
  const [first] = parts;
  if (first.type === 'Digits') {
    return bytes.use_regex && first['individual_digits'] === true ? gpt2Scanner(true) : undefined;
  }
  if (first.type !== 'Split' || bytes.use_regex) return undefined;
  const { pattern, behavior, invert } = Split.parse(first);
  if (behavior !== 'Isolated' || invert) return undefined;
  if (pattern.regex === gpt2Pattern) return gpt2Scanner(false);
  if (pattern.regex === llama3Pattern) return llama3Scanner(3);
  return pattern.regex === qwen2Pattern ? llama3Scanner(1) : undefined;
}

function inTurn(all: readonly Step[]): PreTokenizer['split'] {
  return (text, first) =>
    all.reduce<readonly Piece[]>(
      (pieces, step) =>
        pieces.flatMap((piece) =>
          step
            .cut(piece.text, first && piece.start <= 0)
            .map((cut) => ({ text: cut.text, start: piece.start + cut.start })),
        ),
      text === '' ? [] : [{ text, start: 0 }],
    );
}

export function compilePreTokenizer(part: Part | undefined, file: string): PreTokenizer {
  const all = part === undefined ? [] : steps(part, file);
  const at = all.findIndex((step) => step.byteLevel);
  if (part === undefined || at < 0) {
    return { split: inTurn(all), byteLevel: false, splitBytes: undefined, scan: undefined };
  }
  const after = all.slice(at + 1);
  if (after.some((step) => step.byteLevel || step.removes)) {
    throw unsupportedPart(file, 'pre_tokenizer', 'ByteLevel', [
      'ByteLevel once, nothing removed after it',
    ]);
  }
  const inner = inTurn(after);
  return {
    split: inTurn(all.slice(0, at + 1)),
    byteLevel: true,
    splitBytes:
      after.length === 0
        ? undefined
        : (chars) => inner(toByteChars(chars), false).map(({ text }) => text),
    scan: scannerOf(part),
  };
}
