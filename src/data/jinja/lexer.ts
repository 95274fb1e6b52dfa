/**
 * @file A Jinja2 template as tokens, with `trim_blocks` and `lstrip_blocks` on, as transformers has them.
 * White space around tags follows Jinja2 3.1's rules to the letter, for it is part of what a model reads.
 */
import { pythonEscapes } from '../python-escapes.ts';
import { JinjaError, largestTemplate } from './limits.ts';
import { isSpace, strip } from './text.ts';

export type TokenType =
  | 'data'
  | 'variable-begin'
  | 'variable-end'
  | 'block-begin'
  | 'block-end'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'end';

export type Token = { readonly type: TokenType; readonly text: string; readonly line: number };

const opening = /\{([{%#])([-+]?)/g;
const rawBegin = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y;
const rawEnd = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
const commentEnd = /(?:\+#\}|-#\}\s*|#\}\n?)/g;
const blockEnd = /(?:\+%\}|-%\}\s*|%\}\n?)/y;
const variableEnd = /(?:-\}\}\s*|\}\})/y;

const space = /\s+/y;
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const name = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}_]*/uy;
const quoted = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/sy;
const operator = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}><=.:|,;]/y;

const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

export function tokenize(source: string): readonly Token[] {
  if (source.length > largestTemplate) throw new JinjaError('it is larger than 1 MB');
  const text = source.replace(/\r\n|\r/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  /** The text so far ends a line: white space that follows may stand alone before a tag. */
  let fresh = true;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const advance = (part: string): void => {
    for (let i = part.indexOf('\n'); i >= 0; i = part.indexOf('\n', i + 1)) line++;
    at += part.length;
    if (part !== '') fresh = part.endsWith('\n');
  };
  const data = (part: string): void => {
    if (part !== '') tokens.push({ type: 'data', text: part, line });
  };
  const fail = (message: string): never => {
    throw new JinjaError(`it is not valid Jinja: line ${line}: ${message}`);
  };

  /** What is left of the text before a tag. */
  const before = (part: string, sign: string, isVariable: boolean): string => {
    if (sign === '-') return strip(part, false, true);
    if (sign === '+' || isVariable) return part;
    const start = part.lastIndexOf('\n') + 1;
    if (start === 0 && !fresh) return part;
    const tail = part.slice(start);
    return tail !== '' && [...tail].every(isSpace) ? part.slice(0, start) : part;
  };

  const expression = (end: RegExp, endType: TokenType, what: string): void => {
    const open: string[] = [];
    for (;;) {
      if (at >= text.length) fail(`${what} is never closed`);
      if (open.length === 0) {
        const closed = match(end);
        if (closed !== undefined) {
          tokens.push({ type: endType, text: '', line });
          advance(closed);
          return;
        }
      }
      const blank = match(space);
      if (blank !== undefined) {
        advance(blank);
        continue;
      }
      const found =
        token('float', float) ??
        token('integer', integer) ??
        token('name', name) ??
        token('string', quoted) ??
        token('operator', operator) ??
        fail(`unexpected ${JSON.stringify(text.slice(at, at + 1))}`);
      if (found.type === 'operator') {
        if (found.text in closers) open.push(closers[found.text]);
        else if (')]}'.includes(found.text) && open.pop() !== found.text)
          fail(`unexpected \`${found.text}\``);
      }
      tokens.push(
        found.type === 'string' ? { ...found, text: unescaped(found.text.slice(1, -1)) } : found,
      );
      advance(found.text);
    }
  };
  const token = (type: TokenType, pattern: RegExp): Token | undefined => {
    const found = match(pattern);
    return found === undefined ? undefined : { type, text: found, line };
  };

  while (at < text.length) {
    opening.lastIndex = at;
    const found = opening.exec(text);
    if (!found) {
      data(text.slice(at));
      break;
    }
    const [tag, kind, sign] = found;
    const part = text.slice(at, found.index);
    // White space that begins a line counts only where the line begins in this part, or did before it.
    const kept = before(part, sign, kind === '{');
    data(kept);
    advance(part);
    if (kind === '#') {
      advance(tag);
      commentEnd.lastIndex = at;
      const end = commentEnd.exec(text);
      if (!end) fail('a comment is never closed');
      else advance(text.slice(at, end.index + end[0].length));
      continue;
    }
    const raw = kind === '%' ? match(rawBegin) : undefined;
    if (raw !== undefined) {
      advance(raw);
      rawEnd.lastIndex = at;
      const end = rawEnd.exec(text);
      if (!end) fail('`raw` is never closed');
      else {
        const body = text.slice(at, end.index);
        data(before(body, end[1], false));
        advance(body + end[0]);
      }
      continue;
    }
    advance(tag);
    if (kind === '{') {
      tokens.push({ type: 'variable-begin', text: '', line });
      expression(variableEnd, 'variable-end', '`{{`');
    } else {
      tokens.push({ type: 'block-begin', text: '', line });
      expression(blockEnd, 'block-end', '`{%`');
    }
  }
  tokens.push({ type: 'end', text: '', line });
  return tokens;
}

/** Python's escapes; an unknown one stands for itself, backslash and all. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(
    /\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([0-7]{1,3})|(.))/gis,
    (whole, x?: string, u?: string, long?: string, octal?: string, one?: string) => {
      const hex = x ?? u ?? long;
      if (hex !== undefined) {
        // `\X41` is no escape in Python, and the pattern takes no heed of case.
        if (!'xuU'.includes(whole[1])) return whole;
        return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff));
      }
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      return one !== undefined && Object.hasOwn(pythonEscapes, one) ? pythonEscapes[one] : whole;
    },
  );
}
