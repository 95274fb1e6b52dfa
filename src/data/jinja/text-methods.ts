/** @file Methods of Python's `str`. */
import { bind, indexOf, textOf } from './arguments.ts';
import type { Method } from './attributes.ts';
import { formatText } from './format.ts';
import { type Budget, JinjaError } from './limits.ts';
import { characters, isSpace, lengthOf, lineBreak, sliceOf, strip } from './text.ts';
import { iterate, Tuple, typeName, type Value } from './values.ts';

type TextMethod = Method<string>;

const stripping =
  (name: string, left: boolean, right: boolean): TextMethod =>
  (text, args, named) => {
    const [set = null] = bind(name, ['chars'], args, named);
    return strip(text, left, right, set === null ? undefined : textOf(set, `${name} arg`));
  };

const every =
  (test: (character: string) => boolean): TextMethod =>
  (text) =>
    text !== '' && [...text].every(test);

const matching = (pattern: RegExp): TextMethod => every((character) => pattern.test(character));

const cased =
  (has: RegExp, hasNot: RegExp): TextMethod =>
  (text) =>
    has.test(text) && !hasNot.test(text);

/** `startswith` and `endswith`: of one text, or of any of a tuple. */
const affix =
  (name: string, test: (text: string, part: string) => boolean): TextMethod =>
  (text, args, named) => {
    const [given = null, start = null, stop = null] = bind(
      name,
      ['prefix', 'start', 'end'],
      args,
      named,
      1,
    );
    const part = within(text, start, stop);
    const parts = given instanceof Tuple ? given : [given];
    return parts.some((each) => {
      if (typeof each === 'string') return test(part, each);
      throw new JinjaError(
        `${name} first arg must be str or a tuple of str, not ${typeName(each)}`,
      );
    });
  };

function within(text: string, start: Value, stop: Value): string {
  if (start === null && stop === null) return text;
  const length = lengthOf(text);
  const at = (value: Value, fallback: number): number => {
    if (value === null) return fallback;
    const index = indexOf(value, 'slice indices');
    return index < 0 ? Math.max(0, index + length) : index;
  };
  return sliceOf(text, at(start, 0), Math.max(at(start, 0), at(stop, length)));
}

const finding =
  (name: string, last: boolean, required: boolean): TextMethod =>
  (text, args, named) => {
    const [part = null, start = null, stop = null] = bind(
      name,
      ['sub', 'start', 'end'],
      args,
      named,
      1,
    );
    const where = within(text, start, stop);
    const wanted = textOf(part, `${name} argument`);
    const unit = last ? where.lastIndexOf(wanted) : where.indexOf(wanted);
    if (unit < 0) {
      if (required) throw new JinjaError('substring not found');
      return -1;
    }
    const skipped = start === null ? 0 : indexOf(start, 'start');
    const from = skipped < 0 ? Math.max(0, skipped + lengthOf(text)) : skipped;
    return from + lengthOf(where.slice(0, unit));
  };

const padding =
  (name: string, place: (missing: number, fill: string, text: string) => string): TextMethod =>
  (text, args, named, budget) => {
    const [width = null, fill = ' '] = bind(name, ['width', 'fillchar'], args, named, 1);
    const missing = indexOf(width, 'width') - lengthOf(text);
    if (missing <= 0) return text;
    budget.text(text.length + missing);
    return place(missing, textOf(fill, 'fill character'), text);
  };

/** Splits at runs of white space, at most `most` times, from the left or the right. */
function splitSpaces(text: string, most: number, fromRight: boolean): readonly string[] {
  const units = [...text];
  const parts: string[] = [];
  const step = fromRight ? -1 : 1;
  let at = fromRight ? units.length - 1 : 0;
  const inside = (): boolean => at >= 0 && at < units.length;
  for (;;) {
    while (inside() && isSpace(units[at])) at += step;
    if (!inside()) break;
    if (most >= 0 && parts.length >= most) {
      const rest = fromRight ? units.slice(0, at + 1) : units.slice(at);
      parts.push(rest.join(''));
      break;
    }
    const from = at;
    while (inside() && !isSpace(units[at])) at += step;
    parts.push((fromRight ? units.slice(at + 1, from + 1) : units.slice(from, at)).join(''));
  }
  return fromRight ? parts.reverse() : parts;
}

const splitting =
  (name: string, fromRight: boolean): TextMethod =>
  (text, args, named, budget) => {
    const [separator = null, count = -1] = bind(name, ['sep', 'maxsplit'], args, named);
    const most = indexOf(count, 'maxsplit');
    budget.text(text.length);
    if (separator === null) return splitSpaces(text, most, fromRight);
    const by = textOf(separator, 'separator');
    if (by === '') throw new JinjaError('empty separator');
    const parts = text.split(by);
    budget.list(parts.length);
    if (most < 0 || parts.length <= most + 1) return parts;
    return fromRight
      ? [parts.slice(0, parts.length - most).join(by), ...parts.slice(parts.length - most)]
      : [...parts.slice(0, most), parts.slice(most).join(by)];
  };

const partition =
  (name: string, last: boolean): TextMethod =>
  (text, args, named) => {
    const by = textOf(bind(name, ['sep'], args, named, 1)[0] ?? null, 'separator');
    if (by === '') throw new JinjaError('empty separator');
    const at = last ? text.lastIndexOf(by) : text.indexOf(by);
    if (at < 0) return last ? Tuple.of2('', '', text) : Tuple.of2(text, '', '');
    return Tuple.of2(text.slice(0, at), by, text.slice(at + by.length));
  };

