/** @file `str.format` for the plain fields: `{}`, `{0}`, `{name}`, `{x!r}`, and a format of width, fill and precision. */
import { type Budget, JinjaError } from './limits.ts';
import { lengthOf, sliceOf } from './text.ts';
import { Float, isInteger, type Named, numberOf, represent, toText, type Value } from './values.ts';

const field = /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g;

export function formatText(
  text: string,
  args: readonly Value[],
  named: Named,
  budget: Budget,
): string {
  let next = 0;
  let isNumbered = false;
  const done = text.replace(field, (whole, name?: string, conversion?: string, format?: string) => {
    if (whole === '{{') return '{';
    if (whole === '}}') return '}';
    if (name === undefined) throw new JinjaError(`Single '${whole}' encountered in format string`);
    if (name === '' ? isNumbered : next > 0 && /^\d+$/.test(name))
      throw new JinjaError('cannot mix automatic with manual field numbers');
    isNumbered ||= /^\d+$/.test(name);
    const key = name === '' ? String(next++) : name;
    const value = /^\d+$/.test(key) ? args[Number(key)] : named.get(key);
    if (value === undefined) {
      if (/[.[]/.test(key)) throw new JinjaError('str.format with attributes is not supported');
      throw new JinjaError(
        /^\d+$/.test(key)
          ? `Replacement index ${key} out of range for positional args tuple`
          : `KeyError: '${key}'`,
      );
    }
    const shown = conversion === 'r' ? represent(value) : value;
    return format ? formatValue(shown, format, budget) : toText(shown);
  });
  budget.text(done.length);
  return done;
}

const specification = /^(?:(.)?([<>^=]))?([-+ ])?(0)?(\d+)?(,)?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/u;

function formatValue(value: Value, format: string, budget: Budget): string {
  const match = specification.exec(format);
  if (!match) throw new JinjaError(`Invalid format specifier '${format}'`);
  const [, given, align, sign = '', zero, width = '0', comma, precision, kind] = match;
  const isNumber = isInteger(value) || value instanceof Float;
  let text: string;
  if (!isNumber) {
    const whole = toText(value);
    text = precision === undefined ? whole : sliceOf(whole, 0, Number(precision));
  } else if (kind === 'f' || kind === 'F' || precision !== undefined) {
    text = numberOf(value).toFixed(Math.min(Number(precision ?? 6), 100));
  } else if (isInteger(value) && (kind === 'x' || kind === 'X' || kind === 'b' || kind === 'o')) {
    text = BigInt(value).toString({ x: 16, X: 16, b: 2, o: 8 }[kind]);
    if (kind === 'X') text = text.toUpperCase();
  } else text = toText(value);
  if (comma) text = text.replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ',');
  if (isNumber && sign !== '' && sign !== '-' && !text.startsWith('-')) text = sign + text;
  const missing = Number(width) - lengthOf(text);
  if (missing <= 0) return text;
  budget.text(Number(width));
  const fill = given ?? (zero ? '0' : ' ');
  const where = align ?? (zero && isNumber ? '=' : isNumber ? '>' : '<');
  if (where === '<') return text + fill.repeat(missing);
  if (where === '>') return fill.repeat(missing) + text;
  if (where === '^') {
    const left = Math.floor(missing / 2);
    return fill.repeat(left) + text + fill.repeat(missing - left);
  }
  const front = /^[-+ ]/.test(text) ? text[0] : '';
  return front + fill.repeat(missing) + text.slice(front.length);
}
