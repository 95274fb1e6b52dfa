/** @file `tunery chat`: a conversation with a model, in the terminal or line by line from a pipe. */
import { randomInt } from 'node:crypto';
import { canonicalKey } from '../../config/answer.ts';
import { loadConfig } from '../../config/load.ts';
import { defineError, invariant, TuneryError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import { inferSection } from '../../generate/backends.ts';
import { type GenerateSettings, generateSection } from '../../generate/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { type Context, defineCommand, exitCodes } from '../command.ts';
import { type Conversation, openConversation, type Turn } from '../conversation.ts';
import { readLines } from '../lines.ts';
import { openTalkHere } from '../open-talk.ts';

const notSettable = defineError('cli/not-settable', (key: string, near: string) => ({
  message: `\`${key}\` is no setting of how replies are drawn${near}`,
  help: '`/set` alone lists them',
}));

export const chatCommand = defineCommand({
  name: 'chat',
  summary:
    'Talk to a model; with the file of a training, to what was trained. Without a terminal each line of the input is a turn.',
  examples: [
    'tunery chat examples/smollm2_lora_chat.yaml',
    'tunery chat examples/smollm2_lora_sft.yaml temperature=0.2',
    'tunery chat model_name_or_path=HuggingFaceTB/SmolLM2-135M-Instruct',
    'tunery chat examples/smollm2_lora_chat.yaml --json < questions.txt',
  ],
  sections: [modelSection, generateSection, inferSection, dataSection, engineSection],

  async run(job, context) {
    const { loaded, isTTY, json } = context;
    const interactive = isTTY && !json && process.stdin.isTTY === true;
    const talk = await openTalkHere(job, context, { templateOptional: false });
    const { template, session } = talk;
    invariant(template, 'a chat was opened without a template');
    try {
      if (context.signal.aborted) return undefined;
      const seeded = loaded?.origins.get('seed')?.kind !== 'default';
      const conversation = openConversation(
        { ...talk, template },
        seeded ? job.train.seed : randomInt(2 ** 32),
      );
      return await (interactive ? converse : answerLines)(conversation, job.generate, context);
    } finally {
      await session.close();
    }
  },
});

/** Each line is a turn; Ctrl+C ends it. */
async function answerLines(
  conversation: Conversation,
  settings: GenerateSettings,
  context: Context,
): Promise<number | undefined> {
  const lines = readLines(undefined, () => {});
  context.signal.addEventListener('abort', () => lines.close());
  try {
    for (;;) {
      const line = await lines.next();
      if (line === undefined || context.signal.aborted) return undefined;
      if (line.trim() !== '') await answer(conversation, line, settings, context, context.signal);
    }
  } finally {
    lines.close();
  }
}

/** Streams one reply. */
async function answer(
  conversation: Conversation,
  text: string,
  settings: GenerateSettings,
  { write, emit, note, json }: Context,
  signal: AbortSignal,
): Promise<Turn> {
  const began = performance.now();
  const pieces = conversation.say(text, settings, signal);
  for (;;) {
    const { done, value } = await pieces.next();
    if (!done) {
      if (!json) write(value);
      continue;
    }
    const seconds = (performance.now() - began) / 1000;
    if (value.dropped > 0) {
      note(
        `note: the conversation has outgrown the model’s context; its first ${value.dropped} messages were left out`,
      );
    }
    if (json) emit(asJson(value, seconds));
    else write('\n');
    return value;
  }
}

const asJson = (turn: Turn, seconds: number) => ({
  reply: turn.text,
  finish_reason: turn.reason,
  prompt_tokens: turn.promptTokens,
  reused_tokens: turn.reused,
  new_tokens: turn.tokens,
  seconds: Math.round(seconds * 1000) / 1000,
});

const help = `/clear           forget the conversation
/system TEXT     begin anew with this system message; without a text, with the template's own
/set KEY=VALUE   change how replies are drawn (temperature, top_p, top_k, max_new_tokens, …); alone, list them
/exit            end (also Ctrl+D)
Ctrl+C stops a reply.`;

/** With a terminal. */
async function converse(
  conversation: Conversation,
  given: GenerateSettings,
  context: Context,
): Promise<number> {
  const { print, note } = context;
  let settings = given;
  let replying: AbortController | undefined;
  let warned = false;
  let stopped = false;
  const onInterrupt = (typed: string): void => {
    if (replying) {
      replying.abort();
      return;
    }
    if (typed !== '') {
      lines.ask();
      return;
    }
    if (warned) {
      stopped = true;
      lines.close();
      return;
    }
    warned = true;
    note('\nCtrl+C again, or /exit, ends it');
    lines.ask();
  };
  const lines = readLines('> ', onInterrupt);
  const release = context.onInterrupt(() => onInterrupt(''));
  print('Type a message; /help lists the commands.');
  try {
    for (;;) {
      const line = (await lines.next())?.trim();
      if (line === undefined) {
        print();
        return stopped ? exitCodes.stopped : exitCodes.ok;
      }
      warned = false;
      if (line === '') continue;
      if (line.startsWith('/')) {
        if (/^\/(exit|quit|bye)$/.test(line)) return exitCodes.ok;
        settings = command(line, conversation, settings, context);
        continue;
      }
      replying = new AbortController();
      try {
        await answer(conversation, line, settings, context, replying.signal);
      } catch (error) {
        // What a shorter message mends must not end the conversation.
        if (!(error instanceof TuneryError) || !/^(cli|data)\//.test(error.code)) throw error;
        note(`${error.message}\n  help: ${error.help}`);
      } finally {
        replying = undefined;
      }
    }
  } finally {
    release();
    lines.close();
  }
}

/** Does what a line that begins with `/` asks; gives the settings that hold from then on. */
function command(
  line: string,
  conversation: Conversation,
  settings: GenerateSettings,
  { print, note }: Pick<Context, 'print' | 'note'>,
): GenerateSettings {
  const [, name, rest] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? [];
  switch (name) {
    case 'help':
      print(help);
      return settings;
    case 'clear':
      conversation.clear();
      print('forgotten');
      return settings;
    case 'system':
      conversation.clear();
      conversation.setSystem(rest);
      print(
        rest === ''
          ? 'a new conversation, with the template’s own system message'
          : 'a new conversation',
      );
      return settings;
    case 'set':
      if (rest === '') {
        for (const [key, value] of Object.entries(settings)) print(`${key}=${value}`);
        return settings;
      }
      try {
        return changed(settings, rest);
      } catch (error) {
        if (!(error instanceof TuneryError)) throw error;
        note(`${error.message}\n  help: ${error.help ?? '`/set` alone lists them'}`);
        return settings;
      }
    default:
      note(`there is no command /${name}${didYouMean(name, known)}; /help lists them`);
      return settings;
  }
}

const known = ['help', 'clear', 'system', 'set', 'exit'];

/** The settings with `key=value` in them, read and checked as on the command line. */
function changed(settings: GenerateSettings, assignment: string): GenerateSettings {
  const [key] = assignment.split('=', 1);
  const names = Object.keys(generateSection.fields);
  if (!names.includes(canonicalKey(key.trim()))) throw notSettable(key, didYouMean(key, names));
  const current = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return loadConfig({ overrides: [...current, assignment], command: 'config' }).job.generate;
}
