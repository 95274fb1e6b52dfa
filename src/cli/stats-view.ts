/** @file The figures of a Prepared set for a terminal: a histogram of lengths, and a line for each thing that matters. */
import { formatCount } from '../core/units.ts';
import { type Bin, histogram } from '../data/histogram.ts';
import type { Spread, Stats } from '../data/stats.ts';
import { type Advised, advise } from '../data/stats-advice.ts';
import { textWidth } from './text-width.ts';

export type StatsView = Advised & {
  /** `data/x.json` as the data set that it belongs to, where it has a name of its own. */
  readonly nameOf: (file: string) => string;
  readonly columns: number;
  readonly color: boolean;
};

const number = formatCount;
const percent = (part: number, of: number): string => {
  const value = of === 0 ? 0 : (100 * part) / of;
  return value === 0 || value >= 10 ? `${Math.round(value)} %` : `${value.toPrecision(2)} %`;
};
const counted = (count: number, one: string, many: string): string =>
  `${number(count)} ${count === 1 ? one : many}`;

export function statsView(view: StatsView): string {
  const { stats, work, bounds, cutoff } = view;
  const { rows, documents, tokens, learned } = stats;
  const blocks = [
    line('rows', rowsLine(stats)),
    line(
      'tokens',
      `${number(tokens)} are fed, ${number(learned)} learned (${percent(learned, tokens)})`,
    ),
    line('lengths', spreadLine(stats.lengths)),
    ...(bounds ? [line('cut', cutLine(view))] : []),
    '',
    histogramLines(view),
    '',
    ...sourceLines(view),
    line('scripts', scriptLine(stats)),
    line('same', sameLine(stats)),
    line('steps', stepsLine(view)),
    line('padding', paddingLine(view)),
    ...(work.pack_fill === null
      ? []
      : [
          line(
            'packs',
            `${number(rows)} packs of ${number(documents)} rows, ${percent(work.pack_fill, 1)} of their ${number(cutoff)} tokens filled`,
          ),
        ]),
  ];
  const advice = advise(view);
  if (advice.length > 0)
    blocks.push('', ...advice.map((each) => folded(`- ${each}`, view.columns, 2)));
  return blocks.join('\n');
}

const line = (name: string, text: string): string => `${name.padEnd(8)}  ${text}`;

function rowsLine({ rows, documents, left_out }: Stats): string {
  const packed = rows === documents ? '' : `, packs of ${number(documents)} documents`;
  const dropped = left_out === 0 ? '' : `, ${number(left_out)} left out`;
  return `${number(rows)}${packed}${dropped}`;
}

const spreadLine = ({ min, mean, p50, p90, p99, max }: Spread): string =>
  Object.entries({ shortest: min, half: p50, '90 %': p90, '99 %': p99, longest: max })
    .map(([name, value]) => `${name} ${number(value)}`)
    .concat(`mean ${number(Math.round(mean))}`)
    .join(' · ');

