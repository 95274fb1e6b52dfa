import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { textsOf } from './token-text.ts';
import type { TokenRow } from './tokens.ts';
import { tokenPage } from './tokens-html.ts';

const tokenizer = byteTokenizer();

function row(index: number, text: string, file = 'rows.json'): TokenRow {
  const ids = [...tokenizer.encode(text)];
  const texts = textsOf(ids, tokenizer);
  const tokens = ids.map((id, i) => ({
    ...texts[i]!,
    id,
    state: 'trained' as const,
    special: tokenizer.isSpecial(id),
  }));
  const documents = [{ place: { file, row: index }, tokens }];
  return { row: index, fed: ids.length, trained: ids.length, truncated: 0, documents };
}

const pageOf = (rows: readonly TokenRow[], limit?: number) =>
  tokenPage({ title: 'rows <b>', count: 9, digest: 'abc', rows }, limit);

/** What a reader of the page sees of the first row's tokens, by the plainest of parsers. */
const shownText = (html: string): string =>
  [...html.matchAll(/<i class="[^"]*"[^>]*>([^<]*)/g)]
    .map(([, text = '']) => text)
    .join('')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

test('nothing of a row is markup: no tag, no attribute and no script comes of it', () => {
  const nasty = `</script><script>alert(1)</script><img src=x onerror='a()'> "&amp;" --> ]]>`;
  const { html } = pageOf([row(0, nasty, `<img src="x">.json`)]);
  expect(html.match(/<script/g)?.length).toBe(1);
  expect(html.match(/<\/script/g)?.length).toBe(1);
  expect(html).not.toMatch(/<img/);
  expect(html).not.toContain('rows <b>');
  expect(shownText(html).replaceAll('·', ' ')).toContain(nasty);
});

test('it asks nobody for anything, and only its own script may run', () => {
  const { html } = pageOf([row(0, 'Hi')]);
  const script = /<script>([\s\S]*)<\/script>/.exec(html)?.[1] ?? '';
  const digest = createHash('sha256').update(script).digest('base64');
  expect(html).toContain(`default-src 'none'`);
  expect(html).toContain(`script-src 'sha256-${digest}'`);
  expect(html).not.toMatch(/\b(?:src|href|url)\s*[=(]/);
  expect(html).not.toMatch(/https?:/);
  expect(() => new Function(script)).not.toThrow();
});

test('ids, text and state of every token are there; characters over several tokens are one', () => {
  const { html } = pageOf([row(0, 'é\n<|im_end|>')]);
  expect(html).toContain('<i class="l" data-i="195 169">é<sub>2</sub></i>');
  expect(html).toContain('<i class="l" data-i="10" data-t="&quot;\\n&quot;">↵</i><br>');
  expect(html).toContain('<i class="l s" data-i="258">&lt;|im_end|&gt;</i>');
  expect(html).toContain('data-toggle="l"');
  expect(html).not.toContain('data-toggle="c"');
});

test('a page is bounded, and says which row is its last', () => {
  const rows = Array.from({ length: 9 }, (_, i) => row(i, 'some words'.repeat(20)));
  const { html, rows: count, full } = pageOf(rows, 20_000);
  expect(count).toBeGreaterThan(1);
  expect([count < 9, full]).toEqual([true, true]);
  expect(html).toContain(`Row ${count - 1} is the last one here`);
  expect(html).not.toContain(`id="row-${count}"`);
  expect(pageOf([row(0, 'x'.repeat(900))], 10).rows).toBe(1);
});
