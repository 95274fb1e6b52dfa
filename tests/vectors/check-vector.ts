/** @file One vector: undefined where it passes, else the first difference, for people to read. */
import { TuneryError } from '../../src/core/errors.ts';
import { Mismatch } from './compare.ts';
import { checkConvert } from './convert.ts';
import { checkEncode } from './encode.ts';
import { checkEvalPrompt } from './eval-prompt.ts';
import { checkExport } from './export.ts';
import { checkInferSeqlen, checkKnapsack, checkTruncation } from './lengths.ts';
import { checkToolUtils } from './tool-utils.ts';
import type { Vector } from './vector.ts';

const kinds: Readonly<Record<string, (vector: Vector) => void>> = {
  convert: checkConvert,
  encode: checkEncode,
  eval_prompt: checkEvalPrompt,
  export: checkExport,
  infer_seqlen: checkInferSeqlen,
  knapsack: checkKnapsack,
  tool_utils: checkToolUtils,
  truncate_multiturn: checkTruncation,
};

export function checkVector(vector: Vector): string | undefined {
  const check = Object.hasOwn(kinds, vector.kind) ? kinds[vector.kind] : undefined;
  if (!check) return `\`${vector.kind}\` is no kind of vector that is known here`;
  try {
    check(vector);
    return undefined;
  } catch (error) {
    if (error instanceof Mismatch) return error.message;
    if (error instanceof TuneryError) return `refused: ${error.message}`;
    throw error;
  }
}
