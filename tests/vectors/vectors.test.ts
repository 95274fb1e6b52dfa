/** What LLaMA-Factory's templates, formats and label code give is what they give here. */
import { describe, expect, test } from 'vitest';
import { templates } from '../../src/data/templates/index.ts';
import type { JsonObject } from '../../src/files/json.ts';
import { checkVector } from './check-vector.ts';
import { listOf, objectOf, readVectors, textOf, type Vector } from './vector.ts';

const read = (name: string): readonly Vector[] =>
  readVectors(new URL(`../fixtures/${name}`, import.meta.url));
/** A tenth of the vectors that the project has been given. */
const drawn = read('llamafactory-templates.jsonl.gz');
/** Made by tests/golden/llamafactory_templates.py. */
const own = read('llamafactory-templates-own.jsonl.gz');
const all = [...drawn, ...own];

const groups = Map.groupBy(all, (vector) => textOf(vector.template) || vector.kind);

describe.each([...groups])('%s', (_, vectors) => {
  test.each(vectors.map((vector) => [vector.id, vector] as const))('%s', (_, vector) => {
    expect(checkVector(vector)).toBeUndefined();
  });
});

test('every template and every kind has a vector', () => {
  const named = new Set(all.map((vector) => textOf(vector.template)));
  expect(Object.keys(templates).filter((name) => !named.has(name))).toEqual([]);
  expect(new Set(all.map(({ kind }) => kind))).toEqual(
    new Set([
      ...['convert', 'encode', 'eval_prompt', 'export'],
      ...['infer_seqlen', 'knapsack', 'tool_utils', 'truncate_multiturn'],
    ]),
  );
});

describe('a vector that says something else fails', () => {
  const first = (kind: string, test: (vector: Vector) => boolean = () => true): Vector => {
    const found = all.find((vector) => vector.kind === kind && test(vector));
    if (!found) throw new Error(`no vector of kind ${kind}`);
    return found;
  };
  const whole = first('encode', ({ error }) => error === undefined);
  const changedRow = (vector: Vector, change: (row: JsonObject) => JsonObject): JsonObject => {
    const [row = {}, ...others] = listOf(vector.rows).map(objectOf);
    return { rows: [change(row), ...others] };
  };
  const cases: readonly (readonly [string, Vector, JsonObject])[] = [
    ['another piece', whole, { elements: [['x']] }],
    ['another pair', whole, { pairs: [{ source: 'x', target: 'y' }] }],
    ['another prompt', whole, { oneturn: { prompt: 'x', response: 'y' } }],
    ['another mask', whole, { sft: [{ text: 'x', train: true }] }],
    ['an error', whole, { error: { at: 'encode', message: 'no' } }],
    ['another flag', first('export'), { efficient_eos: 'maybe' }],
    ['another Jinja text', first('export'), { chat_template: '{{ 1 }}' }],
    ['another Modelfile', first('export'), { ollama_modelfile: 'FROM x' }],
    ['other lengths', first('infer_seqlen'), { rows: [[5, 5, 4, 4, 0]] }],
    [
      'other packs',
      first('knapsack'),
      { rows: [{ lengths: [1, 2], capacity: 3, bins: [[1, 2]] }] },
    ],
    [
      'another cut',
      first('truncate_multiturn'),
      changedRow(first('truncate_multiturn'), (row) => ({ ...row, total: 1 })),
    ],
    [
      'other calls',
      first('tool_utils'),
      { rows: [{ tool_format: 'qwen', text: 'plain', extracted: [['f', '{}']] }] },
    ],
    [
      'another row',
      first('convert'),
      changedRow(first('convert'), ({ info = {}, example = {} }) => ({
        info,
        example,
        output: {
          _prompt: [{ role: 'user', content: 'x' }],
          _response: [{ role: 'assistant', content: 'y' }],
        },
      })),
    ],
    [
      'another question',
      first('eval_prompt'),
      changedRow(first('eval_prompt'), (row) => ({ ...row, messages: [] })),
    ],
  ];
  test.each(cases)('%s', (_, vector, change) => {
    expect(checkVector(vector)).toBeUndefined();
    const changed = { ...vector, ...change, id: vector.id, kind: vector.kind };
    expect(checkVector(changed)).toBeTypeOf('string');
  });

  test('a difference is shown with what is around it, in one short line', () => {
    const long = 'a'.repeat(5000);
    const changed = { ...whole, pairs: [{ source: long, target: long }] };
    const message = checkVector(changed) ?? '';
    expect(message).toContain('pairs[0].source, from character 0');
    expect(message.length).toBeLessThan(400);
  });
});
