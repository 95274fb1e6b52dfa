/** @file Answers as OpenAI's API shapes them: whole, or in pieces as they come. */
import type { Reply } from '../generate/talk.ts';

export type Usage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
};

export function usageOf(
  replies: readonly (Pick<Reply, 'tokens' | 'reused'> & { readonly promptTokens: number })[],
): Usage {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const prompt_tokens = sum(replies.map(({ promptTokens }) => promptTokens));
  const completion_tokens = sum(replies.map(({ tokens }) => tokens));
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: sum(replies.map(({ reused }) => reused)) },
  };
}

export type FinishReason = 'stop' | 'length';

/** What a cancelled reply is told as matters to nobody: who asked is gone, or the server is ending. */
export const finishReason = (reason: Reply['reason']): FinishReason =>
  reason === 'stop' ? 'stop' : 'length';

/** How one kind of completion writes itself. */
export type Shape = {
  readonly prefix: string;
  readonly object: string;
  readonly pieceObject: string;
  choice(index: number, text: string, reason: FinishReason): object;
  /** What comes before the first piece of text. */
  opening(index: number): object | undefined;
  piece(index: number, text: string): object;
  closing(index: number, reason: FinishReason): object;
};

export const chatShape: Shape = {
  prefix: 'chatcmpl',
  object: 'chat.completion',
  pieceObject: 'chat.completion.chunk',
  choice: (index, content, finish_reason) => ({
    index,
    message: { role: 'assistant', content, refusal: null },
    logprobs: null,
    finish_reason,
  }),
  opening: (index) => ({
    index,
    delta: { role: 'assistant', content: '' },
    logprobs: null,
    finish_reason: null,
  }),
  piece: (index, content) => ({ index, delta: { content }, logprobs: null, finish_reason: null }),
  closing: (index, finish_reason) => ({ index, delta: {}, logprobs: null, finish_reason }),
};

export const textShape: Shape = {
  prefix: 'cmpl',
  object: 'text_completion',
  pieceObject: 'text_completion',
  choice: (index, text, finish_reason) => ({ index, text, logprobs: null, finish_reason }),
  opening: () => undefined,
  piece: (index, text) => ({ index, text, logprobs: null, finish_reason: null }),
  closing: (index, finish_reason) => ({ index, text: '', logprobs: null, finish_reason }),
};
