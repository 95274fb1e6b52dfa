import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { TuneryError } from '../core/errors.ts';
import { matchGlob } from './globs.ts';
import { chooseFiles } from './hub-files.ts';

type Case = {
  readonly files: readonly string[];
  readonly patterns: unknown;
  readonly folder: string | null;
  readonly splits: Readonly<Record<string, readonly string[]>> | 'error';
};
const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL('../../tests/golden/dataset-files.json', import.meta.url), 'utf8'),
);
const readmeOf = (...configs: readonly object[]): string =>
  `---\nlicense: mit\n${stringify({ configs })}---\n# Rows\n`;

const failure = (choose: () => unknown): TuneryError => {
  try {
    choose();
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('no error');
};

test('the files of each split are those that `datasets` takes', () => {
  expect(cases.length).toBeGreaterThan(400);
  for (const { files, patterns, folder, splits } of cases) {
    const readme =
      patterns === null ? undefined : readmeOf({ config_name: 'a', data_files: patterns });
    const choose = (split: string): string[] =>
      chooseFiles('org/x', files, readme, {
        split,
        subset: undefined,
        folder: folder ?? undefined,
      });
    if (splits === 'error') {
      expect(() => ['train', 'validation', 'test'].map(choose), JSON.stringify(files)).toThrow(
        TuneryError,
      );
      continue;
    }
    for (const [split, expected] of Object.entries(splits)) {
      // A file that two patterns match is read twice there, and once here.
      expect(choose(split), JSON.stringify({ files, split })).toEqual([...new Set(expected)]);
    }
    const others = ['train', 'validation', 'test'].filter((split) => splits[split] === undefined);
    for (const split of others) expect(failure(() => choose(split)).code).toBe('data/hub-split');
  }
});

test('a pattern of a stranger is no trap', () => {
  const path = `${'a/'.repeat(200)}b.csv`;
  expect(matchGlob(`${'**/'.repeat(100)}c`, [path])).toEqual([]);
  expect(matchGlob(`${'**/a*/'.repeat(40)}b.csv`, [path])).toEqual([path]);
  const name = `${'a'.repeat(5000)}.csv`;
  expect(matchGlob(`${'*a'.repeat(50)}*b`, [name])).toEqual([]);
  const odd = ['[', '[]', '[z-a].csv', '[!].csv', '(a|b)', 'a{1}.csv', '\\d.csv'];
  for (const glob of odd) expect(matchGlob(glob, ['1.csv', 'a.csv', '[.csv'])).toEqual([]);
  expect(matchGlob('[!a].csv', ['1.csv', 'a.csv'])).toEqual(['1.csv']);
});

const files = ['README.md', 'en/train.jsonl', 'zh/train.jsonl', 'zh/test.jsonl'];
const readme = readmeOf(
  { config_name: 'en', data_dir: 'en' },
  {
    config_name: 'zh',
    data_files: [
      { split: 'train', path: 'zh/train*' },
      { split: 'test', path: 'zh/test*' },
    ],
  },
);
const choose = (wanted: { subset?: string; split?: string; folder?: string }, text = readme) =>
  chooseFiles('org/x', files, text, {
    subset: undefined,
    split: 'train',
    folder: undefined,
    ...wanted,
  });

test('a subset is one of the README’s configs', () => {
  expect(choose({ subset: 'en' })).toEqual(['en/train.jsonl']);
  expect(choose({ subset: 'zh', split: 'test' })).toEqual(['zh/test.jsonl']);
  expect(choose({ subset: 'zh', split: 'train+test' })).toEqual([
    'zh/train.jsonl',
    'zh/test.jsonl',
  ]);
  expect(choose({ folder: 'zh' })).toEqual(['zh/train.jsonl']);
  const one = readmeOf(
    { config_name: 'en', data_dir: 'en' },
    { config_name: 'zh', data_dir: 'zh', default: true },
  );
  expect(choose({}, one)).toEqual(['zh/train.jsonl']);
});

test('what is not there is named, with what is', () => {
  const none = failure(() => choose({}));
  expect(none.message).toBe('data set `org/x` has several subsets, and none is named');
  expect(none.help).toContain('`en`, `zh`');
  expect(failure(() => choose({ subset: 'zhh' })).message).toContain(
    'no subset `zhh` (did you mean `zh`?)',
  );
  expect(failure(() => choose({ subset: 'zh' }, '# none')).help).toContain('it has none at all');
  const split = failure(() => choose({ subset: 'zh', split: 'tst' }));
  expect(split.message).toContain('no split `tst` (did you mean `test`?)');
  expect(split.help).toContain('`train`, `test`');
  expect(failure(() => choose({ subset: 'zh', split: 'train[:10%]' })).message).toContain(
    'a part of a split',
  );
  const script = failure(() =>
    chooseFiles('org/x', ['x.py', 'data.zip'], '', {
      subset: undefined,
      split: 'train',
      folder: undefined,
    }),
  );
  expect(script).toMatchObject({ code: 'data/hub-no-files' });
  expect(script.message).toContain('`x.py`, `data.zip`');
  const packed = failure(() =>
    chooseFiles('org/x', ['train/0.jsonl.zst', 'README.md'], '', {
      subset: undefined,
      split: 'train',
      folder: undefined,
    }),
  );
  expect(packed).toMatchObject({ code: 'data/hub-no-files' });
  expect(packed.message).toContain('`train/0.jsonl.zst`');
});

test('a README that is no YAML, or none of ours, is no reason to fail', () => {
  for (const text of [
    '---\n: : :\n---',
    '---\nconfigs: 5\n---',
    '# no front matter',
    '---\nconfigs:\n- x: 1\n---\n',
  ]) {
    expect(choose({ folder: 'en' }, text)).toEqual(['en/train.jsonl']);
    expect(choose({ split: 'test' }, text)).toEqual(['zh/test.jsonl']);
  }
});
