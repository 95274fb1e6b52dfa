/** @file Decoders of tokenizer.json: tokens back to text, token by token, so that a stream gives what the whole gives. */
import * as z from 'zod';
import { byteOfToken } from './byte-fallback.ts';
import { bytesOfChars } from './byte-level.ts';
import { unsupportedPart } from './errors.ts';
import { compilePattern, literalReplacer, Part, Pattern } from './normalizers.ts';

/** One step over a stream of tokens; `emit` takes what it gives on. */
type Stage = {
  readonly push: (token: string, emit: Emit) => void;
  readonly end: (emit: Emit) => void;
};
type Emit = (token: string) => void;

/** A step, made anew for each text. */
type Kind = () => Stage;

export type Decoder = {
  /** Begins a text. `push` gives the text that a token completes, `end` what is left. */
  readonly start: () => { readonly push: (token: string) => string; readonly end: () => string };
  /** What a token stands for inside a text, were it not for its neighbors. */
  readonly textOf: (token: string) => string;
};

export const byteLevelDecoder: Part = {
  type: 'ByteLevel',
  add_prefix_space: true,
  trim_offsets: true,
  use_regex: true,
};

/** Whether the decoder is byte level alone: a token is then its bytes, whatever stands around it. */
export const isByteLevel = (part: Part | undefined): boolean =>
  part?.type === 'ByteLevel' ||
  (part?.type === 'Sequence' &&
    Sequence.parse(part).decoders.length === 1 &&
    Sequence.parse(part).decoders[0].type === 'ByteLevel');

const Sequence = z.looseObject({ decoders: z.array(Part) });

const perToken =
  (change: (token: string, first: boolean) => string): Kind =>
  () => {
    let first = true;
    return {
      push(token, emit) {
        emit(change(token, first));
        first = false;
      },
      end() {},
    };
  };

function replace(part: Part): (text: string) => string {
  const { pattern, content } = z.looseObject({ pattern: Pattern, content: z.string() }).parse(part);
  if (pattern.text !== undefined) return literalReplacer(pattern.text, content);
  const compiled = compilePattern(pattern);
  return (text) => text.replace(compiled, () => content);
}

const replacement = '\ufffd';
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A run of tokens of bytes is one text, or, where it is none, U+FFFD for every byte of it. */
const byteFallback: Kind = () => {
  let run: number[] = [];
  const flush = (emit: Emit): void => {
    if (run.length === 0) return;
    const bytes = Uint8Array.from(run);
    run = [];
    try {
      emit(strict.decode(bytes));
    } catch {
      for (const _ of bytes) emit(replacement);
    }
  };
  return {
    push(token, emit) {
      const byte = byteOfToken(token);
      if (byte !== undefined) {
        run.push(byte);
        return;
      }
      flush(emit);
      emit(token);
    },
    end: flush,
  };
};

const Strip = z.looseObject({ content: z.string(), start: z.int(), stop: z.int() });

/** Takes up to so many of a character from the two ends of a text. */
function strip(text: string, { content, start, stop }: z.infer<typeof Strip>): string {
  const chars = [...text];
  let [from, to] = [0, chars.length];
  while (from < start && chars[from] === content) from++;
  while (chars.length - to < stop && to > 0 && chars[to - 1] === content) to--;
  return chars.slice(from, Math.max(from, to)).join('');
}

/** The same behind `Fuse`, where all tokens are one: only what may still be an end is held back. */
const stripFused =
  (settings: z.infer<typeof Strip>): Kind =>
  () => {
    let taken = 0;
    let started = false;
    let held = '';
    return {
      push(token, emit) {
        let text = token;
        while (!started && taken < settings.start && text.startsWith(settings.content)) {
          text = text.slice(settings.content.length);
          taken++;
        }
        started ||= text !== '' || taken === settings.start;
        held += text;
        const chars = [...held];
        let kept = chars.length;
        while (chars.length - kept < settings.stop && kept > 0) kept--;
        if (kept > 0) emit(chars.slice(0, kept).join(''));
        held = chars.slice(kept).join('');
      },
      end(emit) {
        const rest = strip(held, { ...settings, start: 0 });
        if (rest !== '') emit(rest);
      },
    };
  };

/** All tokens as one, given on at the end. */
const joined: Kind = () => {
  let text = '';
  return {
    push(token) {
      text += token;
    },
    end: (emit) => emit(text),
  };
};

