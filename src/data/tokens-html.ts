/**
 * @file Rows of tokens as one page that needs nothing else: it opens from a disk, asks no server, and shows its
 * rows even where no script runs.
 */
import { createHash } from 'node:crypto';
import { formatPlace } from '../core/errors.ts';
import { type Cell, cellsOf, signs, visible } from './token-text.ts';
import type { Token, TokenDocument, TokenRow } from './tokens.ts';
import { script, style } from './tokens-page.ts';

export type TokenPage = {
  /** What the rows are of. */
  readonly title: string;
  /** Rows of the set. */
  readonly count: number;
  readonly digest: string;
  readonly rows: Iterable<TokenRow>;
};

export type WrittenPage = {
  readonly html: string;
  readonly rows: number;
  /** Whether rows were left out because the page would be larger than `largestPage`. */
  readonly full: boolean;
};

/** Bytes of rows in one page: beyond it browsers get slow. */
export const largestPage = 4e6;

/** The first row is always in the page, however long it is. */
export function tokenPage(
  { title, count, digest, rows }: TokenPage,
  limit = largestPage,
): WrittenPage {
  const sections: string[] = [];
  const numbers: number[] = [];
  const found = new Set<string>();
  let bytes = 0;
  let full = false;
  for (const row of rows) {
    const section = rowSection(row, count);
    const size = Buffer.byteLength(section);
    full = sections.length > 0 && bytes + size > limit;
    if (full) break;
    bytes += size;
    sections.push(section);
    numbers.push(row.row);
    for (const token of row.documents.flatMap(({ tokens }) => tokens)) {
      for (const name of className(token).split(' ')) found.add(name);
    }
  }
  const note = full
    ? `<p class="note">Row ${numbers.at(-1)} is the last one here: a page holds about ${limit / 1e6} MB. <code>--rows A..B</code> writes others.</p>`
    : '';
  const summary = `${sections.length} of ${count} rows · set ${digest.slice(0, 12)}`;
  const html = page({ title, summary, note, numbers, found, body: sections.join('\n') });
  return { html, rows: sections.length, full };
}

export const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** Kinds of tokens: the class, the words of the legend, and which tokens they are. */
const kinds = [
  { name: 'l', words: 'learned', is: (t: Token) => t.state === 'trained' },
  { name: 'm', words: 'masked', is: (t: Token) => t.state === 'masked' },
  { name: 'q', words: 'measured', is: (t: Token) => t.state === 'measured' },
  { name: 'c', words: 'cut off', is: (t: Token) => t.state === 'truncated' },
  { name: 'u', words: 'not fed', is: (t: Token) => t.state === 'unfed' },
] as const;

const className = (token: Token): string =>
  `${kinds.find(({ is }) => is(token))?.name ?? ''}${token.special ? ' s' : ''}`;

/** A token that is learned as another one is a cell of its own. */
const cellKind = (token: Token): string =>
  `${className(token)} ${token.label ?? ''} ${token.part ?? ''}`;

function rowSection(row: TokenRow, count: number): string {
  const { documents, fed, trained, truncated } = row;
  const facts = [
    `${fed} tokens are fed`,
    `${trained} learned`,
    ...(truncated > 0 ? [`${truncated} cut off`] : []),
  ];
  return [
    `<section class="row" id="row-${row.row}" aria-label="row ${row.row}">`,
    `<h2>Row ${row.row} <small>of ${count} · ${facts.join(', ')}</small></h2>`,
    ...documents.map((document, i) => documentPart(document, i, documents.length)),
    '</section>',
  ].join('\n');
}

function documentPart(document: TokenDocument, index: number, of: number): string {
  const { place, name, tokens } = document;
  const titles = [
    ...(name === undefined ? (of > 1 ? [`document ${index + 1} of ${of}`] : []) : [name]),
    formatPlace(place),
  ];
  const text = cellsOf(tokens, cellKind).map(cellHtml);
  return `<h3>${titles.map(escapeHtml).join(' · ')}</h3>\n<p class="tokens" dir="ltr">${text.join('')}</p>`;
}

/** `data-i` are its ids, `data-p` its part, `data-t` its text where signs stand for it, `data-l` what is learned instead. */
function cellHtml({ tokens, text }: Cell<Token>): string {
  const [token] = tokens;
  const exact = tokens.length > 1 ? (token.joined?.text ?? '') : token.text;
  const attributes = [
    `class="${className(token)}"`,
    `data-i="${tokens.map(({ id }) => id).join(' ')}"`,
    ...(token.part === undefined ? [] : [`data-p=${token.part}`]),
    ...(exact === text ? [] : [`data-t="${escapeHtml(JSON.stringify(exact))}"`]),
    ...(token.label === undefined
      ? []
      : [`data-l="${token.label} ${escapeHtml(JSON.stringify(token.learns ?? ''))}"`]),
  ];
  const count = tokens.length > 1 ? `<sub>${tokens.length}</sub>` : '';
  const instead =
    token.learns === undefined ? '' : `<sup>→${escapeHtml(visible(token.learns))}</sup>`;
  const end = text.endsWith(signs['\n']) ? '<br>' : '';
  return `<i ${attributes.join(' ')}>${escapeHtml(text)}${count}${instead}</i>${end}`;
}

type Parts = {
  readonly title: string;
  readonly summary: string;
  readonly note: string;
  readonly numbers: readonly number[];
  /** Classes of tokens that occur. */
  readonly found: ReadonlySet<string>;
  readonly body: string;
};

function page({ title, summary, note, numbers, found, body }: Parts): string {
  // Only this script may run, and nothing may be fetched: a row's text can do no harm even if it got through.
  const digest = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`;
  const shown = [...kinds, { name: 's', words: 'special' }].filter(({ name }) => found.has(name));
  const toggles = shown.map(
    ({ name, words }) =>
      `<label><input type="checkbox" checked data-toggle="${name}"><i class="${name === 's' ? 'm s' : name}">${words}</i> <output data-count="${name}"></output></label>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)} <small>${escapeHtml(summary)}</small></h1>
<nav aria-label="rows" hidden>
<button type="button" id="previous" aria-keyshortcuts="ArrowLeft" title="previous row (←)">←</button>
<select id="rows" aria-label="row">${numbers.map((row) => `<option>${row}</option>`).join('')}</select>
<button type="button" id="next" aria-keyshortcuts="ArrowRight" title="next row (→)">→</button>
</nav>
<div class="legend" role="group" aria-label="shown tokens">
${toggles.join('\n')}
<span class="signs">${signs['\n']} line end, ${signs.space} space, <sub>2</sub> tokens of one character, <sup>→</sup> learned in its place</span>
</div>
${note}
</header>
<main>
${body}
</main>
<footer id="detail" aria-live="polite">Point at a token or tap it. Keys: ← → other rows, Shift+← → tokens.</footer>
<script>${script}</script>
</body>
</html>
`;
}
