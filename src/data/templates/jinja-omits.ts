/** @file What a model's own template leaves out of a conversation, found by writing one that holds each of them. */
import { TuneryError } from '../../core/errors.ts';
import type { Omits } from '../chat-template.ts';
import type { JinjaMessage, Writer } from './jinja-writer.ts';

const probe = {
  tools: 'probe_of_a_tool',
  calls: 'probe_of_a_call',
  thoughts: 'probe_of_a_thought',
};

const user: JinjaMessage = { role: 'user', content: 'Hello' };
const tool = {
  type: 'function',
  function: {
    name: probe.tools,
    description: 'A tool.',
    parameters: { type: 'object', properties: {}, required: [] },
  },
};
const called: readonly JinjaMessage[] = [
  {
    role: 'assistant',
    content: '',
    tool_calls: [
      { type: 'function', id: 'call00000', function: { name: probe.calls, arguments: {} } },
    ],
  },
  { role: 'tool', tool_call_id: 'call00000', name: probe.calls, content: '1' },
  { role: 'assistant', content: 'One.' },
];

export function omitsOf(writer: Pick<Writer, 'write'>): Omits {
  const lacks = (
    name: keyof typeof probe,
    messages: readonly JinjaMessage[],
    tools: readonly (typeof tool)[],
  ): boolean => {
    try {
      return !writer.write({ messages, tools }, {}).includes(probe[name]);
    } catch (error) {
      // A template that refuses says so of the row.
      if (error instanceof TuneryError) return false;
      throw error;
    }
  };
  return {
    tools: lacks('tools', [user, { role: 'assistant', content: 'Hi.' }], [tool]),
    calls: lacks('calls', [user, ...called], [tool]),
    thoughts: lacks(
      'thoughts',
      [user, { role: 'assistant', content: 'Hi.', reasoning_content: probe.thoughts }],
      [],
    ),
  };
}
