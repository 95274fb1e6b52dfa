/** @file Rows of preferences: two ranked replies, or a reply with a thumb up or down. */
import type { Place } from '../../../core/errors.ts';
import { isJsonObject } from '../../../files/json.ts';
import { describe } from '../../example.ts';
import { defineCheck } from '../check.ts';

export const sameChoice = defineCheck({
  code: 'data/same-choice',
  severity: 'error',
  title: 'the chosen reply equals the rejected one',
  help: 'remove the row: there is nothing to prefer',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ chosen, rejected }, found) {
    if (chosen && rejected && chosen.text !== '' && chosen.text.trim() === rejected.text.trim()) {
      found('the chosen reply and the rejected one are the same', rejected.path);
    }
  },
});

export const emptyChoice = defineCheck({
  code: 'data/empty-choice',
  severity: 'error',
  title: 'a chosen or rejected reply is empty',
  help: 'write it, or remove the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ chosen, rejected }, found) {
    if (chosen?.text.trim() === '') found('the chosen reply is empty', chosen.path);
    if (rejected?.text.trim() === '') found('the rejected reply is empty', rejected.path);
  },
});

export const rankingRole = defineCheck({
  code: 'data/ranking-role',
  severity: 'error',
  title: 'a ranked reply is not the assistant’s',
  help: 'chosen and rejected must carry the assistant’s role',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ value, reading: { columns, tags, ranking } }, found) {
    if (!ranking) return;
    for (const column of [columns.chosen ?? 'chosen', columns.rejected ?? 'rejected']) {
      const reply = value[column] ?? null;
      if (!isJsonObject(reply)) continue;
      const role = reply[tags.role_tag];
      if (role === tags.assistant_tag || role === tags.function_tag) continue;
      found(`the role of \`${column}\` is ${describe(role)}, not \`${tags.assistant_tag}\``, [
        column,
        tags.role_tag,
      ]);
    }
  },
});

export const ktoTag = defineCheck({
  code: 'data/kto-tag',
  severity: 'error',
  title: 'a thumb is neither true nor false',
  help: 'write true for a reply that is wanted, false for one that is not',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ value, reading: { columns } }, found) {
    const column = columns.kto_tag;
    if (column === null || typeof value[column] === 'boolean') return;
    found(`expected true or false, found ${describe(value[column])}`, [column]);
  },
});

export const ktoOneClass = defineCheck({
  code: 'data/kto-one-class',
  severity: 'warning',
  title: 'all replies have the same thumb',
  help: 'KTO learns from both kinds; add rows of the other one',
  set() {
    const counts = { true: 0, false: 0 };
    let first: { readonly place: Place } | undefined;
    return {
      row({ value, reading: { columns }, place }) {
        const tag = columns.kto_tag === null ? undefined : value[columns.kto_tag];
        if (typeof tag !== 'boolean') return;
        first ??= { place };
        counts[`${tag}`]++;
      },
      end(found) {
        const all = counts.true + counts.false;
        if (!first || all < 2 || (counts.true > 0 && counts.false > 0)) return;
        found(`all ${all} rows are ${counts.true > 0 ? 'true' : 'false'}`, first);
      },
    };
  },
});
