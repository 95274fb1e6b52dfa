import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { formatError, type TuneryError } from '../core/errors.ts';
import { checkInside } from './inside-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'tunery-inside-'));
afterAll(() => rmSync(root, { recursive: true }));

const data = join(root, 'data');
const secret = join(root, 'secret.json');
mkdirSync(join(data, 'parts'), { recursive: true });
writeFileSync(secret, '[]');
writeFileSync(join(data, 'own.json'), '[]');
symlinkSync('own.json', join(data, 'alias.json'));
symlinkSync(secret, join(data, 'link.json'));
symlinkSync(secret, join(data, 'parts', 'link.json'));
symlinkSync(join(root, 'gone'), join(data, 'parts', 'dangling.json'));
symlinkSync(data, join(root, 'by-link'));

const check = (name: string, folder = data): void =>
  checkInside(folder, join(folder, name), { file: 'dataset_info.json', line: 2, column: 3 });
const fault = (name: string): string => {
  try {
    check(name);
  } catch (error) {
    return formatError(error as TuneryError).replaceAll(root, '<root>');
  }
  return '';
};

test('what lies in the folder, by whatever way, is read', () => {
  check('own.json');
  check('alias.json');
  check('own.json', join(root, 'by-link'));
});

test('a link or a path out of it is refused, in a folder of files too', () => {
  expect(
    fault('link.json'),
  ).toBe(`error[data/outside-folder]: \`<root>/data/link.json\` leads out of \`<root>/data\`: it is <root>/secret.json
  --> dataset_info.json:2:3
  help: move the file there, or name its path yourself: \`dataset: <root>/secret.json\``);
  expect(fault('../secret.json')).toMatch(/leads out of/);
  expect(fault('parts')).toMatch(/parts\/link.json` leads out of/);
});

test('a snapshot of the hub’s cache links to the blobs beside it, and to nothing else', () => {
  const repository = join(root, 'datasets--a--b');
  const snapshot = join(repository, 'snapshots', 'abc');
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(repository, 'blobs'));
  writeFileSync(join(repository, 'blobs', '12'), '[]');
  symlinkSync('../../blobs/12', join(snapshot, 'rows.json'));
  symlinkSync(secret, join(snapshot, 'link.json'));
  check('rows.json', snapshot);
  expect(() => check('link.json', snapshot)).toThrow(/leads out of/);
});
