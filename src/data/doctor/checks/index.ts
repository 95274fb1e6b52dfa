/** @file The checks, in the order in which docs and findings list them. */
import type { Check, Kind } from '../check.ts';
import { leakedRow, leakedText } from '../leakage.ts';
import * as characters from './characters.ts';
import * as columns from './columns.ts';
import * as duplicates from './duplicates.ts';
import * as fields from './fields.ts';
import * as file from './file.ts';
import * as languages from './languages.ts';
import * as markup from './markup.ts';
import * as media from './media.ts';
import * as placeholders from './placeholders.ts';
import * as preference from './preference.ts';
import * as repetition from './repetition.ts';
import * as replyEnds from './reply-ends.ts';
import * as roles from './roles.ts';
import { duplicateKey, numberText } from './source-text.ts';
import * as texts from './texts.ts';
import * as tools from './tools.ts';
import * as training from './training.ts';

export const checks: readonly Check[] = [
  columns.missingColumn,
  columns.missingField,
  columns.wrongType,
  columns.history,
  columns.unknownColumn,
  columns.rareColumn,
  fields.unknownField,
  columns.emptyRow,
  texts.emptyPrompt,
  texts.emptyReply,
  texts.blankReply,
  texts.emptyTurn,
  texts.nullText,
  roles.noMessages,
  roles.unknownRole,
  roles.systemPlace,
  roles.roleOrder,
  roles.trailingResults,
  roles.lastWord,
  characters.controlCharacter,
  characters.invisibleCharacter,
  characters.mojibake,
  characters.replacementCharacter,
  characters.privateCharacter,
  characters.loneSurrogate,
  characters.trailingSpace,
  characters.leadingSpace,
  placeholders.placeholder,
  placeholders.formField,
  markup.htmlEntity,
  markup.htmlTag,
  markup.escapedText,
  markup.codeFence,
  markup.specialToken,
  markup.roleMarker,
  markup.thinkingTag,
  tools.toolJson,
  tools.unknownTool,
  tools.undeclaredTools,
  tools.toolArguments,
  tools.toolId,
  tools.resultWithoutCall,
  tools.callWithoutResult,
  media.mediaCount,
  media.mediaColumn,
  media.mediaFile,
  preference.sameChoice,
  preference.emptyChoice,
  preference.rankingRole,
  preference.ktoTag,
  preference.ktoOneClass,
  duplicates.duplicateRow,
  duplicates.samePrompt,
  duplicates.promptIsReply,
  repetition.repetitionLoop,
  repetition.boilerplate,
  repetition.repeatedSentence,
  replyEnds.cutReply,
  replyEnds.outlier,
  replyEnds.shortReply,
  languages.replyLanguage,
  languages.otherLanguage,
];

/** A heading of the docs with the kinds under it. */
export type Chapter = { readonly title: string; readonly kinds: readonly Kind[] };

const kindsIn = (module: object): readonly Kind[] => {
  const exported: readonly unknown[] = Object.values(module);
  const known: readonly Kind[] = [...checks, ...elsewhere];
  return known.filter((kind) => exported.includes(kind));
};

/** What is found elsewhere than in a check's own function: by the reader, against evaluation rows, by the template. */
const elsewhere: readonly Kind[] = [
  ...Object.values(file),
  duplicateKey,
  numberText,
  leakedRow,
  leakedText,
  ...Object.values(training),
];

export const chapters: readonly Chapter[] = [
  {
    title: 'Files and rows that cannot be read',
    kinds: [...kindsIn(file), duplicateKey, numberText],
  },
  { title: 'Columns and fields of messages', kinds: [...kindsIn(columns), ...kindsIn(fields)] },
  { title: 'Empty texts', kinds: kindsIn(texts) },
  { title: 'Roles', kinds: kindsIn(roles) },
  { title: 'Characters', kinds: kindsIn(characters) },
  { title: 'Placeholders', kinds: kindsIn(placeholders) },
  { title: 'Markup and templates in texts', kinds: kindsIn(markup) },
  { title: 'Tools', kinds: kindsIn(tools) },
  { title: 'Media', kinds: kindsIn(media) },
  { title: 'Preferences', kinds: kindsIn(preference) },
  { title: 'Duplicates and leakage', kinds: [...kindsIn(duplicates), leakedRow, leakedText] },
  { title: 'Repetition', kinds: kindsIn(repetition) },
  { title: 'Ends and lengths', kinds: kindsIn(replyEnds) },
  { title: 'Languages', kinds: kindsIn(languages) },
  {
    title: 'dataset_info.json, template and length (with a settings file)',
    kinds: kindsIn(training),
  },
];

/** Every kind of finding, by its code. */
export const kindsByCode: ReadonlyMap<string, Kind> = new Map(
  [...checks, ...elsewhere].map((kind) => [kind.code, kind]),
);
