/** @file Post-processors of tokenizer.json: the special tokens around a text, where the caller asks for them. */
import * as z from 'zod';
import { unsupportedPart } from './errors.ts';
import { Part } from './normalizers.ts';

export type Wrapping = { readonly before: readonly number[]; readonly after: readonly number[] };

const none: Wrapping = { before: [], after: [] };

const Template = z.looseObject({
  single: z.array(
    z.union([
      z.object({ SpecialToken: z.looseObject({ id: z.string() }) }),
      z.object({ Sequence: z.looseObject({ id: z.string() }) }),
    ]),
  ),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })),
});
const Ends = z.looseObject({
  cls: z.tuple([z.string(), z.int()]),
  sep: z.tuple([z.string(), z.int()]),
});

function fromEnds(part: Part): Wrapping {
  const { cls, sep } = Ends.parse(part);
  return { before: [cls[1]], after: [sep[1]] };
}

const kinds: Readonly<Record<string, (part: Part, file: string) => Wrapping>> = {
  // It only trims offsets, and ours always cover the text.
  ByteLevel: () => none,
  TemplateProcessing: (part) => {
    const { single, special_tokens } = Template.parse(part);
    const at = single.findIndex((piece) => 'Sequence' in piece);
    const ids = (pieces: typeof single): number[] =>
      pieces.flatMap((piece) =>
        'SpecialToken' in piece ? (special_tokens[piece.SpecialToken.id]?.ids ?? []) : [],
      );
    return { before: ids(single.slice(0, at)), after: ids(single.slice(at + 1)) };
  },
  RobertaProcessing: fromEnds,
  BertProcessing: fromEnds,
  Sequence: (part, file) =>
    z
      .looseObject({ processors: z.array(Part) })
      .parse(part)
      .processors.map((inner) => compilePostProcessor(inner, file))
      .reduce(
        (inner, outer) => ({
          before: [...outer.before, ...inner.before],
          after: [...inner.after, ...outer.after],
        }),
        none,
      ),
};

export function compilePostProcessor(part: Part | undefined, file: string): Wrapping {
  if (part === undefined) return none;
  const kind = Object.hasOwn(kinds, part.type) ? kinds[part.type] : undefined;
  if (kind === undefined) {
    throw unsupportedPart(file, 'post_processor', part.type, Object.keys(kinds));
  }
  return kind(part, file);
}

/** The post-processor that puts these around a text; none where there is nothing to put. */
export function around(
  bos: string | undefined,
  eos: string | undefined,
  idOf: (token: string) => number | undefined,
): Part | undefined {
  const named = [bos, eos].filter((token) => token !== undefined);
  if (named.length === 0) return undefined;
  const special = (token: string | undefined, type: number): unknown[] =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id: type } }];
  const sequence = (name: string, type: number): unknown[] => [
    ...special(bos, type),
    { Sequence: { id: name, type_id: type } },
    ...special(eos, type),
  ];
  return {
    type: 'TemplateProcessing',
    single: sequence('A', 0),
    pair: [...sequence('A', 0), ...sequence('B', 1)],
    special_tokens: Object.fromEntries(
      named.map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
    ),
  };
}
