/** @file Filters of text, and JSON. */

import { bind, indexOf, textOf } from './arguments.ts';
import type { Filter } from './filter.ts';
import { percent } from './operators.ts';
import { characters, lineBreak, sliceOf, strip } from './text.ts';
import { replaceText } from './text-methods.ts';
import {
  isList,
  type JsonOptions,
  type Named,
  Tuple,
  toJson,
  toText,
  truthy,
  type Value,
} from './values.ts';

function jsonOptions(args: readonly Value[], named: Named): JsonOptions {
  const [ascii = false, indent = null, separators = null, sortKeys = false] = bind(
    'tojson',
    ['ensure_ascii', 'indent', 'separators', 'sort_keys'],
    args,
    named,
  );
  const [comma, colon] = isList(separators) ? separators : [];
  return {
    ensureAscii: truthy(ascii),
    sortKeys: truthy(sortKeys),
    ...(indent === null ? {} : { indent: indexOf(indent, 'indent') }),
    ...(typeof comma === 'string' && typeof colon === 'string'
      ? { separators: [comma, colon] as const }
      : {}),
  };
}

export const textFilters: Readonly<Record<string, Filter>> = {
  capitalize: (value) => {
    const text = toText(value);
    const [first = ''] = text;
    return first.toUpperCase() + text.slice(first.length).toLowerCase();
  },
  center(value, args, named, budget) {
    const text = toText(value);
    const [width = 80] = bind('center', ['width'], args, named);
    const missing = indexOf(width, 'width') - characters(text).length;
    if (missing <= 0) return text;
    budget.text(text.length + missing);
    const left = Math.floor(missing / 2) + (missing & indexOf(width, 'width') & 1);
    return ' '.repeat(left) + text + ' '.repeat(missing - left);
  },
  format: (value, args, named, budget) =>
    percent(toText(value), named.size > 0 ? named : Tuple.of2(...args), budget),
  indent(value, args, named, budget) {
    const [width = 4, first = false, blank = false] = bind(
      'indent',
      ['width', 'first', 'blank'],
      args,
      named,
    );
    const given = textOf(value, 'indent() value');
    const by =
      typeof width === 'string'
        ? width
        : ' '.repeat(Math.max(0, Math.min(1000, indexOf(width, 'width'))));
    const lines = `${given}\n`.split(lineBreak);
    lines.pop();
    budget.text(given.length + lines.length * by.length);
    const text = lines
      .map((line, i) => (i === 0 || (!truthy(blank) && line === '') ? line : by + line))
      .join('\n');
    return truthy(first) ? by + text : text;
  },
  lower: (value) => toText(value).toLowerCase(),
  replace(value, args, named, budget) {
    const [from = null, to = null, count = null] = bind(
      'replace',
      ['old', 'new', 'count'],
      args,
      named,
      2,
    );
    const times = count === null ? -1 : indexOf(count, 'count');
    return replaceText(toText(value), toText(from), toText(to), times, budget);
  },
  title: (value) =>
    toText(value).replace(/[^-\s({[<]+/g, (word) => {
      const [first = ''] = word;
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    }),
  tojson(value, args, named, budget) {
    const text = toJson(value, jsonOptions(args, named));
    budget.text(text.length);
    return text;
  },
  trim(value, args, named) {
    const [set = null] = bind('trim', ['chars'], args, named);
    return strip(toText(value), true, true, set === null ? undefined : textOf(set, 'strip arg'));
  },
  truncate(value, args, named) {
    const [size = 255, kill = false, end = '...', leeway = 5] = bind(
      'truncate',
      ['length', 'killwords', 'end', 'leeway'],
      args,
      named,
    );
    const text = toText(value);
    const [most, spare] = [
      indexOf(size, 'length'),
      leeway === null ? 5 : indexOf(leeway, 'leeway'),
    ];
    const tail = textOf(end, 'end');
    if (characters(text).length <= most + spare) return text;
    const cut = sliceOf(text, 0, Math.max(0, most - characters(tail).length));
    if (truthy(kill)) return cut + tail;
    const at = cut.lastIndexOf(' ');
    return (at < 0 ? cut : cut.slice(0, at)) + tail;
  },
  upper: (value) => toText(value).toUpperCase(),
  urlencode: (value) =>
    encodeURIComponent(toText(value))
      .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/'),
  wordcount: (value) => (toText(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length,
};
