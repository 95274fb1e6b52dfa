/** @file Which rows are kept, by what they say: exact copies, scripts and expressions leave rows out. Each is counted. */
import { createHash } from 'node:crypto';
import { type Example, isReply } from './example.ts';
import { type FilterValues, parseFilter } from './filter-expression.ts';
import { type RawRow, toExample } from './raw-row.ts';
import type { DataSettings } from './settings.ts';
import type { Source } from './sources.ts';
import { scriptOf } from './text-script.ts';

export type FilterSettings = Pick<
  DataSettings,
  'deduplicate' | 'filter_scripts' | 'filter_expression'
>;

/** Rows that each setting left out, by its name. */
export type LeftOut = Map<string, number>;

export type RowFilter = (row: RawRow) => boolean;

/** Undefined where every row is kept, so that none need be looked at. */
export function createRowFilter(
  settings: FilterSettings,
  sources: readonly Source[],
  leftOut: LeftOut,
): RowFilter | undefined {
  const tests = [...testsOf(settings)];
  if (tests.length === 0) return undefined;
  return (row) => {
    const example = toExample(row, sources);
    for (const { name, keeps } of tests) {
      if (keeps(example, sources[row.source].name)) continue;
      leftOut.set(name, (leftOut.get(name) ?? 0) + 1);
      return false;
    }
    return true;
  };
}

type Test = {
  readonly name: string;
  readonly keeps: (example: Example, dataset: string) => boolean;
};

function* testsOf(settings: FilterSettings): Generator<Test> {
  const { filter_scripts: scripts, filter_expression: expression } = settings;
  if (scripts.length > 0) {
    const keeps = (example: Example): boolean => {
      const found = scriptOf(valuesOf(example, '').text);
      return found !== undefined && scripts.includes(found);
    };
    yield { name: 'filter_scripts', keeps };
  }
  if (expression !== null) {
    const parsed = parseFilter(expression);
    // The settings were checked by the same parser.
    if ('fault' in parsed) throw new Error(parsed.fault);
    const keeps: Test['keeps'] = (example, name) => parsed.test(valuesOf(example, name));
    yield { name: 'filter_expression', keeps };
  }
  if (settings.deduplicate) yield { name: 'deduplicate', keeps: firstOfItsKind() };
}

/** Of every row 16 bytes are kept: the first half of its SHA-256. */
function firstOfItsKind(): (example: Example) => boolean {
  const seen = new Set<string>();
  return ({ messages, system, tools, chosen, rejected, desirable }) => {
    const said = JSON.stringify([messages, system, tools, chosen, rejected, desirable]);
    const digest = createHash('sha256').update(said).digest().toString('latin1', 0, 16);
    const before = seen.size;
    seen.add(digest);
    return seen.size > before;
  };
}

function valuesOf({ messages, system, chosen, rejected }: Example, dataset: string): FilterValues {
  const replies = messages.filter(({ role }) => isReply(role));
  const values = {
    prompt: messages.find(({ role }) => role === 'user')?.content ?? '',
    reply: chosen?.content ?? replies.at(-1)?.content ?? '',
    rejected: rejected?.content ?? '',
    system,
    dataset,
    turns: replies.length + (chosen ? 1 : 0),
  };
  const all = [
    system,
    ...messages.map(({ content }) => content),
    chosen?.content,
    rejected?.content,
  ];
  return { ...values, text: all.filter((part) => part !== undefined && part !== '').join('\n') };
}
