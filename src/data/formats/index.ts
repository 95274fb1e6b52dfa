/** @file The row formats. */
import { alpaca } from './alpaca.ts';
import type { Format } from './format.ts';
import { openai } from './openai.ts';
import { sharegpt } from './sharegpt.ts';
import { text } from './text.ts';
import { turns } from './turns.ts';

/** By name, in the order in which a row's format is guessed. */
export const formats: Readonly<Record<string, Format>> = {
  sharegpt,
  openai,
  turns,
  alpaca,
  text,
};
