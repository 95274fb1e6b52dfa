/** The documents by hand name what is there: links, examples, commands, events, exit codes. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { exitCodes } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands/index.ts';
import { RunEvent } from '../src/core/events.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = ['*.md', 'docs/**/*.md', 'tests/golden/*.md'].flatMap((pattern) =>
  globSync(pattern, { cwd: root }).map((path) => path.replaceAll('\\', '/')),
);

/** GitHub's name of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');

const anchors = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading));

test('there are documents', () => {
  expect(documents.length).toBeGreaterThan(12);
});

describe.each(documents)('%s', (path) => {
  const text = read(path);

  test('its links lead somewhere', () => {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [file = '', part] = target.split('#');
      const to = file === '' ? path : join(dirname(path), file);
      expect(existsSync(join(root, to)), `${path} → ${target}`).toBe(true);
      if (part !== undefined) expect(anchors(to), `${path} → ${target}`).toContain(part);
    }
  });

  test('its commands and files exist', () => {
    // `tunery help COMMAND` is `tunery COMMAND --help`, and no command of its own.
    const names = [...Object.keys(commands), 'help'];
    for (const [, first = '', second = ''] of text.matchAll(
      /(?:^|[$`(|] ?)(?:\.\/)?tunery ([a-z]+)(?: ([a-z]+))?(?=[\s`])/gm,
    )) {
      const known = names.includes(first) || names.includes(`${first} ${second}`);
      expect(known, `${path}: tunery ${first} ${second}`).toBe(true);
    }
    for (const [file] of text.matchAll(/\bexamples\/\w+\.yaml/g)) {
      expect(existsSync(join(root, file)), `${path}: ${file}`).toBe(true);
    }
  });

  test('it names no folder of one machine', () => {
    expect(text).not.toMatch(/(?:^|[\s`'"])\/(?:root|home|work|Users)\//m);
  });
});

test('every script of package.json has its file', () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read('package.json')));
  for (const [name, line] of Object.entries(scripts)) {
    for (const [file] of line.matchAll(/\b(?:scripts|bench)\/[\w-]+\.\w+/g)) {
      expect(existsSync(join(root, file)), `${name}: ${file}`).toBe(true);
    }
  }
});

test('every event and each of its fields stand in events.md', () => {
  const text = read('docs/reference/events.md');
  const shapes = RunEvent.options.map(({ shape }) => shape);
  expect(shapes.length).toBeGreaterThan(5);
  for (const { type, ...fields } of shapes) {
    const [name = ''] = z.literal(type.value).values;
    const row = text.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
    expect(row, name).not.toBe('');
    for (const field of Object.keys(fields)) {
      const common = ['schema', 'run_id', 'attempt', 'time'].includes(field);
      expect(common ? text : row, `${name}.${field}`).toContain(`\`${field}\``);
    }
  }
});

test('every exit code stands in exit-codes.md', () => {
  const text = read('docs/reference/exit-codes.md');
  for (const code of Object.values(exitCodes)) expect(text).toContain(`\n| ${code} |`);
});