function cutLine(view: StatsView): string {
  const { all, prompt, reply } = view.stats.cut;
  if (all.documents === 0) return `nothing: no row is longer than \`cutoff_len: ${view.cutoff}\``;
  const lost = `${counted(all.documents, 'row loses', 'rows lose')} ${counted(all.tokens, 'token', 'tokens')}`;
  const where = [
    ...(reply.documents > 0
      ? [`${number(reply.tokens)} in the reply of ${counted(reply.documents, 'row', 'rows')}`]
      : []),
    ...(prompt.documents > 0
      ? [`${number(prompt.tokens)} in the prompt of ${counted(prompt.documents, 'row', 'rows')}`]
      : []),
  ].join(', ');
  return `${lost}: ${where}`;
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** As wide as fits; a bin that has rows shows at least a sliver. */
function bar(count: number, most: number, width: number): string {
  if (count === 0) return '';
  const parts = Math.max(1, Math.round((8 * width * count) / most));
  return `${'█'.repeat(Math.floor(parts / 8))}${eighths[parts % 8]}`;
}

function histogramLines({ lengths, cutoff, bounds, stats, columns, color }: StatsView): string {
  const bins = histogram(lengths);
  const most = Math.max(...bins.map(({ count }) => count));
  const labels = bins.map(({ from, to }) => (to === from ? `${from}` : `${from}–${to}`));
  const [wide, counts] = [labels, bins.map(({ count }) => number(count))].map((texts) =>
    Math.max(6, ...texts.map((text) => text.length)),
  );
  const mark = `← cutoff_len ${cutoff}`;
  const room = Math.max(8, Math.min(columns, 100) - wide - counts - mark.length - 8);
  const over = (bin: Bin): boolean => bounds && bin.from > cutoff;
  const lines = bins.map((bin, i) => {
    const drawn = bar(bin.count, most, room);
    const shown = color && drawn !== '' ? `\u001b[${over(bin) ? 31 : 32}m${drawn}\u001b[0m` : drawn;
    const here = bounds && bin.from <= cutoff && cutoff <= bin.to;
    const end = here ? `${' '.repeat(room - drawn.length + 1)}${mark}` : '';
    const text = `${labels[i].padStart(wide)}  ${number(bin.count).padStart(counts)}  ${shown}${end}`;
    return text.trimEnd();
  });
  const unit = stats.rows === stats.documents ? 'rows' : 'docs';
  return [`${'tokens'.padStart(wide)}  ${unit.padStart(counts)}`, ...lines].join('\n');
}

/** With one source there is nothing to tell apart. */
function sourceLines({ stats, nameOf }: StatsView): string[] {
  const { sources, documents, tokens } = stats;
  if (sources.length < 2) return [];
  const most = 12;
  const shown = [...sources].sort((a, b) => b.tokens - a.tokens).slice(0, most);
  const names = shown.map(({ file }) => nameOf(file));
  const width = Math.max(...names.map(textWidth));
  const lines = shown.map((source, i) => {
    const name = names[i] + ' '.repeat(width - textWidth(names[i]));
    const rows = `${number(source.documents)} rows (${percent(source.documents, documents)})`;
    const part = `${number(source.tokens)} tokens (${percent(source.tokens, tokens)})`;
    return line(i === 0 ? 'sources' : '', `${name}  ${rows}, ${part}`);
  });
  const rest = sources.length - shown.length;
  return rest === 0 ? lines : [...lines, line('', `and ${rest} more`)];
}

const scriptLine = ({ scripts, documents }: Stats): string =>
  scripts
    .map(({ script, documents: count }) =>
      script === 'other'
        ? `none of these ${percent(count, documents)}`
        : `${script} ${percent(count, documents)}`,
    )
    .join(', ');

const sameLine = ({ duplicates, documents }: Stats): string =>
  duplicates === 0
    ? 'no two rows are the same'
    : `${counted(duplicates, 'row is', 'rows are')} the same as an earlier one (${percent(duplicates, documents)})`;

function stepsLine({ work }: StatsView): string {
  const { steps, steps_per_epoch: each, rows_per_step: size } = work;
  return `${number(steps)} in all, ${number(each)} an epoch, of ${counted(size, 'row', 'rows')} each`;
}

function paddingLine({ work }: StatsView): string {
  const { epoch_tokens: ours, padded_tokens: padded } = work;
  const more = padded / ours - 1;
  const saved = more < 0.005 ? 'the same' : `${percent(more, 1)} more`;
  return `none; padded batches would compute ${number(padded)} tokens an epoch, ${saved}`;
}

/** Broken at spaces, with what follows set in. */
function folded(text: string, columns: number, indent: number): string {
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(' ')) {
    if (current !== '' && textWidth(current) + textWidth(word) + 1 > columns) {
      lines.push(current);
      current = `${' '.repeat(indent)}${word}`;
    } else current = current === '' ? word : `${current} ${word}`;
  }
  return [...lines, current].join('\n');
}
