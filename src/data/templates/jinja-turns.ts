/**
 * @file Which text a Jinja template writes for which message, and what it writes within `{% generation %}`. Known
 * as it is written, never looked for afterwards: a loop that stands at a message marks what it writes.
 */
import { randomBytes } from 'node:crypto';
import { type Chat, type Mark, type Rendering, render, type Template } from './jinja-runtime.ts';

export type Span = { readonly start: number; readonly end: number };

export type Marked = {
  readonly text: string;
  /** Text written while a loop stood at a message, by the message's number. */
  readonly turns: ReadonlyMap<number, readonly Span[]>;
  /** Text within `{% generation %}`. */
  readonly generated: readonly Span[];
  /** Marks that stand in captured text changed the whole text, so that they tell nothing. */
  readonly lost: boolean;
};

export function renderMarked(template: Template, chat: Chat, today: Date): Marked {
  const plain = render(template, chat, today);
  if (!plain.captured) return { ...collect(plain.marks), text: plain.text, lost: false };
  // Text of a macro or a `set` block comes into its place later: the marks go along within it.
  const marked = readMarks(secretly(template, chat, today));
  const lost = marked?.text !== plain.text;
  return { ...collect(lost ? [] : (marked?.marks ?? [])), text: plain.text, lost };
}

// No text of a row can hold it, for it is drawn anew in each process.
const secret = `\ue000${randomBytes(9).toString('hex')}`;
const pattern = new RegExp(`${secret}([[\\]])(\\w+):(\\d+)\ue001`, 'g');

/** Undefined where the template fails over the marks. */
function secretly(template: Template, chat: Chat, today: Date): Rendering | undefined {
  try {
    return render(template, chat, today, secret);
  } catch {
    return undefined;
  }
}

function readMarks(rendering: Rendering | undefined): { text: string; marks: Mark[] } | undefined {
  if (!rendering) return undefined;
  const marks: Mark[] = [];
  const open: Mark[] = [];
  let text = '';
  let from = 0;
  for (const match of rendering.text.matchAll(pattern)) {
    text += rendering.text.slice(from, match.index);
    from = match.index + match[0].length;
    const kind = match[2] === 'generation' ? 'generation' : 'turn';
    if (match[1] === '[') {
      const mark = { kind, index: Number(match[3]), start: text.length, end: -1 } as const;
      open.push(mark);
      marks.push(mark);
      continue;
    }
    // A text that is printed in part, or in another order, closes what it has not opened.
    const last = open.pop();
    if (!last || last.kind !== kind || last.index !== Number(match[3])) return undefined;
    last.end = text.length;
  }
  if (open.length > 0) return undefined;
  return { text: text + rendering.text.slice(from), marks };
}

function collect(marks: readonly Mark[]): Pick<Marked, 'turns' | 'generated'> {
  const turns = new Map<number, Span[]>();
  const generated: Span[] = [];
  for (const { kind, index, start, end } of marks) {
    if (end <= start) continue;
    if (kind === 'generation') generated.push({ start, end });
    else turns.set(index, [...(turns.get(index) ?? []), { start, end }]);
  }
  return { turns, generated };
}
