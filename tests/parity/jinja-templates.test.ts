// Real chat templates on a grid of conversations, against transformers: tests/golden/jinja_templates.py. The templates that their
// licenses let us keep are in tests/fixtures/jinja; the deep suite takes the others from the folder of TUNERY_TEMPLATES.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { TuneryError } from '../../src/core/errors.ts';
import { repliesOf } from '../../src/data/templates/jinja-replies.ts';
import {
  createWriter,
  type JinjaInput,
  type Writer,
} from '../../src/data/templates/jinja-writer.ts';
import { type JsonValue, parseJson } from '../../src/files/json.ts';

const Rendered = z.union([z.string(), z.object({ error: z.string() })]);
const Spans = z.array(z.tuple([z.int(), z.int()]).nullable());
const Golden = z.object({
  // Read apart, so that numbers keep their text.
  conversations: z.array(z.unknown()),
  templates: z.record(
    z.string(),
    z.object({
      sha256: z.string(),
      bos_token: z.string().optional(),
      eos_token: z.string(),
      rows: z.array(
        z.object({
          text: Rendered,
          prompt: Rendered,
          spans: Spans.optional(),
          tagged: Spans.nullish(),
        }),
      ),
    }),
  ),
});

type Conversation = JinjaInput & { readonly options: Readonly<Record<string, JsonValue>> };

const file = new URL('../golden/jinja/templates.json.gz', import.meta.url);
const json = parseJson(gunzipSync(readFileSync(file)).toString(), { file: 'templates.json' });
const golden = Golden.parse(json);
const conversations = golden.conversations.map((given): Conversation => {
  const { messages, tools = [], options = {} } = given as Partial<Conversation>;
  return { messages: messages ?? [], tools, options };
});

const fixtures = new URL('../fixtures/jinja/', import.meta.url);
const elsewhere = process.env.TUNERY_DEEP ? process.env.TUNERY_TEMPLATES : undefined;
const sourceOf = (name: string): string | undefined => {
  const paths = [new URL(`${name}.jinja`, fixtures), elsewhere && `${elsewhere}/${name}.jinja`];
  const path = paths.find((each) => each && existsSync(each));
  return path ? readFileSync(path, 'utf8') : undefined;
};
const given = Object.entries(golden.templates).flatMap(([name, template]) => {
  const source = sourceOf(name);
  return source === undefined ? [] : [{ name, source, ...template }];
});

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
const refusal = (run: () => string): string | { error: string } => {
  try {
    return digest(run()).slice(0, 16);
  } catch (error) {
    if (error instanceof TuneryError) return { error: error.message };
    throw error;
  }
};

test('twenty templates and more, seventy conversations and more', () => {
  expect(given.length).toBeGreaterThanOrEqual(20);
  expect(conversations.length).toBeGreaterThanOrEqual(70);
});

describe.each(given)('$name', ({ source, sha256, bos_token, eos_token, rows }) => {
  const tokenizer = {
    bos: bos_token === undefined ? undefined : { id: 0, token: bos_token },
    eos: { id: 1, token: eos_token },
    pad: undefined,
  };
  const writerOf = ({ options }: Conversation): Writer =>
    createWriter(source, tokenizer, { variables: options });

  test('is the text that the golden file was made of', () => {
    expect(digest(source)).toBe(sha256);
  });

  test('writes what transformers writes, and refuses what it refuses', () => {
    for (const [i, conversation] of conversations.entries()) {
      const writer = writerOf(conversation);
      for (const [key, prompt] of [['text', false] as const, ['prompt', true] as const]) {
        const wanted = rows[i][key];
        const got = refusal(() => writer.write(conversation, { add_generation_prompt: prompt }));
        const where = `conversation ${i}, ${key}`;
        if (typeof wanted === 'string') expect(got, where).toBe(wanted);
        else {
          expect(got, where).toBeTypeOf('object');
          // What the template says itself comes to the user word for word.
          const [, said] = /^raised: (?!No filter)(.*)/s.exec(wanted.error) ?? [];
          if (said !== undefined) expect((got as { error: string }).error).toContain(said);
        }
      }
    }
  });

  test('learns what prefixes tell, and {% generation %} where they do not', () => {
    for (const [i, conversation] of conversations.entries()) {
      const { spans: prefixes, tagged } = rows[i];
      if (!prefixes) continue;
      const writer = writerOf(conversation);
      const marked = writer.mark(conversation, {});
      const found = attempt(() =>
        repliesOf(writer, controlTokens(source, eos_token)).spans(conversation, marked),
      );
      // A template's own {% generation %} goes before what prefixes tell.
      if (!found || writer.hasGeneration) continue;
      const points = (units: number): number => Array.from(marked.text.slice(0, units)).length;
      for (const [reply, prefix] of prefixes.entries()) {
        const where = `conversation ${i}, reply ${reply}`;
        const [start, end] = [points(found[reply].start), points(found[reply].end)];
        if (prefix) {
          told.byPrefix++;
          expect(start, where).toBe(prefix[0]);
          // A prefix goes on to what a template writes after a stop token: a line break, an end of text, the next header.
          const rest = Array.from(marked.text).slice(end, prefix[1]).join('').trim();
          expect(rest, where).toMatch(/^(?:<[^<>]+>)*$/);
        } else if (tagged) {
          told.byTag++;
          expect([start, end], where).toEqual(tagged[reply]);
        }
      }
    }
  });
});

const told = { byPrefix: 0, byTag: 0 };
test('most replies are told by prefixes, many of the others by tags', () => {
  expect(told.byPrefix).toBeGreaterThan(1200);
  expect(told.byTag).toBeGreaterThan(200);
});

/** As the vocabularies of these models have them: none but what a template writes matters here. */
function controlTokens(source: string, eos: string): readonly string[] {
  const written = source.match(
    /<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|<(?:start|end)_of_turn>|<end_of_sentence>|<turn\|>|<SPECIAL_\d+>|<seed:[a-z]+>|\[e~\[/g,
  );
  return [...new Set([...(written ?? []), eos, '<seed:eos>'])].sort((a, b) => b.length - a.length);
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}
