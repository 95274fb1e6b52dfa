/** @file Small conversations, one of each kind, with which templates are tried out and compared. */
import type { Conversation } from './templates/render.ts';

export type Probe = {
  /** For messages: `a conversation with a system text`. */
  readonly what: string;
  /** Most rows are of this kind; templates that part with the others only are seldom at fault. */
  readonly isCommon: boolean;
  /** Ends with a reply. */
  readonly conversation: Conversation;
};

const tools = JSON.stringify([
  {
    name: 'get_weather',
    description: 'Weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', description: 'Its name' } },
      required: ['city'],
    },
  },
]);

export const probes: readonly [Probe, ...Probe[]] = [
  {
    what: 'a conversation of one turn',
    isCommon: true,
    conversation: {
      system: '',
      tools: '',
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Hi there' },
      ],
    },
  },
  {
    what: 'a conversation with a system text',
    isCommon: true,
    conversation: {
      system: 'Be brief.',
      tools: '',
      messages: [
        { role: 'user', content: 'One' },
        { role: 'assistant', content: 'Two' },
      ],
    },
  },
  {
    what: 'a conversation of two turns',
    isCommon: true,
    conversation: {
      system: '',
      tools: '',
      messages: [
        { role: 'user', content: 'One' },
        { role: 'assistant', content: 'Two' },
        { role: 'user', content: 'Three' },
        { role: 'assistant', content: 'Four' },
      ],
    },
  },
  {
    what: 'a conversation with tools',
    isCommon: false,
    conversation: {
      system: '',
      tools,
      messages: [
        { role: 'user', content: 'Weather in Oslo?' },
        { role: 'function', content: '{"name": "get_weather", "arguments": {"city": "Oslo"}}' },
        { role: 'observation', content: 'rain' },
        { role: 'assistant', content: 'It rains.' },
      ],
    },
  },
  {
    what: 'a conversation with thoughts',
    isCommon: false,
    conversation: {
      system: '',
      tools: '',
      messages: [
        { role: 'user', content: '2 + 2?' },
        { role: 'assistant', content: '<think>\nTwo and two.\n</think>\n\n4' },
      ],
    },
  },
];
