/**
 * @file What of a Jinja template's text the assistant says. The template itself marks it: its loops over
 * messages are given marks at their beginnings and ends, so each turn's text is known as it is written,
 * never looked for afterwards. Marks that change the text in any way are refused.
 */
import { randomBytes } from 'node:crypto';
import { compile, JinjaError, type Program } from './jinja-runtime.ts';

/** The key by which a marked message knows its number. */
export const turnKey = '__turn';

export type Span = { readonly start: number; readonly end: number };

export type Marked = {
  readonly text: string;
  /** Text written while the loop stood at a message, by the message's number. */
  readonly turns: ReadonlyMap<number, readonly Span[]>;
  /** Text within `{% generation %}`. */
  readonly generated: readonly Span[];
};

export type MarkedTemplate = {
  readonly program: Program;
  /** The template says itself what is generated. */
  readonly hasGeneration: boolean;
  read(output: string): Marked;
};

const generationTag = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

type Node = { readonly type: string; readonly [key: string]: unknown };

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

export function markTemplate(source: string): MarkedTemplate {
  // No text of a row can hold it, for it is drawn anew in each process.
  const secret = randomBytes(9).toString('hex');
  const mark = (what: string): string => `\ue000${secret}${what}\ue001`;

  const hasGeneration = generationTag.test(source);
  // Where a block tag stood, block tags stand again: white space around them is trimmed as before.
  const tagged = source.replaceAll(
    generationTag,
    (_, before: string, end: string | undefined, after: string) =>
      `{%${before} if true %}{{ "${mark(end ? 'g]' : 'g[')}" }}{% endif ${after}%}`,
  );
  const program = compile(tagged);
  let loops = 0;
  markLoops(program as unknown as Node, () => loops++, mark);

  const pattern = new RegExp(`\\ue000${secret}([^\\ue001]*)\\ue001`, 'g');
  return { program, hasGeneration, read: (output) => readMarks(output, pattern) };
}

/** Marks in every `for` over single names: at the start of its body where the item is a message, and after it. */
function markLoops(node: Node, nextLoop: () => number, mark: (what: string) => string): void {
  for (const key of ['body', 'alternate', 'defaultBlock']) {
    const block = node[key];
    if (!Array.isArray(block)) continue;
    for (let i = 0; i < block.length; i++) {
      const statement: unknown = block[i];
      if (!isNode(statement)) continue;
      markLoops(statement, nextLoop, mark);
      const variable =
        statement.type === 'For' && isNode(statement.loopvar) ? statement.loopvar : null;
      if (variable?.type !== 'Identifier' || !Array.isArray(statement.body)) continue;
      const loop = nextLoop();
      const name = String(variable.value);
      const [open, close] = mark(`${loop}:#`).split('#');
      const start = compile(
        `{% if ${name} is mapping and ${name}.${turnKey} is defined %}{{ "${open}" ~ ${name}.${turnKey} ~ "${close}" }}{% endif %}`,
      );
      statement.body.unshift(...start.body);
      block.splice(++i, 0, ...compile(`{{ "${mark(`${loop}.`)}" }}`).body);
    }
  }
}

function readMarks(output: string, pattern: RegExp): Marked {
  const turns = new Map<number, Span[]>();
  const generated: Span[] = [];
  const open = new Map<string, { turn: number; start: number }>();
  let generationStart: number | undefined;
  let text = '';
  let from = 0;

  const close = (loop: string): void => {
    const begun = open.get(loop);
    open.delete(loop);
    if (!begun || begun.start === text.length) return;
    const spans = turns.get(begun.turn) ?? [];
    spans.push({ start: begun.start, end: text.length });
    turns.set(begun.turn, spans);
  };

  for (const match of output.matchAll(pattern)) {
    text += output.slice(from, match.index);
    from = match.index + match[0].length;
    const what = match[1] ?? '';
    if (what === 'g[') generationStart = text.length;
    else if (what === 'g]') {
      if (generationStart === undefined)
        throw new JinjaError('endgeneration without generation', false);
      if (text.length > generationStart)
        generated.push({ start: generationStart, end: text.length });
      generationStart = undefined;
    } else {
      const [loop = '', turn] = what.endsWith('.') ? [what.slice(0, -1)] : what.split(':');
      close(loop);
      if (turn !== undefined) open.set(loop, { turn: Number(turn), start: text.length });
    }
  }
  return { text: text + output.slice(from), turns, generated };
}
