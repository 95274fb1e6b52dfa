/** @file Every check over every row of the data, in one go: nothing is held but what a check needs of all rows. */
import type { Place } from '../../core/errors.ts';
import { openFile } from '../../files/chunks.ts';
import { rowEnding } from '../../files/rows.ts';
import type { Reading } from '../formats/format.ts';
import type { Check, Found, Kind, SetCheck } from './check.ts';
import { checks, kindsByCode } from './checks/index.ts';
import { refused, sourceSizes } from './checks/training.ts';
import { createRowExaminer, type TrainingCheck } from './examine-row.ts';
import { EvaluationTexts } from './leakage.ts';
import type { RawRow, Reported } from './raw-row.ts';
import { contentEnding, readRaw } from './raw-rows.ts';
import { kindOfReaderFault } from './reader-fault.ts';
import { guessFiles } from './reading.ts';
import type { Report } from './report.ts';
import { type RowView, viewOf } from './view.ts';

/** Files that are one data set. Without a format, the first rows tell it. */
export type Subject = {
  readonly name: string;
  readonly files: readonly string[];
  readonly format?: string | undefined;
  readonly reading?: Reading | undefined;
  /** Where dataset_info.json describes it, if it does. */
  readonly described?: Place | undefined;
};

export type Examined = {
  readonly name: string;
  readonly rows: number;
  readonly format: string | undefined;
  readonly reading: Reading | undefined;
};

