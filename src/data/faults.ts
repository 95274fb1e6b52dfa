/**
 * @file What a user would call a fault of LLaMA-Factory, and what its named templates, formats and keys
 * do here all the same: the same file gives the same tokens. The model's own template has none of them.
 */
import { type Example, isReply, type Message } from './example.ts';
import type { NamedTemplate, Slot } from './templates/template.ts';

export type FaultCase = {
  readonly example: Example;
  /** Undefined for the model's own template. */
  readonly template: NamedTemplate | undefined;
};

export type Fault = {
  /** Stable; the data doctor and the docs name a fault by it. */
  readonly id: string;
  readonly title: string;
  /** What happens, and to whom. */
  readonly detail: string;
  readonly help: string;
  /** A template that has it whatever the rows hold. */
  readonly ofTemplate?: (template: NamedTemplate) => boolean;
  /** The first message of a row that it changes, by index. */
  readonly ofRow?: (row: FaultCase) => number | undefined;
};

const find = (example: Example, test: (message: Message) => boolean): number | undefined => {
  const index = example.messages.findIndex(test);
  return index < 0 ? undefined : index;
};
const count = (text: string, part: string): number => text.split(part).length - 1;
/** Whether slots around a reply hold the end of text or a stop word. */
const stops = (slots: readonly Slot[], { stopWords }: NamedTemplate): boolean =>
  slots.some((slot) => {
    if (typeof slot === 'string') return stopWords.some((word) => slot.includes(word));
    return 'eos' in slot || ('token' in slot && stopWords.includes(slot.token));
  });

/** Whether they end with what looks like a token, as families spell them: `<|end_of_text|>`, `<eoa>`. */
const endsWithToken = (slots: readonly Slot[]): boolean =>
  slots.some((slot) => typeof slot === 'string' && /<[^<>\s]+>\s*$/.test(slot));

