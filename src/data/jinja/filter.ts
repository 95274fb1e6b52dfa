/** @file What a filter is. */
import type { Budget } from './limits.ts';
import type { Named, Value } from './values.ts';

export type Filter = (value: Value, args: readonly Value[], named: Named, budget: Budget) => Value;