export type ExamineOptions = {
  readonly report: Report;
  /** About so many rows of each file, spread over it; all if undefined. */
  readonly sample?: number | undefined;
  /** Rows to hold the data against. */
  readonly evaluation?: readonly Subject[];
  readonly training?: TrainingCheck | undefined;
  readonly progress?: ((rows: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

export async function examine(
  subjects: readonly Subject[],
  options: ExamineOptions,
): Promise<readonly Examined[]> {
  const pace = pacer(options);
  const texts = new EvaluationTexts();
  const examined: Examined[] = [];
  for (const [list, isEvaluation] of [
    [options.evaluation ?? [], true],
    [subjects, false],
  ] as const) {
    const across = setChecks(options.report, (check) => check.across === true);
    for (const subject of list) {
      const done = await examineSubject(subject, options, across, pace, (view, found) => {
        if (isEvaluation) texts.add(view);
        else if (texts.count > 0) texts.compare(view, found);
      });
      examined.push(done);
    }
    across.end();
  }
  compareSizes(examined.slice(options.evaluation?.length ?? 0), subjects, options.report);
  return examined;
}

/** So many times the rows of another set, and that one is hardly seen. */
const farApart = 50;

function compareSizes(
  sets: readonly Examined[],
  subjects: readonly Subject[],
  report: Report,
): void {
  const most = sets.reduce((a, b) => (b.rows > a.rows ? b : a), { name: '', rows: 0 });
  for (const [i, { name, rows }] of sets.entries()) {
    if (rows === 0 || rows * farApart > most.rows) continue;
    const place: Place = { file: subjects[i]?.files[0] ?? name };
    report.add(sourceSizes, `${name} has ${rows} rows, and ${most.name} ${most.rows}`, () => place);
  }
}

/** Lets the terminal and Ctrl+C have their turn. */
function pacer({ progress, signal }: ExamineOptions): () => Promise<void> | undefined {
  let rows = 0;
  let turn = performance.now();
  return () => {
    rows++;
    if ((rows & 63) !== 0 || performance.now() - turn < 50) return undefined;
    progress?.(rows);
    signal?.throwIfAborted();
    turn = performance.now();
    return new Promise((resolve) => setImmediate(resolve));
  };
}

type Sets = { row(view: RowView, found: (kind: Kind) => Found): void; end(): void };

function setChecks(report: Report, wanted: (check: Check) => boolean): Sets {
  const running = checks
    .filter((check) => check.set && wanted(check))
    .map((check): readonly [Check, SetCheck] => [check, check.set!()]);
  return {
    row(view, found) {
      for (const [check, set] of running) set.row(view, found(check));
    },
    end() {
      for (const [check, set] of running) {
        set.end?.((message, { place }) => report.add(check, message, () => place));
      }
    },
  };
}

async function examineSubject(
  subject: Subject,
  options: ExamineOptions,
  across: Sets,
  pace: () => Promise<void> | undefined,
  compare: (view: RowView, found: (kind: Kind) => Found) => void,
): Promise<Examined> {
  const { report } = options;
  const { format, reading } = subject.format !== undefined ? subject : guessFiles(subject.files);
  const sets = setChecks(report, (check) => check.across !== true);
  const unused = unusedNames(subject);
  const examiner = createRowExaminer(options);
  let rows = 0;
  let columns: readonly string[] | undefined;
  for (const file of subject.files) {
    const fault: Reported = (code, message, place, help) =>
      report.add(kindOfReaderFault(code, help), message, () => place);
    const wants = sampler(file, options.sample);
    for (const raw of readRaw(file, fault)) {
      if (!wants(raw)) continue;
      rows++;
      const pause = pace();
      if (pause) await pause;
      columns ??= Object.keys(raw.value);
      if (format === undefined || reading === undefined) continue;
      const view = viewOf(raw.value, raw.place, format, reading);
      unused.see(view);
      examiner(raw, view, (found) => {
        sets.row(view, found);
        across.row(view, found);
        compare(view, found);
      });
    }
  }
  sets.end();
  const place: Place = { file: subject.files[0] ?? subject.name };
  const kind = (code: string): Kind => kindsByCode.get(code) ?? refused;
  if (rows === 0)
    report.add(
      kind('data/empty'),
      `there is no row in ${subject.name} that can be read`,
      () => place,
    );
  else if (format === undefined) {
    const names = (columns ?? []).slice(0, 12).map((name) => `\`${name}\``);
    report.add(
      kind('data/unknown-format'),
      `the first row has the columns ${names.join(', ')}`,
      () => ({ ...place, line: 1 }),
    );
  } else unused.end(report, kind);
  return { name: subject.name, rows, format, reading };
}

/** Bytes of what a file holds; of a packed one as its end tells (RFC 1952), which is right for less than 4 GB. */
function contentSize(file: string): number {
  const { size, read, close } = openFile(file);
  try {
    if (contentEnding(file) === rowEnding(file) || size < 4) return size;
    const tail = Buffer.alloc(4);
    read(tail, size - tail.length);
    return tail.readUInt32LE();
  } finally {
    close();
  }
}

/** Takes about `count` rows, spread over the file by a fixed hash of their number. */
function sampler(file: string, count: number | undefined): (raw: RawRow) => boolean {
  if (count === undefined) return () => true;
  const size = contentSize(file);
  let bytes = 0;
  let rows = 0;
  return ({ source, place }) => {
    bytes += (source?.text.length ?? 500) + 4;
    rows++;
    const share = count / Math.max(count, size / (bytes / rows));
    return Math.imul((place.row ?? 0) + 1, 0x9e3779b1) >>> 0 < share * 2 ** 32;
  };
}

/** Columns and tags that dataset_info.json names and no row has. */
function unusedNames({ described, reading, format, name }: Subject) {
  const columns = new Set(
    described && reading ? Object.values(reading.columns).filter((column) => column !== null) : [],
  );
  const conversation = format === 'sharegpt' || format === 'openai';
  const tags = new Set(
    described && reading && conversation
      ? [reading.tags.user_tag, ...(reading.ranking ? [] : [reading.tags.assistant_tag])]
      : [],
  );
  return {
    see({ value, turns }: RowView): void {
      for (const column of columns) if (Object.hasOwn(value, column)) columns.delete(column);
      if (tags.size > 0)
        for (const { spelled } of turns) if (spelled !== undefined) tags.delete(spelled);
    },
    end(report: Report, kind: (code: string) => Kind): void {
      if (!described) return;
      for (const column of columns) {
        report.add(
          kind('data/column-never-seen'),
          `no row of \`${name}\` has the column \`${column}\``,
          () => described,
        );
      }
      for (const tag of tags) {
        report.add(
          kind('data/tag-never-seen'),
          `no message of \`${name}\` has the role \`${tag}\``,
          () => described,
        );
      }
    },
  };
}
