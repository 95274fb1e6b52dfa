/**
 * @file Draws what a terminal showed (text with ANSI colors, on stdin) as an SVG: `node scripts/terminal-picture.ts TITLE < captured > picture.svg`.
 * The pictures under docs/images come from real output, captured by `script -qec COMMAND FILE`.
 */
import { readFileSync } from 'node:fs';
import { textWidth } from '../src/cli/text-width.ts';

type Style = { color: string; bold: boolean; faint: boolean; under: boolean; struck: boolean };

const plain: Style = { color: '#d7dae0', bold: false, faint: false, under: false, struck: false };
const colors: Readonly<Record<string, string>> = {
  31: '#ff7b72',
  32: '#7ee787',
  33: '#e3b341',
  36: '#76d4e8',
};
const [cell, line, margin, bar] = [8.4, 19, 18, 34];

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function styled(style: Style, codes: string): Style {
  let next = style;
  for (const code of codes.split(';')) {
    if (code === '' || code === '0') next = plain;
    else if (code === '1') next = { ...next, bold: true };
    else if (code === '2') next = { ...next, faint: true };
    else if (code === '4') next = { ...next, under: true };
    else if (code === '9') next = { ...next, struck: true };
    else next = { ...next, color: colors[code] ?? next.color };
  }
  return next;
}

/** Each run of one style stands at its own column, and is as wide as its characters, whatever the font. */
function drawn(row: string, y: number): { svg: string; width: number } {
  let style = plain;
  let column = 0;
  const parts = row.split(new RegExp(`${String.fromCharCode(27)}\\[([\\d;]*)m`));
  const runs = parts.map((part, i) => {
    if (i % 2 === 1) {
      style = styled(style, part);
      return '';
    }
    // Spaces at the edges of a text only move it; those inside would be drawn as one, were they not unbreakable.
    const text = part.trim();
    const x = margin + (column + part.length - part.trimStart().length) * cell;
    column += textWidth(part);
    if (text === '') return '';
    const length = (textWidth(text) * cell).toFixed(1);
    const { color, bold, faint, under, struck } = style;
    const marks = [
      `fill="${color}"`,
      ...(bold ? ['font-weight="bold"'] : []),
      ...(faint ? ['opacity="0.6"'] : []),
      ...(under
        ? ['text-decoration="underline"']
        : struck
          ? ['text-decoration="line-through"']
          : []),
    ].join(' ');
    return `<text x="${x.toFixed(1)}" y="${y}" textLength="${length}" ${marks}>${escaped(text.replaceAll(' ', '\u00a0'))}</text>`;
  });
  return { svg: runs.join(''), width: column };
}

const [, , title = ''] = process.argv;
const rows = readFileSync(0, 'utf8').trimEnd().split('\n');
const lines = rows.map((row, i) => drawn(row, bar + margin + i * line + 4));
const width = Math.ceil(2 * margin + Math.max(...lines.map((each) => each.width)) * cell);
const height = bar + margin + rows.length * line + 2;
const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
  (color, i) => `<circle cx="${20 + i * 20}" cy="17" r="6" fill="${color}"/>`,
);
process.stdout.write(
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title).replaceAll('"', '&quot;')}">`,
    `<rect width="${width}" height="${height}" rx="9" fill="#16181d"/>`,
    ...dots,
    `<text x="${width / 2}" y="22" text-anchor="middle" font-family="system-ui, sans-serif" font-size="13" fill="#8b919c">${escaped(title)}</text>`,
    '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">',
    ...lines.map(({ svg }) => svg).filter((svg) => svg !== ''),
    '</g>',
    '</svg>',
    '',
  ].join('\n'),
);
