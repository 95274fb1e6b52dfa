import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JinjaError } from './limits.ts';
import { compileTemplate, renderTemplate } from './template.ts';
import { fromJson } from './values.ts';

/** Pieces of templates, in any order: some of them fit. */
const pieces = fc.constantFrom(
  ...[
    '{{',
    '}}',
    '{%',
    '%}',
    '{%-',
    '-%}',
    '{#',
    '#}',
    ' if ',
    ' else ',
    ' endif ',
    ' for x in ',
    ' endfor ',
    ' set x = ',
  ],
  ...[
    ' macro m(a) ',
    ' endmacro ',
    ' m(x) ',
    ' x ',
    ' messages ',
    '[0]',
    '.content',
    '["role"]',
    '[:',
    ']',
    '(',
    ')',
    ' + ',
    ' ~ ',
  ],
  ...[
    ' * ',
    ' ** ',
    ' % ',
    '|',
    ' length ',
    ' tojson ',
    ' map("upper") ',
    ' join ',
    ' sort ',
    ' is ',
    ' not ',
    ' defined ',
    ' in ',
  ],
  ...[
    "'a'",
    '"',
    '1',
    '2.5',
    '99999',
    ',',
    ' = ',
    ' namespace(x=1) ',
    ' raw ',
    ' endraw ',
    '\n',
    ' ',
    ' range(9) ',
    ' loop ',
    ' none ',
  ],
);
const source = fc.oneof(
  fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
  fc.string({ maxLength: 60 }),
  fc.array(pieces, { maxLength: 12 }).map((parts) => `{{ ${parts.join('')} }}`),
  fc
    .tuple(fc.array(pieces, { maxLength: 6 }), fc.array(pieces, { maxLength: 6 }))
    .map(([a, b]) => `{% for x in ${a.join('')} %}{{ ${b.join('')} }}{% endfor %}`),
);

test('any template gives a text or an error of ours, on any values', () => {
  let texts = 0;
  fc.assert(
    fc.property(source, fc.array(fc.jsonValue()), (template, messages) => {
      try {
        const variables = new Map([['messages', fromJson(messages)]]);
        expect(renderTemplate(compileTemplate(template), variables).text).toBeTypeOf('string');
        texts++;
      } catch (error) {
        if (!(error instanceof JinjaError)) throw error;
        expect(error.message).not.toBe('');
      }
    }),
    { numRuns: 3000, seed: 20260726 },
  );
  expect(texts).toBeGreaterThan(300);
});

test('text outside of tags stays as it is, but for one line break at its end', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      fc.pre(!/\{[{%#]/.test(text));
      const wanted = text.replace(/\r\n|\r/g, '\n').replace(/\n$/, '');
      expect(renderTemplate(compileTemplate(text), new Map()).text).toBe(wanted);
    }),
  );
});

test('JSON of any value reads back', () => {
  const once = compileTemplate('{{ x | tojson }}');
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = renderTemplate(once, new Map([['x', fromJson(value)]])).text;
      expect(JSON.parse(text)).toEqual(value);
    }),
  );
});
