/** @file One row under every check that looks at rows by themselves, and as a run reads it. */
import { type Place, TuneryError } from '../../core/errors.ts';
import type { Example } from '../example.ts';
import { formats } from '../formats/index.ts';
import type { Found, Kind } from './check.ts';
import { checks } from './checks/index.ts';
import { duplicateKey, longNumbers, numberText, repeatedKeys } from './checks/source-text.ts';
import { refused } from './checks/training.ts';
import { insideText, keyOf, offsetOf, type Path, placeAt } from './locate.ts';
import type { RawRow } from './raw-row.ts';
import type { Report } from './report.ts';
import type { RowView } from './view.ts';

/** What a run would say of a row that its format can read. */
export type TrainingCheck = (
  example: Example,
  view: RowView,
  add: (kind: Kind, message: string, path?: Path, offset?: number) => void,
) => void;

export type RowExaminer = (
  raw: RawRow,
  view: RowView,
  /** Says more of the same row. */
  more: (found: (kind: Kind) => Found) => void,
) => void;

/** Anything but printable ASCII, tabs and line breaks. */
const beyondAscii = /[^\t\n\r -~]/;

/** Escapes of JSON that stand for such a character, and the one of ASCII that is not printable and needs no escape. */
const signsBeyond = ['\\u', '\\b', '\\f', '\u007f'];

/** Whether all texts of a row are surely printable ASCII: most rows are, and their bytes tell at once. */
const isPlain = ({ source }: RawRow): boolean =>
  source?.kind === 'json' &&
  Buffer.byteLength(source.text) === source.text.length &&
  !signsBeyond.some((sign) => source.text.includes(sign));

export function createRowExaminer({
  report,
  training,
}: {
  readonly report: Report;
  readonly training?: TrainingCheck | undefined;
}): RowExaminer {
  // What a kind says is made once, not for each of a million rows: it speaks of the row at hand.
  let current: RawRow | undefined;
  let errors = 0;
  const said = new Map<Kind, Found>();
  const found = (kind: Kind): Found => {
    const known = said.get(kind);
    if (known) return known;
    const say: Found = (message, path, offset) => {
      if (kind.severity === 'error') errors++;
      const raw = current;
      if (raw) report.add(kind, message, () => placeOf(raw, path, offset));
    };
    // Kinds that are made for one row, of an error that no check knows, are not kept.
    if (checks.some((check) => check === kind)) said.set(kind, say);
    return say;
  };
  const ofPassages = checks.flatMap((check) =>
    check.passage ? [{ check, say: found(check) }] : [],
  );
  const anyText = ofPassages.filter(({ check }) => !check.beyondAscii);
  const sayNumber = found(numberText);
  const rowChecks = checks.flatMap((check) => (check.row ? [{ check, say: found(check) }] : []));

  return (raw, view, more) => {
    current = raw;
    errors = 0;
    if (raw.source?.kind === 'json') {
      const { text, start } = raw.source;
      for (const { key, at } of repeatedKeys(text)) {
        errors++;
        report.add(duplicateKey, `the key \`${key}\` stands twice in one object`, () => ({
          ...placeAt(text, at, start),
          row: raw.place.row ?? 0,
        }));
      }
      longNumbers(raw.value, sayNumber);
    }
    for (const { check, say } of rowChecks) check.row?.(view, say);
    const plain = isPlain(raw);
    for (const passage of view.passages) {
      if (passage.text === '') continue;
      const isAscii = plain || !beyondAscii.test(passage.text);
      for (const { check, say } of isAscii ? anyText : ofPassages) {
        check.passage?.(passage, say, view);
      }
    }
    more(found);
    const example = readAsRun(raw, view, errors > 0, found);
    if (example && training) {
      training(example, view, (kind, message, path, offset) => found(kind)(message, path, offset));
    }
  };
}

/** The row as a run reads it; what that refuses and no check has named is a finding too. */
function readAsRun(
  { value, place }: RawRow,
  { format, reading }: RowView,
  isKnown: boolean,
  found: (kind: Kind) => Found,
): Example | undefined {
  try {
    return formats[format]?.read(value, reading, place);
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const { code, message, help } = error;
    if (!isKnown)
      found({ ...refused, code, ...(help === undefined ? {} : { help }) })(
        message,
        pathOf(error.place?.key),
      );
    return undefined;
  }
}

/** `conversations[2].from` as a path. */
const pathOf = (key: string | undefined): Path =>
  [...(key ?? '').matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([step, index]) =>
    index === undefined ? step : Number(index),
  );

/** Where a value of the row stands, or a character of it. */
function placeOf(
  { place, source }: RawRow,
  path: Path | undefined,
  offset: number | undefined,
): Place {
  const key = path === undefined || path.length === 0 ? {} : { key: keyOf(path) };
  if (!source) return { ...place, ...key };
  const { text, start, kind } = source;
  if (kind === 'line') return { ...place, column: (offset ?? 0) + 1 };
  const at = offsetOf(text, path ?? []);
  const inner = offset === undefined ? at : insideText(text, at, offset);
  return { ...placeAt(text, inner, start), row: place.row ?? 0, ...key };
}
