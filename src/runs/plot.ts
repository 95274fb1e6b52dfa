/** @file Plots of a run as SVG: each value, and their exponential average as LLaMA-Factory smooths it. */

export type Point = { readonly step: number; readonly value: number };

export type PlotText = {
  readonly title: string;
  /** Of the vertical axis. */
  readonly label: string;
  /** A line under the title. */
  readonly subtitle?: string;
};

const width = 880;
const height = 480;
const frame = { left: 76, right: 28, top: 76, bottom: 58 };
const colors = {
  paper: '#ffffff',
  ink: '#1f2933',
  quiet: '#66727f',
  grid: '#e6e9ed',
  axis: '#b6bec7',
  original: '#9db8e8',
  smoothed: '#1f5fd0',
};

/** More points than pixels show nothing more. */
const mostPoints = 1200;

/** LLaMA-Factory's: the longer the curve, the smoother. */
export function smooth(values: readonly number[]): number[] {
  const weight = 1.8 * (1 / (1 + Math.exp(-0.05 * values.length)) - 0.5);
  let last = values[0] ?? 0;
  return values.map((value) => {
    last = last * weight + (1 - weight) * value;
    return last;
  });
}

/** The plot of one curve; undefined where there is nothing to draw. */
export function plot(points: readonly Point[], text: PlotText): string | undefined {
  const drawn = points.filter(({ value }) => Number.isFinite(value));
  const first = drawn[0];
  const last = drawn.at(-1);
  if (!first || !last) return undefined;
  const values = drawn.map(({ value }) => value);
  const smoothed = smooth(values);

  const across = scale(first.step, last.step, frame.left, width - frame.right, 8, true);
  const up = scale(least(values), most(values), height - frame.bottom, frame.top, 6, false);
  const at = (step: number, value: number): string =>
    `${across.place(step).toFixed(1)},${up.place(value).toFixed(1)}`;
  const line = (heights: readonly number[]): string =>
    thin(drawn.map(({ step }, i) => ({ step, value: heights[i]! })))
      .map(({ step, value }) => at(step, value))
      .join(' ');
  // Few points are marked, so that each can be read off.
  const dots = drawn.length <= 60 ? drawn : [];

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">
<title id="title">${escapeXml(text.title)}</title>
<desc id="description">${escapeXml(text.label)} from ${figure(first.value)} at step ${first.step} to ${figure(last.value)} at step ${last.step}.</desc>
<rect width="${width}" height="${height}" fill="${colors.paper}"/>
<text x="${frame.left}" y="32" font-size="18" font-weight="600" fill="${colors.ink}">${escapeXml(text.title)}</text>
${text.subtitle === undefined ? '' : `<text x="${frame.left}" y="54" font-size="13" fill="${colors.quiet}">${escapeXml(text.subtitle)}</text>\n`}${legend()}
<g stroke="${colors.grid}" stroke-width="1">
${up.ticks.map((tick) => `<line x1="${frame.left}" x2="${width - frame.right}" y1="${up.place(tick).toFixed(1)}" y2="${up.place(tick).toFixed(1)}"/>`).join('\n')}
</g>
<g font-size="12" fill="${colors.quiet}">
<g text-anchor="end">
${up.ticks.map((tick) => `<text x="${frame.left - 10}" y="${(up.place(tick) + 4).toFixed(1)}">${up.text(tick)}</text>`).join('\n')}
</g>
<g text-anchor="middle">
${across.ticks.map((tick) => `<text x="${across.place(tick).toFixed(1)}" y="${height - frame.bottom + 20}">${across.text(tick)}</text>`).join('\n')}
<text x="${(frame.left + width - frame.right) / 2}" y="${height - 14}" font-size="13">step</text>
<text transform="translate(20 ${(frame.top + height - frame.bottom) / 2}) rotate(-90)" font-size="13">${escapeXml(text.label)}</text>
</g>
</g>
<line x1="${frame.left}" x2="${width - frame.right}" y1="${height - frame.bottom}" y2="${height - frame.bottom}" stroke="${colors.axis}"/>
<g fill="none" stroke-linejoin="round" stroke-linecap="round">
<polyline stroke="${colors.original}" stroke-width="1.5" points="${line(values)}"/>
<polyline stroke="${colors.smoothed}" stroke-width="2.5" points="${line(smoothed)}"/>
</g>
<g fill="${colors.original}">
${dots.map(({ step, value }) => `<circle cx="${across.place(step).toFixed(1)}" cy="${up.place(value).toFixed(1)}" r="2.5"/>`).join('\n')}
</g>
</svg>
`;
}

function legend(): string {
  const entry = (x: number, color: string, thickness: number, name: string): string =>
    `<line x1="${x}" x2="${x + 24}" y1="28" y2="28" stroke="${color}" stroke-width="${thickness}" stroke-linecap="round"/><text x="${x + 32}" y="32" font-size="13" fill="${colors.ink}">${name}</text>`;
  const start = width - frame.right - 206;
  return `${entry(start, colors.original, 1.5, 'original')}\n${entry(start + 104, colors.smoothed, 2.5, 'smoothed')}`;
}

/** Round numbers between two bounds, about `count` of them, and where each value lies. */
function scale(low: number, high: number, from: number, to: number, count: number, whole: boolean) {
  const span = high - low || Math.abs(high) * 0.1 || 1;
  const raw = whole ? Math.max(1, span / count) : span / count;
  const exponent = Math.floor(Math.log10(raw));
  const round = whole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const mantissa = round.find((times) => times * 10 ** exponent >= raw * 0.999)!;
  const size = mantissa * 10 ** exponent;
  const decimals = Math.max(0, -exponent + (mantissa === 2.5 ? 1 : mantissa === 10 ? -1 : 0));
  // A curve does not touch the frame above and below; along the steps it fills it.
  const bottom = whole ? low : Math.floor((low - span * 0.04) / size) * size;
  const top = whole ? Math.max(high, low + 1) : Math.ceil((high + span * 0.04) / size) * size;
  const ticks: number[] = [];
  for (let i = Math.ceil(bottom / size - 1e-9); i * size <= top + size * 1e-9; i++) {
    ticks.push(i * size);
  }
  return {
    ticks,
    place: (value: number): number => from + ((value - bottom) / (top - bottom)) * (to - from),
    text: (tick: number): string => (whole ? String(tick) : tick.toFixed(decimals)),
  };
}

/** The least and the greatest of each stretch, in their order: spikes stay. */
function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= mostPoints) return points;
  const stretch = Math.ceil(points.length / (mostPoints / 2));
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const some = points.slice(start, start + stretch);
    const low = some.reduce((a, b) => (b.value < a.value ? b : a));
    const high = some.reduce((a, b) => (b.value > a.value ? b : a));
    kept.push(...(low === high ? [low] : low.step < high.step ? [low, high] : [high, low]));
  }
  return kept;
}

// Math.min(...values) fails on long runs: arguments lie on the stack.
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));
const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));

const figure = (value: number): string => String(Number(value.toPrecision(4)));

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