export function replaceText(
  text: string,
  from: string,
  to: string,
  count: number,
  budget: Budget,
): string {
  budget.text(text.length);
  let times = from === '' ? lengthOf(text) + 1 : occurrences(text, from);
  if (count >= 0) times = Math.min(times, count);
  budget.text(text.length + times * to.length, times * (to.length + 8));
  if (from === '') {
    const all = characters(text);
    let done = '';
    for (let i = 0; i <= all.length; i++) done += (i < times ? to : '') + (all[i] ?? '');
    return done;
  }
  let left = times;
  return text.replaceAll(from, (found) => (left-- > 0 ? to : found));
}

function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

const capitalize = (text: string): string => {
  const [first = ''] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
};

/** `str.title`: what follows anything but a letter is a capital. */
const title = (text: string): string =>
  text.replace(/\p{L}+/gu, (word) => {
    const [first = ''] = word;
    return first.toUpperCase() + word.slice(first.length).toLowerCase();
  });

export const textMethods: Readonly<Record<string, TextMethod>> = {
  capitalize,
  casefold: (text) => text.toLowerCase().replaceAll('ß', 'ss'),
  center: padding('center', (missing, fill, text) => {
    const odd = missing & (missing + lengthOf(text)) & 1;
    const left = Math.floor(missing / 2) + odd;
    return fill.repeat(left) + text + fill.repeat(missing - left);
  }),
  count(text, args, named) {
    const [part = null, start = null, stop = null] = bind(
      'count',
      ['sub', 'start', 'end'],
      args,
      named,
      1,
    );
    const where = within(text, start, stop);
    const wanted = textOf(part, 'count argument');
    return wanted === '' ? lengthOf(where) + 1 : where.split(wanted).length - 1;
  },
  endswith: affix('endswith', (text, part) => text.endsWith(part)),
  expandtabs(text, args, named, budget) {
    const size = indexOf(bind('expandtabs', ['tabsize'], args, named)[0] ?? 8, 'tabsize');
    let done = '';
    let column = 0;
    for (const character of text) {
      const width = size > 0 ? size - (column % size) : 0;
      budget.text(done.length + width, width);
      done += character === '\t' ? ' '.repeat(width) : character;
      if (character === '\n' || character === '\r') column = 0;
      else column += character === '\t' ? width : 1;
    }
    return done;
  },
  find: finding('find', false, false),
  format: (text, args, named, budget) => formatText(text, args, named, budget),
  index: finding('index', false, true),
  isalnum: matching(/[\p{L}\p{N}]/u),
  isalpha: matching(/\p{L}/u),
  isascii: (text) => [...text].every((character) => character <= '\x7f'),
  isdecimal: matching(/\p{Nd}/u),
  isdigit: matching(/[\p{Nd}²³¹⁰⁴-⁹₀-₉①-⑨]/u),
  islower: cased(/\p{Ll}/u, /[\p{Lu}\p{Lt}]/u),
  isnumeric: matching(/\p{N}/u),
  isspace: every(isSpace),
  istitle: (text) => /\p{L}/u.test(text) && title(text) === text,
  isupper: cased(/\p{Lu}/u, /[\p{Ll}\p{Lt}]/u),
  join(text, args, named, budget) {
    const [given = null] = bind('join', ['iterable'], args, named, 1);
    const parts: string[] = [];
    let size = 0;
    for (const item of iterate(given)) {
      if (typeof item !== 'string') {
        throw new JinjaError(
          `sequence item ${parts.length}: expected str instance, ${typeName(item)} found`,
        );
      }
      parts.push(item);
      size += item.length + text.length;
      budget.text(size > item.length ? item.length : 0);
    }
    budget.text(size);
    return parts.join(text);
  },
  ljust: padding('ljust', (missing, fill, text) => text + fill.repeat(missing)),
  lower: (text) => text.toLowerCase(),
  lstrip: stripping('lstrip', true, false),
  partition: partition('partition', false),
  removeprefix(text, [part = null]) {
    const prefix = textOf(part, 'removeprefix() argument');
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix(text, [part = null]) {
    const suffix = textOf(part, 'removesuffix() argument');
    return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace(text, args, named, budget) {
    const [from = null, to = null, count = -1] = bind(
      'replace',
      ['old', 'new', 'count'],
      args,
      named,
      2,
    );
    return replaceText(
      text,
      textOf(from, 'replace() argument 1'),
      textOf(to, 'replace() argument 2'),
      indexOf(count, 'count'),
      budget,
    );
  },
  rfind: finding('rfind', true, false),
  rindex: finding('rindex', true, true),
  rjust: padding('rjust', (missing, fill, text) => fill.repeat(missing) + text),
  rpartition: partition('rpartition', true),
  rsplit: splitting('rsplit', true),
  rstrip: stripping('rstrip', false, true),
  split: splitting('split', false),
  splitlines(text, args, named) {
    const [keep = false] = bind('splitlines', ['keepends'], args, named);
    const found: string[] = [];
    let from = 0;
    for (const match of text.matchAll(lineBreak)) {
      const end = match.index + match[0].length;
      found.push(text.slice(from, keep === true ? end : match.index));
      from = end;
    }
    if (from < text.length) found.push(text.slice(from));
    return found;
  },
  startswith: affix('startswith', (text, part) => text.startsWith(part)),
  strip: stripping('strip', true, true),
  swapcase: (text) =>
    [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(''),
  title,
  upper: (text) => text.toUpperCase(),
  zfill(text, [width = null], _named, budget) {
    const missing = indexOf(width, 'width') - lengthOf(text);
    if (missing <= 0) return text;
    budget.text(text.length + missing);
    const sign = /^[-+]/.test(text) ? text[0] : '';
    return sign + '0'.repeat(missing) + text.slice(sign.length);
  },
};
