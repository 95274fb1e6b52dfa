/** @file A row of tokens for a terminal: running text in colors, or one token a line. */

import { formatPlace } from '../core/errors.ts';
import { formatCount } from '../core/units.ts';
import { type Cell, cellsOf, signs, visible } from '../data/token-text.ts';
import type { Token, TokenDocument, TokenRow } from '../data/tokens.ts';
import { textWidth } from './text-width.ts';

const ansi = (...codes: readonly number[]): string => `\u001b[${codes.join(';')}m`;
const reset = ansi(0);
const faint = ansi(2);

/** Each kind of token: how it looks, and its words. */
const kinds = {
  trained: { style: ansi(32), words: 'learned' },
  'trained special': { style: ansi(1, 32), words: 'learned special' },
  masked: { style: faint, words: 'masked' },
  'masked special': { style: ansi(36), words: 'masked special' },
  measured: { style: ansi(33), words: 'measured' },
  'measured special': { style: ansi(1, 33), words: 'measured special' },
  truncated: { style: ansi(9, 31), words: 'cut off' },
  unfed: { style: ansi(3, 2), words: 'not fed' },
} as const;
type Kind = keyof typeof kinds;

const kindOf = ({ state, special }: Token): Kind =>
  state === 'truncated' || state === 'unfed' || !special ? state : `${state} special`;

/** A token that is learned as another one is shown by itself. */
const cellKind = (token: Token): string => `${kindOf(token)} ${token.label ?? ''}`;

const number = formatCount;

export const heading = (row: TokenRow, rows: number): string =>
  `row ${row.row} of ${rows}: ${row.fed} tokens are fed, ${row.trained} learned` +
  (row.truncated > 0 ? `, ${row.truncated} cut off` : '');

/** `document 2 of 3 · data/x.json:12 (row 2) · 45 tokens, 12 learned` */
function documentHeading(document: TokenDocument, index: number, row: TokenRow): string {
  const { place, name, tokens } = document;
  const { documents } = row;
  const packed = documents.length > 1 && name === undefined;
  if (!packed && name === undefined) return formatPlace(place);
  const count = (state: Token['state']): number =>
    tokens.filter((token) => token.state === state).length;
  const [trained, cut] = [count('trained'), count('truncated')];
  const fed = tokens.length - cut - count('unfed');
  const counts = [
    `${number(fed)} tokens`,
    `${number(trained)} learned`,
    ...(cut > 0 ? [`${number(cut)} cut off`] : []),
  ].join(', ');
  const title = name ?? `document ${index + 1} of ${documents.length}`;
  return [title, formatPlace(place), counts].join(' · ');
}

/** Running text in colors, with a faint bar between tokens; lines break between tokens where they must. */
export function painted(row: TokenRow, rows: number, columns: number): string {
  const documents = row.documents.map((document, i) => {
    const title = `${ansi(4)}${documentHeading(document, i, row)}${reset}`;
    return `${title}\n${runningText(document.tokens, columns)}`;
  });
  return [heading(row, rows), legend(row), '', documents.join('\n\n')].join('\n');
}

/** Only what occurs in the row. */
function legend({ documents }: TokenRow): string {
  const tokens = documents.flatMap((document) => document.tokens);
  const found = new Set(tokens.map(kindOf));
  const text = tokens.map((token) => visible(token.text)).join('');
  const marks = [
    ...(text.includes(signs['\n']) ? [`${signs['\n']} line end`] : []),
    ...(text.includes(signs.space) ? [`${signs.space} space`] : []),
    ...(tokens.some(({ joined }) => joined) ? ['₂ tokens of one character'] : []),
    ...(tokens.some(({ label }) => label !== undefined) ? ['→ learned in its place'] : []),
  ];
  const names = Object.entries(kinds).flatMap(([kind, { style, words }]) =>
    found.has(kind as Kind) ? [`${style}${words}${reset}`] : [],
  );
  return [...names, ...marks.map((mark) => `${faint}${mark}${reset}`)].join('  ');
}

const bar = `${faint}│${reset}`;

function runningText(tokens: readonly Token[], columns: number): string {
  let text = '';
  let at = 0;
  for (const cell of cellsOf(tokens, cellKind)) {
    const { kind, shown, more } = paintedCell(cell);
    const width = textWidth(shown) + textWidth(more) + 1;
    if (at > 0 && at + width > columns) {
      text += '\n';
      at = 0;
    }
    text += `${kinds[kind].style}${shown}${reset}`;
    if (more !== '') text += `${faint}${more}${reset}`;
    const ends = cell.text.endsWith(signs['\n']);
    text += ends ? '\n' : bar;
    at = ends ? 0 : at + width;
  }
  return text.trimEnd();
}

function paintedCell({ tokens, text }: Cell<Token>): { kind: Kind; shown: string; more: string } {
  const [token] = tokens;
  const count = tokens.length > 1 ? subscript(tokens.length) : '';
  const label = token.learns === undefined ? '' : `→${visible(token.learns)}`;
  return { kind: kindOf(token), shown: text, more: `${count}${label}` };
}

const subscript = (count: number): string =>
  Array.from(String(count), (digit) => String.fromCharCode(0x2080 + Number(digit))).join('');

/** Bytes are written `\xe6`, as the text itself has them. */
const quoted = ({ text, joined }: Token): string => (joined ? `"${text}"` : JSON.stringify(text));

/** Narrower than this a terminal would break the lines of a table. */
const wideTable = 72;

/** One token a line, for files and pipes; `columns` of a terminal, where narrow ones do without the part. */
export function table(row: TokenRow, rows: number, columns = wideTable): string {
  const narrow = columns < wideTable;
  const documents = row.documents.flatMap((document, index) => [
    documentHeading(document, index, row),
    ...document.tokens.map((token, i) => {
      const label = token.label === undefined ? '' : `  learns ${token.label}`;
      const { joined } = token;
      const whole = joined
        ? `  ${joined.at + 1} of ${joined.of} of ${JSON.stringify(joined.text)}`
        : '';
      const kind = narrow ? kinds[kindOf(token)].words.padEnd(15) : kindOf(token).padEnd(17);
      const part = narrow ? '' : `  ${(token.part ?? '').padEnd(6)}`;
      const [place, id] = [String(i).padStart(narrow ? 4 : 6), String(token.id).padStart(7)];
      return `${place}  ${id}  ${kind}${part}  ${quoted(token)}${whole}${label}`;
    }),
  ]);
  return [heading(row, rows), ...documents].join('\n');
}
