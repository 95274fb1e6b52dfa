/** @file From a request's body to the prompts and the limits of its replies. */
import { randomInt } from 'node:crypto';
import type { z } from 'zod';
import { openaiTags, turnsOf } from '../data/formats/openai.ts';
import type { Conversation } from '../data/templates/render.ts';
import type { JsonObject } from '../files/json.ts';
import { samplingOf } from '../generate/sampling.ts';
import type { GenerateSettings } from '../generate/settings.ts';
import { longestReply, type ReplyRequest, type Talk } from '../generate/talk.ts';
import type { ChatBody, CompletionBody, SamplingBody } from './bodies.ts';
import { badRequest } from './errors.ts';

export type ServedTalk = Talk & {
  /** How replies are drawn where a request does not say. */
  readonly settings: GenerateSettings;
  /** The model's own stop ids, for texts without a template. */
  readonly stopIds: readonly number[];
};

const place = { file: 'request' };

/** Reads a body, or says which key is wrong and why. */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  const key = path.join('.');
  throw badRequest(key, key === '' ? `the body is wrong: ${message}` : `\`${key}\`: ${message}`);
}

export function chatRequest(talk: ServedTalk, body: ChatBody): ReplyRequest {
  const { template } = talk;
  if (!template) {
    throw badRequest('messages', 'this model has no chat template; use /v1/completions');
  }
  const rows: readonly JsonObject[] = body.messages;
  const { said, system } = turnsOf(rows, '', { column: 'messages', tags: openaiTags, place });
  if (said.length === 0) throw badRequest('messages', 'there is no message but the system’s');
  const offered = body.tool_choice === 'none' ? [] : (body.tools ?? []);
  const conversation: Conversation = {
    messages: said.map(({ message }) => message),
    system,
    tools: offered.length === 0 ? '' : JSON.stringify(offered),
    place,
  };
  if (offered.length > 0) {
    const without = template.promptText({ ...conversation, tools: '' });
    if (template.promptText(conversation) === without) {
      throw badRequest('tools', 'the model’s chat template has no place for tools');
    }
  }
  const most = body.max_completion_tokens ?? body.max_tokens;
  return replyRequest(talk, template.prompt(conversation), template.stopIds, body, most);
}

/** One for each prompt. A prompt may be tokens already. */
export function completionRequests(talk: ServedTalk, body: CompletionBody): ReplyRequest[] {
  const { prompt } = body;
  const prompts: readonly (string | readonly number[])[] =
    typeof prompt === 'string' ? [prompt] : isTokens(prompt) ? [prompt] : prompt;
  return prompts.map((each) => {
    const ids =
      typeof each === 'string'
        ? talk.tokenizer.encode(each, { addSpecialTokens: true })
        : Int32Array.from(each);
    return replyRequest(talk, ids, talk.stopIds, body, body.max_tokens);
  });
}

/** So many choices of each: they share their prompt, and each draws by a seed of its own. */
export const choicesOf = (requests: readonly ReplyRequest[], n: number): ReplyRequest[] =>
  requests.flatMap((request) =>
    Array.from({ length: n }, (_, i) => ({ ...request, seed: request.seed + i })),
  );

const isTokens = (prompt: Exclude<CompletionBody['prompt'], string>): prompt is number[] =>
  typeof prompt[0] === 'number';

function replyRequest(
  { settings }: ServedTalk,
  ids: Int32Array,
  stop_ids: readonly number[],
  body: SamplingBody,
  most: number | null | undefined,
): ReplyRequest {
  const usual = samplingOf(settings);
  const { stop } = body;
  return {
    ids,
    stop_ids,
    sampling: {
      temperature: body.temperature ?? usual.temperature,
      top_p: body.top_p ?? usual.top_p,
      top_k: body.top_k ?? usual.top_k,
      min_p: body.min_p ?? usual.min_p,
      repetition_penalty: body.repetition_penalty ?? usual.repetition_penalty,
    },
    seed: typeof body.seed === 'number' ? Math.abs(body.seed) : randomInt(2 ** 32),
    max_new_tokens: most ?? longestReply(settings, ids.length),
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    skip_special_tokens: settings.skip_special_tokens,
  };
}
