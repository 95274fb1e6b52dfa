/** @file Roles and their order: who speaks, in turn, and who has the last word. */
import { didYouMean } from '../../../core/suggest.ts';
import { isReply } from '../../example.ts';
import { defineCheck } from '../check.ts';
import type { RowView, Turn } from '../view.ts';

export const noMessages = defineCheck({
  code: 'data/no-messages',
  severity: 'error',
  title: 'a conversation has no messages',
  help: 'remove the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ value, reading, format, turns, gaps }, found) {
    if (format !== 'sharegpt' && format !== 'openai') return;
    const column = reading.columns.messages ?? 'conversations';
    const list = value[column];
    if (!Array.isArray(list) || gaps.length > 0) return;
    if (list.length === 0) found('the conversation is empty', [column]);
    else if (turns.length > 0 && turns.every(({ role }) => role === 'system')) {
      found('the conversation holds a system message only', [column]);
    }
  },
});

export const unknownRole = defineCheck({
  code: 'data/unknown-role',
  severity: 'error',
  title: 'a role is not known',
  help: 'use the data set’s roles, or name others under `tags` in dataset_info.json',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ turns, reading }, found) {
    const { user_tag, assistant_tag, observation_tag, function_tag, system_tag } = reading.tags;
    const named = [user_tag, assistant_tag, observation_tag, function_tag, system_tag];
    const known = named.filter((tag) => tag !== null);
    for (const { role, spelled, rolePath } of turns) {
      if (role !== undefined || spelled === undefined) continue;
      const other = otherNames[spelled.toLowerCase()];
      const meant = other && reading.tags[other];
      const hint = didYouMean(spelled, known) || (meant ? ` (did you mean \`${meant}\`?)` : '');
      found(`\`${spelled}\` is no role of this data set${hint}`, rolePath);
    }
  },
});

const otherNames: Readonly<
  Record<string, 'user_tag' | 'assistant_tag' | 'observation_tag' | 'system_tag'>
> = {
  user: 'user_tag',
  human: 'user_tag',
  prompter: 'user_tag',
  assistant: 'assistant_tag',
  gpt: 'assistant_tag',
  bot: 'assistant_tag',
  model: 'assistant_tag',
  chatgpt: 'assistant_tag',
  tool: 'observation_tag',
  observation: 'observation_tag',
};

/** Tool results one after the other are one turn in OpenAI's rows. */
function spoken({ turns, format }: RowView): readonly Turn[] {
  if (format !== 'openai') return turns;
  return turns.filter(
    ({ role }, i) => role !== 'observation' || turns[i - 1]?.role !== 'observation',
  );
}

export const systemPlace = defineCheck({
  code: 'data/system-place',
  severity: 'error',
  title: 'a system message stands in the middle',
  help: 'only the first message may be the system’s; put its words there',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ turns }, found) {
    for (const [i, { role, rolePath }] of turns.entries()) {
      if (i > 0 && role === 'system')
        found('a system message stands after the first message', rolePath);
    }
  },
});

export const roleOrder = defineCheck({
  code: 'data/role-order',
  severity: 'error',
  title: 'roles do not take turns',
  help: 'user (or a tool’s result) and assistant (or a call) must take turns; mend or remove the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    const turns = spoken(view).filter(({ role }) => role !== 'system');
    for (const [i, { role, spelled, rolePath }] of turns.entries()) {
      if (role === undefined) return;
      const before = turns[i - 1];
      const expected = i === 0 ? false : !isReplyTurn(before);
      if (isReplyTurn({ role }) === expected) continue;
      found(
        before === undefined
          ? `a conversation cannot begin with \`${spelled}\``
          : `\`${spelled}\` cannot follow \`${before.spelled}\``,
        rolePath,
      );
    }
  },
});

const isReplyTurn = ({ role }: Pick<Turn, 'role'>): boolean =>
  role !== undefined && role !== 'system' && isReply(role);

/** Whether a conversation goes on after a reply with nothing but results of tools: those are dropped, and the rest is learned. */
function endsWithResults({ turns, format, reading }: RowView): boolean {
  if (format !== 'openai' || reading.ranking || turns.at(-1)?.role !== 'observation') return false;
  const before = turns.findLast(({ role }) => role !== 'observation');
  return before !== undefined && isReplyTurn(before);
}

export const trailingResults = defineCheck({
  code: 'data/trailing-tool-results',
  severity: 'warning',
  title: 'a conversation ends with a tool’s result',
  help: 'end the row with the assistant’s answer to learn that too; the results are left out, as in LLaMA-Factory',
  row(view, found) {
    if (!endsWithResults(view)) return;
    const last = view.turns.at(-1);
    found(
      `the conversation of ${view.turns.length} messages ends with \`${last?.spelled}\`, and no reply follows`,
      last?.rolePath,
    );
  },
});

export const lastWord = defineCheck({
  code: 'data/last-word',
  severity: 'error',
  title: 'a conversation ends without a reply',
  help: 'a conversation must end with the assistant’s turn; remove the last message, or the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    const last = view.turns.at(-1);
    if (!last || last.role === undefined || last.role === 'system') return;
    const { ranking } = view.reading;
    if (isReplyTurn(last) !== ranking || endsWithResults(view)) return;
    const count = view.turns.filter(({ role }) => role !== 'system').length;
    found(
      ranking
        ? `the conversation ends with \`${last.spelled}\`, though \`chosen\` and \`rejected\` are its replies`
        : `the conversation of ${count} turns ends with \`${last.spelled}\`, so there is no reply to learn`,
      last.rolePath,
    );
  },
});
