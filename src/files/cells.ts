/**
 * @file Values of columns with a type, as the same values of JSON: printed as Python prints what Hugging Face's
 * readers give, so that a float stays one (`1.0`) and 64 bits keep their digits.
 */
import { JsonNumber, type JsonValue, pythonFloat } from './json.ts';

export const floatCell = (value: number): JsonValue =>
  Number.isInteger(value) ? new JsonNumber(pythonFloat(value)) : value;

export const integerCell = (value: bigint | number): JsonValue =>
  Number.isSafeInteger(Number(value)) ? Number(value) : new JsonNumber(String(value));
