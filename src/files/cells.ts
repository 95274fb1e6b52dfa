/**
 * @file Values of columns with a type, as values of JSON: printed as Python prints what Hugging Face's readers give,
 * so that a float stays one (`1.0`) and 64 bits keep their digits. What JSON has no word for (a date, a decimal, infinity) is
 * the text that Python's `str` gives.
 */
import { isUtf8 } from 'node:buffer';
import { JsonNumber, type JsonValue, pythonFloat } from './json.ts';

export function floatCell(value: number): JsonValue {
  if (Number.isInteger(value)) return new JsonNumber(pythonFloat(value));
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

export const integerCell = (value: bigint | number): JsonValue =>
  Number.isSafeInteger(Number(value)) ? Number(value) : new JsonNumber(String(value));

/** Bytes that are text are given as text, all others (of images, of sounds) as Base64. */
export function bytesCell(bytes: Uint8Array): JsonValue {
  const same = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return same.toString(isUtf8(same) ? 'utf8' : 'base64');
}

/** `2026-11-25`; of days since 1970. */
export const dateCell = (days: number): JsonValue => isoText(days * 86_400_000).slice(0, 10);

/** As `str` of Python's datetime: `2026-11-25 21:31:42.500000`; `unit` is how many there are in a second. */
export function timestampCell(value: bigint, unit: bigint, isUtc: boolean): JsonValue {
  const rest = ((value % unit) + unit) % unit;
  const text = isoText(Number((value - rest) / unit) * 1000).replace('T', ' ');
  const digits = rest * (1_000_000_000n / unit);
  const fraction = rest === 0n ? '' : `.${String(digits).padStart(9, '0').replace(/000$/, '')}`;
  return text.slice(0, text.indexOf('.')) + fraction + (isUtc ? '+00:00' : '');
}

/** Beyond what a Date can be (years of six digits), the number itself. */
function isoText(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? `${milliseconds / 1000} s.` : date.toISOString();
}

/** As `str` of Python's Decimal: with `scale` digits after the point. */
export function decimalCell(value: bigint, scale: number): JsonValue {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const sign = value < 0n ? '-' : '';
  return scale > 0 ? `${sign}${whole}.${digits.slice(-scale)}` : sign + whole;
}

/** A whole number of any length, its highest byte first. */
export function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(8 * bytes.length, value);
}
