/**
 * @file Regular expressions of tokenizer.json (Oniguruma's Ruby syntax) as JavaScript patterns with the `v` flag.
 *
 * What differs: the classes (`\s`, `\w`, `\p{…}` follow Oniguruma's Unicode, see unicode.ts), possessive quantifiers
 * and atomic groups (a look-ahead that captures, then the capture), `^ $ \A \z \Z \h`, POSIX brackets, nested classes,
 * and `(?i:…)`, which is spelled out: V8 13.6 misreads `[^\p{L}]` in a `v` pattern that has such a group anywhere.
 */
import { unsupportedPattern } from './errors.ts';
import { digitClass, posixClass, propertyClass, spaceClass, wordClass } from './unicode.ts';

const simpleEscapes: Readonly<Record<string, number>> = {
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  a: 7,
  e: 27,
};

const hexadecimal = '[0-9a-fA-F]';

/** A code point as a pattern or class member. */
function literal(code: number): string {
  const char = String.fromCodePoint(code);
  return /[A-Za-z0-9 ]/.test(char) ? char : `\\u{${code.toString(16)}}`;
}

/** The characters that are one letter but for case: s, S and the long s. */
function caseVariants(code: number): readonly number[] {
  const found = new Set([code]);
  for (const one of found) {
    const char = String.fromCodePoint(one);
    // What folds to an ASCII letter from outside ASCII.
    const far = { s: 'ſ', k: 'K' }[char.toLowerCase()] ?? char;
    for (const other of [char.toLowerCase(), char.toUpperCase(), far]) {
      if ([...other].length === 1) found.add(other.codePointAt(0)!);
    }
  }
  return [...found];
}

/** Compiles an Oniguruma pattern; `flags` are added to `v`. */
export function compileOniguruma(pattern: string, flags: string): RegExp {
  return new RegExp(translateOniguruma(pattern), `v${flags}`);
}