export const faults: readonly Fault[] = [
  {
    id: 'idx-in-text',
    title: '`{{idx}}` in a text is replaced by the number of its turn',
    detail:
      'Placeholders are filled one after the other, so one that stands in the text of a user is filled too. Templates that put the system text into the first user’s turn know no `{{idx}}`, and leave it.',
    help: 'write it otherwise in the row, or leave `template` unset',
    ofRow: ({ example, template }) =>
      template?.systemPlace === 'own'
        ? find(example, ({ role, content }) => role === 'user' && content.includes('{{idx}}'))
        : undefined,
  },
  {
    id: 'first-call-only',
    title: 'of several calls in call words, only the first is read',
    detail:
      'A `function` message may hold `<tool_call>…</tool_call>`. The first is rendered in the template’s form; the others stay before it as they are.',
    help: 'give the calls as one JSON list',
    ofRow: ({ example, template }) =>
      template &&
      find(
        example,
        ({ role, content }) => role === 'function' && count(content, template.toolCallWords[0]) > 1,
      ),
  },
  {
    id: 'words-beside-calls',
    title: 'words beside a tool call are lost',
    detail:
      'In `openai` rows, the `content` of a message with `tool_calls` is not read by a named template.',
    help: 'leave `template` unset: the model’s own keeps them',
    ofRow: ({ example, template }) => template && find(example, ({ words }) => words !== undefined),
  },
  {
    id: 'arguments-as-text',
    title: 'arguments that are JSON text stay a text inside the call',
    detail:
      'OpenAI’s `tool_calls` hold their `arguments` as JSON text. It is not parsed: the call is written with a quoted text where an object belongs. The tool formats that write each argument by itself have to read it, and do.',
    help: 'give `arguments` as an object, or leave `template` unset',
    ofRow: ({ example, template }) =>
      template &&
      find(example, ({ role, content }) => role === 'function' && /"arguments":\s*"/.test(content)),
  },
  {
    id: 'detailed-thinking-off',
    title: '`openai` rows get a line that no one wrote',
    detail:
      'LLaMA-Factory’s head adds “detailed thinking off” to the system text of every `openai` row without tools, and a line break to that of rows with tools. Here too where a named template writes a data set of `dataset_info.json`, unless its entry says `detailed_thinking: false`.',
    help: 'say `detailed_thinking: false` in the entry, or leave `template` unset',
    ofRow: ({ example, template }) =>
      template !== undefined && example.namedSystem !== undefined ? 0 : undefined,
  },
  {
    id: 'trailing-tool-results',
    title: 'tool results at the end of a conversation are lost',
    detail:
      'An `openai` row that ends with `tool` messages is read as if it ended before them; preparing it warns, with its line.',
    help: 'end the row with the assistant’s answer',
    ofRow: ({ example }) =>
      example.lost === 'trailing-tool-results' ? example.messages.length - 1 : undefined,
  },
  {
    id: 'half-thought',
    title: 'thoughts whose words differ in a line break are not seen as thoughts',
    detail:
      'Thoughts are taken out only where they stand between exactly `<think>\\n` and `\\n</think>\\n\\n` (or the template’s own words). `<think>x</think>` stays in the history, and with `enable_thinking: false` in the reply.',
    help: 'write thoughts as `<think>\\n…\\n</think>\\n\\n`',
    ofRow: ({ example, template }) => {
      if (template === undefined || template.thinking === 'never') return undefined;
      const [open, close] = template.thoughtWords;
      return find(
        example,
        ({ role, content }) =>
          isReply(role) &&
          (content.includes(open.trim()) || content.includes(close.trim())) &&
          !(content.includes(open) && content.includes(close)),
      );
    },
  },
  {
    id: 'system-lost',
    title: 'the system text is lost where a conversation begins with a tool’s result',
    detail:
      'Templates that put the system text into the first user’s turn have no place for it where the first message is an `observation`.',
    help: 'begin the row with a user’s message',
    ofRow: ({ example, template }) =>
      template?.systemPlace === 'user' &&
      example.messages[0]?.role === 'observation' &&
      (example.system !== '' || example.tools !== '' || template.defaultSystem !== '')
        ? 0
        : undefined,
  },
  {
    id: 'round-not-numbered',
    title: 'a tool’s result leaves `{{idx}}` in the text',
    detail:
      'Results are written in the user’s slot where a template has none for them, and their turn is not numbered: ChatGLM2 reads `[Round {{idx}}]`.',
    help: 'use another template for rows with tools',
    ofRow: ({ example, template }) =>
      template?.observation.some((slot) => typeof slot === 'string' && slot.includes('{{idx}}'))
        ? find(example, ({ role }) => role === 'observation')
        : undefined,
  },
  {
    id: 'rounds-from-zero',
    title: 'rounds are numbered from 0',
    detail:
      'ChatGLM2 was trained with `[Round 1]` at the first turn; the template writes `[Round 0]`.',
    help: 'nothing need be done where only adapters of this template are used together',
    ofTemplate: ({ user }) =>
      user.some((slot) => typeof slot === 'string' && slot.includes('{{idx}}')),
  },
  {
    id: 'beginning-not-written',
    title: 'the token that begins a text is not written',
    detail:
      'The template means to begin with `<|endoftext|>`, in a notation that nothing reads, so it begins with nothing.',
    help: 'leave `template` unset',
    ofTemplate: ({ prefix }) =>
      prefix.some((slot) => typeof slot !== 'string' && 'unwritten' in slot),
  },
  {
    id: 'no-stop-token',
    title: 'replies teach no stop token',
    detail:
      'Nothing in a reply’s slots is the end of text or one of the template’s stop words, so a model that is trained with it does not learn to end its replies.',
    help: 'choose a template whose replies end, or leave `template` unset',
    ofTemplate: (template) =>
      !template.efficientEos &&
      !stops(template.assistant, template) &&
      !endsWithToken(template.assistant),
  },
  {
    id: 'call-without-stop',
    title: 'calls teach no stop token',
    detail:
      'The slots around calls hold no stop token where those around replies do: the model does not learn to stop after a call.',
    help: 'leave `template` unset for rows with tools',
    ofTemplate: (template) =>
      !template.efficientEos &&
      stops(template.assistant, template) &&
      !stops(template.function, template),
  },
  {
    id: 'calls-not-read-back',
    title: 'calls are written in a form that is not read back',
    detail:
      'MiniMax-M2’s calls stand without `<minimax:tool_call>` around them, and GLM-4.5’s with keys and values where the reader expects JSON: such a reply counts as plain text.',
    help: 'leave `template` unset for rows with tools',
    ofTemplate: ({ tools }) => ['minimax2', 'glm4_moe'].includes(tools),
  },
  {
    id: 'calls-left-open',
    title: 'the tags of a call are not all closed',
    detail:
      'GLM-4.5’s calls have no `</tool_call>`, and in Seed-OSS’s the tag `<function=…` is never closed: the model learns calls that its own programs do not read.',
    help: 'leave `template` unset for rows with tools',
    ofTemplate: ({ tools }) => ['glm4_moe', 'seed_oss'].includes(tools),
  },
  {
    id: 'quotes-in-calls',
    title: 'quotes inside an argument end it',
    detail:
      'LFM 2’s calls are Python, and a text with `"` is written between quotes as it is, so that it ends too soon when it is read.',
    help: 'leave `template` unset for rows with tools',
    ofRow: ({ example, template }) =>
      template?.tools === 'lfm2'
        ? find(example, ({ role, content }) => role === 'function' && content.includes('\\"'))
        : undefined,
  },
  {
    id: 'desirable-but-empty',
    title: 'a wanted reply that is empty counts as unwanted',
    detail:
      'With a `kto_tag`, the row is unwanted where its first reply is empty, whatever the tag says.',
    help: 'remove rows with empty replies',
    ofRow: ({ example }) =>
      example.desirable === true && example.messages.at(-1)?.content === ''
        ? example.messages.length - 1
        : undefined,
  },
  {
    id: 'empty-prompt-shifts-labels',
    title: 'an empty prompt shifts the labels of all that follows it',
    detail:
      'In `fewshot`, whose prompts are the user’s text alone, an empty prompt after the first turn gets a label though it has no token, so that every later label stands one place too far. This is not done here: such a prompt gets no label.',
    help: 'remove rows with empty prompts',
  },
  {
    id: 'stop-token-and-more',
    title: 'what follows the stop token is learned too',
    detail:
      'The line break after `<|im_end|>` belongs to the reply’s slot and is learned, though no reply is ever generated beyond its stop token.',
    help: 'nothing need be done; leave `template` unset to learn the stop token only',
    ofTemplate: ({ assistant }) => {
      const last = assistant.at(-1);
      return typeof last === 'string' && last.endsWith('\n') && !last.startsWith('{{content}}\n');
    },
  },
  {
    id: 'cut-at-the-end',
    title: 'a prompt that is cut loses its end, and a reply its stop token',
    detail:
      'Prompt and reply share `cutoff_len`, and of both the beginning is kept. A prompt that is cut loses the header of the reply; with `mask_history` the first turns can be gone with the system text.',
    help: 'raise `cutoff_len`; `tunery data tokens` shows what was cut',
  },
  {
    id: 'system-filled-in',
    title: 'an empty system text is filled in',
    detail:
      'The template’s own system text, or `default_system`, stands in rows whose system text is empty, not only in those that have none.',
    help: 'set `default_system` to an empty text to have none',
    ofTemplate: ({ defaultSystem }) => defaultSystem !== '',
  },
];