/** Bytes in GPT-2's alphabet; a token with foreign characters stands for its own text. */
const byteLevel: Kind = () => {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push(token, emit) {
      const bytes = Array.from(token, (char) => bytesOfChars[char.codePointAt(0)!] ?? -1);
      const text = bytes.includes(-1) ? Buffer.from(token) : Uint8Array.from(bytes);
      emit(utf8.decode(text, { stream: true }));
    },
    end: (emit) => emit(utf8.decode()),
  };
};

const Metaspace = z.looseObject({
  replacement: z.string().default('▁'),
  add_prefix_space: z.boolean().optional(),
  prepend_scheme: z.enum(['always', 'never', 'first']).default('always'),
});
const WordPiece = z.looseObject({
  prefix: z.string().default('##'),
  cleanup: z.boolean().default(true),
});

/** English habits of white space, as the library has them. */
const cleanups: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

type Compiled = {
  readonly kinds: readonly Kind[];
  readonly textOf: (token: string) => string;
  readonly fuses?: true;
};

const same = (token: string): string => token;

const kinds: Readonly<Record<string, (part: Part, file: string, fused: boolean) => Compiled>> = {
  Replace: (part, _, fused) => {
    const change = replace(part);
    return { kinds: [...(fused ? [joined] : []), perToken(change)], textOf: change };
  },
  ByteFallback: () => ({ kinds: [byteFallback], textOf: same }),
  // Tokens that are given out one after the other are one text already; what follows sees them so.
  Fuse: () => ({ kinds: [], textOf: same, fuses: true }),
  Strip: (part, _, fused) => {
    const settings = Strip.parse(part);
    return {
      kinds: [fused ? stripFused(settings) : perToken((token) => strip(token, settings))],
      textOf: same,
    };
  },
  ByteLevel: () => ({ kinds: [byteLevel], textOf: same, fuses: true }),
  Metaspace: (part) => {
    const { replacement: mark, add_prefix_space, prepend_scheme } = Metaspace.parse(part);
    const drops = prepend_scheme !== 'never' && add_prefix_space !== false;
    return {
      kinds: [perToken((token, first) => token.replaceAll(mark, first && drops ? '' : ' '))],
      textOf: (token) => token.replaceAll(mark, ' '),
    };
  },
  WordPiece: (part) => {
    const { prefix, cleanup } = WordPiece.parse(part);
    const clean = (text: string): string =>
      cleanup ? cleanups.reduce((all, [from, to]) => all.replaceAll(from, to), text) : text;
    const textOf = (token: string): string =>
      token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    return { kinds: [perToken((token, first) => clean(first ? token : textOf(token)))], textOf };
  },
  Sequence: (part, file) => {
    const all: Kind[] = [];
    const changes: ((token: string) => string)[] = [];
    let fused = false;
    for (const inner of Sequence.parse(part).decoders) {
      const compiled = compile(inner, file, fused);
      all.push(...compiled.kinds);
      // Behind a fusion a step sees no tokens.
      if (!fused) changes.push(compiled.textOf);
      fused ||= compiled.fuses === true;
    }
    return {
      kinds: all,
      textOf: (token) => changes.reduce((text, change) => change(text), token),
      ...(fused && { fuses: true as const }),
    };
  },
};

function compile(part: Part, file: string, fused: boolean): Compiled {
  const kind = Object.hasOwn(kinds, part.type) ? kinds[part.type] : undefined;
  if (kind === undefined) throw unsupportedPart(file, 'decoder', part.type, Object.keys(kinds));
  return kind(part, file, fused);
}

export function compileDecoder(part: Part | undefined, file: string): Decoder {
  const { kinds: all, textOf } =
    part === undefined
      ? { kinds: [perToken((token, first) => (first ? token : ` ${token}`))], textOf: same }
      : compile(part, file, false);
  return {
    textOf,
    start() {
      let text = '';
      const stages = all.map((kind) => kind());
      const emits: Emit[] = [];
      emits[stages.length] = (token) => {
        text += token;
      };
      for (let i = stages.length - 1; i >= 0; i--) {
        emits[i] = (token) => stages[i].push(token, emits[i + 1]);
      }
      const taken = (): string => {
        const given = text;
        text = '';
        return given;
      };
      return {
        push(token) {
          emits[0](token);
          return taken();
        },
        end() {
          for (const [i, stage] of stages.entries()) stage.end(emits[i + 1]);
          return taken();
        },
      };
    },
  };
}