/** The JavaScript source, to be used with the `v` flag. */
export function translateOniguruma(pattern: string): string {
  let at = 0;
  let atomics = 0;
  let foldsCase = false;

  const fail = (what: string): Error => unsupportedPattern(pattern, at, what);

  /** One character, in any case where case does not matter. */
  const character = (code: number): string => {
    const variants = foldsCase ? caseVariants(code) : [code];
    return variants.length === 1 ? literal(code) : `[${variants.map(literal).join('')}]`;
  };

  /** The same among the members of a class. */
  const range = (low: number, high: number): string => {
    const plain = low === high ? literal(low) : `${literal(low)}-${literal(high)}`;
    if (!foldsCase) return plain;
    if (high - low > 0x400) throw fail('a wide range without case');
    let members = plain;
    for (let code = low; code <= high; code++) members += caseVariants(code).map(literal).join('');
    return members;
  };

  /** Named, so that no number of the pattern's own groups moves. */
  const atomic = (body: string): string => {
    const name = `atomic${atomics++}`;
    return `(?:(?=(?<${name}>${body}))\\k<${name}>)`;
  };

  const codePoint = (): number => {
    const code = pattern.codePointAt(at)!;
    at += code > 0xffff ? 2 : 1;
    return code;
  };

  /** After a backslash: a class, or the code point that is meant. */
  const escaped = (inClass: boolean): { readonly set: string } | { readonly code: number } => {
    if (at >= pattern.length) throw fail('a backslash at its end');
    const letter = pattern[at];
    switch (letter) {
      case 's':
      case 'd':
      case 'w':
      case 'h': {
        at++;
        const sets = { s: spaceClass, d: digitClass, w: wordClass, h: hexadecimal };
        return { set: sets[letter] };
      }
      case 'S':
        at++;
        return { set: `[^${spaceClass}]` };
      case 'D':
        at++;
        return { set: `[^${digitClass}]` };
      case 'W':
        at++;
        return { set: `[^${wordClass}]` };
      case 'H':
        at++;
        return { set: `[^${hexadecimal}]` };
      case 'p':
      case 'P': {
        const match = /^[pP]\{(\^?)([^}]*)\}/.exec(pattern.slice(at));
        if (!match) throw fail(`\`\\${letter}\` without braces`);
        const set = propertyClass(match[2].replace(/[\s-]/g, ''));
        if (set === undefined) throw fail(`the property \`${match[2]}\``);
        at += match[0].length;
        const negative = (letter === 'P') !== (match[1] === '^');
        return { set: negative ? `[^${set}]` : set };
      }
      case 'x':
      case 'u': {
        const match = /^(?:x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4}))/.exec(
          pattern.slice(at),
        );
        if (!match) throw fail(`\`\\${letter}\` without a code`);
        at += match[0].length;
        return { code: Number.parseInt(match[1] ?? match[2] ?? match[3], 16) };
      }
      default: {
        if (letter in simpleEscapes) {
          at++;
          return { code: simpleEscapes[letter] };
        }
        if (letter === 'b' && inClass) {
          at++;
          return { code: 8 };
        }
        if (letter === '0') {
          at++;
          return { code: 0 };
        }
        if (/[A-Za-z1-9]/.test(letter)) throw fail(`\`\\${letter}\``);
        return { code: codePoint() };
      }
    }
  };

  /** From behind `[` to behind its `]`. */
  const characterClass = (): string => {
    let negative = false;
    if (pattern[at] === '^') {
      negative = true;
      at++;
    }
    const sides: string[] = [];
    let members = '';
    for (let first = true; ; first = false) {
      if (at >= pattern.length) throw fail('a class without end');
      if (pattern[at] === ']' && !first) break;
      if (pattern.startsWith('&&', at)) {
        at += 2;
        sides.push(`[${members}]`);
        members = '';
        continue;
      }
      const posix = /^\[:(\^?)([a-z]+):\]/.exec(pattern.slice(at));
      if (posix) {
        const set = posixClass(posix[2]);
        if (set === undefined) throw fail(`\`[:${posix[2]}:]\``);
        at += posix[0].length;
        members += posix[1] === '^' ? `[^${set}]` : set;
        continue;
      }
      if (pattern[at] === '[') {
        at++;
        members += characterClass();
        continue;
      }
      const low = member();
      if (typeof low === 'string') {
        members += low;
        continue;
      }
      if (pattern[at] === '-' && at + 1 < pattern.length && pattern[at + 1] !== ']') {
        const before = at;
        at++;
        const high = pattern[at] === '[' ? '' : member();
        if (typeof high === 'number') {
          members += range(low, high);
          continue;
        }
        at = before;
      }
      members += range(low, low);
    }
    at++;
    const body = sides.length === 0 ? members : [...sides, `[${members}]`].join('&&');
    return `[${negative ? '^' : ''}${body}]`;
  };

  /** One member of a class: its code point, or a set. */
  const member = (): number | string => {
    if (pattern[at] !== '\\') return codePoint();
    at++;
    const found = escaped(true);
    return 'set' in found ? found.set : found.code;
  };

  /** From behind `(` to behind its `)`. */
  const group = (): string => {
    const rest = pattern.slice(at);
    const opening =
      /^\?(?:[:=!>]|<[=!]|#|<[A-Za-z_]\w*>|[imx-]+:)/.exec(rest)?.[0] ??
      (rest.startsWith('?') ? undefined : '');
    if (opening === undefined) throw fail(`the group \`(${rest.slice(0, 4)}…\``);
    if (opening === '?#') {
      const end = pattern.indexOf(')', at);
      if (end < 0) throw fail('a comment without end');
      at = end + 1;
      return '';
    }
    if (/^\?[imx-]+:$/.test(opening) && !/^\?-?i:$/.test(opening)) {
      throw fail(`the group \`(${opening}\``);
    }
    at += opening.length;
    const outer = foldsCase;
    if (opening.endsWith('i:')) foldsCase = opening === '?i:';
    const body = alternatives();
    foldsCase = outer;
    if (pattern[at] !== ')') throw fail('a group without end');
    at++;
    if (opening === '?>') return atomic(body);
    // Nothing of ours asks for captures.
    if (opening === '' || /[i>]:?$/.test(opening)) return `(?:${body})`;
    return `(${opening}${body})`;
  };

  /** A quantifier, if one stands here. */
  const quantified = (atom: string): string => {
    let result = atom;
    for (;;) {
      const match = /^(?:[*+?]|\{(\d*),?(\d*)\})/.exec(pattern.slice(at));
      if (!match || match[0] === '{}' || match[0] === '{,}') return result;
      let quantifier = match[0].startsWith('{,') ? `{0${match[0].slice(1)}` : match[0];
      at += match[0].length;
      if (pattern[at] === '?') {
        quantifier += '?';
        at++;
      } else if (pattern[at] === '+' && !quantifier.startsWith('{')) {
        at++;
        result = atomic(`${result}${quantifier}`);
        continue;
      }
      result = `${result}${quantifier}`;
      if (!/^[*+?{]/.test(pattern.slice(at, at + 1))) return result;
      result = `(?:${result})`;
    }
  };

  const alternatives = (): string => {
    let source = '';
    while (at < pattern.length && pattern[at] !== ')') {
      const char = pattern[at];
      if (char === '|') {
        at++;
        source += '|';
        continue;
      }
      source += quantified(atom(char));
    }
    return source;
  };

  const atom = (char: string): string => {
    if (char === '(') {
      at++;
      return group();
    }
    if (char === '[') {
      at++;
      return characterClass();
    }
    if (char === '.') {
      at++;
      return '[^\\n]';
    }
    if (char === '^') {
      at++;
      return '(?:(?<![\\s\\S])|(?<=\\n)(?=[\\s\\S]))';
    }
    if (char === '$') {
      at++;
      return '(?![^\\n])';
    }
    if (char !== '\\') {
      if (/[*+?]/.test(char)) throw fail(`a quantifier \`${char}\` of nothing`);
      return character(codePoint());
    }
    at++;
    const anchor = { A: '(?<![\\s\\S])', z: '(?![\\s\\S])', Z: '(?=\\n?(?![\\s\\S]))' }[
      pattern[at]
    ];
    if (anchor !== undefined) {
      at++;
      return anchor;
    }
    const boundary = { b: false, B: true }[pattern[at]];
    if (boundary !== undefined) {
      at++;
      const w = wordClass;
      return boundary
        ? `(?:(?<=${w})(?=${w})|(?<!${w})(?!${w}))`
        : `(?:(?<=${w})(?!${w})|(?<!${w})(?=${w}))`;
    }
    const found = escaped(false);
    return 'set' in found ? found.set : character(found.code);
  };

  const source = alternatives();
  if (at < pattern.length) throw fail('a `)` too many');
  return source;
}
