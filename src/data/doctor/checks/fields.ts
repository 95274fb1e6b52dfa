/** @file Fields of messages that nothing reads: slips of the pen, and what other programs write. */
import { suggest } from '../../../core/suggest.ts';
import { isJsonObject, type JsonObject } from '../../../files/json.ts';
import { defineCheck } from '../check.ts';
import type { Path } from '../locate.ts';
import type { RowView } from '../view.ts';

/** What a message may hold beside its role and text, of OpenAI's own definition and of those who extend it. */
const openaiFields = [
  'name',
  'tool_calls',
  'tool_call_id',
  'reasoning_content',
  'weight',
  'refusal',
  'audio',
  'function_call',
  'annotations',
  'id',
];
const sharegptFields = ['weight', 'id'];

/** So many kinds of fields are told of a set. */
const mostFields = 200;

/** Of a field that is not known: which one may be meant, and how often it came. */
type Seen = {
  readonly near: string | undefined;
  readonly first: Pick<RowView, 'place'>;
  count: number;
};

const knownFields = ({ format, reading: { tags } }: RowView): readonly string[] => [
  tags.role_tag,
  tags.content_tag,
  ...(format === 'openai' ? openaiFields : sharegptFields),
];

function* messagesOf({
  value,
  reading,
  format,
}: RowView): Generator<readonly [path: Path, message: JsonObject]> {
  if (format !== 'openai' && format !== 'sharegpt') return;
  const column = reading.columns.messages ?? (format === 'openai' ? 'messages' : 'conversations');
  const list = value[column];
  if (!Array.isArray(list)) return;
  for (const [i, message] of list.entries())
    if (isJsonObject(message)) yield [[column, i], message];
}

export const unknownField = defineCheck({
  code: 'data/unknown-field',
  severity: 'note',
  title: 'a message has a field that is not read',
  help: 'rename it where another is meant; otherwise it does no harm, and teaches nothing',
  set() {
    const seen = new Map<string, Seen>();
    let known: readonly string[] | undefined;
    let messages = 0;
    return {
      row(view, found) {
        known ??= knownFields(view);
        for (const [path, message] of messagesOf(view)) {
          messages++;
          for (const key in message) {
            // A table of many rows has a null where a message lacks the field; a weight of 1 is what every reply has.
            if (message[key] === null || (key === 'weight' && message[key] === 1)) continue;
            if (key !== 'weight' && known.includes(key)) continue;
            let field = seen.get(key);
            if (!field && seen.size < mostFields) {
              const near = key === 'weight' ? undefined : suggest(key, known);
              field = { near, first: { place: view.place }, count: 0 };
              seen.set(key, field);
            }
            if (!field) continue;
            field.count++;
            // A message without its role or text is told of by another check, and with the same hint.
            const { near } = field;
            if (near === undefined || (known.indexOf(near) < 2 && !Object.hasOwn(message, near)))
              continue;
            found(`\`${key}\` is not read (did you mean \`${near}\`?)`, [...path, key]);
          }
        }
      },
      end(found) {
        for (const [key, { near, first, count }] of seen) {
          if (near !== undefined) continue;
          const where = `${count} of ${messages} messages`;
          const weight =
            key === 'weight' ? ': a reply of any weight is learned like the others' : '';
          found(`\`${key}\` stands in ${where}, and is not read${weight}`, first);
        }
      },
    };
  },
});
