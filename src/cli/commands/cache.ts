/** @file `tunery cache …`: what is kept on the disk so that it need not be made or fetched again. */
import { z } from 'zod';
import { field } from '../../core/field.ts';
import { formatBytes, formatCount, parseBytes } from '../../core/units.ts';
import {
  type CacheEntry,
  listCache,
  pruneCache,
  verifyDigests,
  verifySets,
} from '../../runs/cache.ts';
import { defineCommand, exitCodes } from '../command.ts';
import { badSize, manySets, noSet } from '../errors.ts';

const day = 24 * 3600 * 1000;

export const cacheListCommand = defineCommand({
  name: 'cache list',
  summary: 'List prepared sets, plans, models and hub files in the cache, with their sizes.',
  examples: ['tunery cache list', 'tunery cache list --json'],

  async run(_job, { json, print, emit }) {
    const entries = listCache();
    if (json) {
      for (const entry of entries) emit(plain(entry));
      return undefined;
    }
    for (const entry of entries) {
      const when = entry.used.toISOString().slice(0, 16).replace('T', ' ');
      const id = entry.kind === 'prepared' ? entry.id.slice(0, 12) : entry.id;
      print(
        `${entry.kind.padEnd(8)}  ${formatBytes(entry.bytes).padStart(8)}  ${when}  ${[id, describe(entry)].filter(Boolean).join('  ')}`,
      );
    }
    const sum = entries.reduce((all, { bytes }) => all + bytes, 0);
    print(`${entries.length} entries, ${formatBytes(sum)}`);
    return undefined;
  },
});

export const cacheExplainCommand = defineCommand({
  name: 'cache explain',
  summary:
    'Print what decided the content of a prepared set, and what was noticed while it was made.',
  examples: ['tunery cache explain 002f1132c866'],
  positionals: [
    { name: 'ID', help: 'the set, as `tunery cache list` names it; its first letters do' },
  ],

  async run(_job, { positionals: [id = ''], json, print, emit }) {
    const sets = listCache().filter((set) => set.kind === 'prepared' && set.id.startsWith(id));
    const [set] = sets;
    if (!set?.manifest) throw noSet(id);
    if (sets.length > 1) throw manySets(id, sets.length);
    const { manifest } = set;
    if (json) {
      emit({ ...plain(set), manifest });
      return undefined;
    }
    const lines = [
      `folder: ${set.path}`,
      `rows: ${manifest.rows}, tokens: ${manifest.tokens}, learned: ${manifest.targets}, cut off: ${manifest.truncated}, left out: ${manifest.left_out}`,
      ...manifest.files.map((file) => `file: ${file}`),
      ...Object.entries(manifest.parts)
        .filter(([, value]) => value !== '')
        .map(([name, value]) => `${name}: ${value}`),
      ...manifest.warnings.map(({ message }) => `warning: ${message}`),
    ];
    print(lines.join('\n'));
    return undefined;
  },
});

export const cacheVerifyCommand = defineCommand({
  name: 'cache verify',
  summary:
    'Read every prepared set, and every data file whose digest is remembered, and name what is damaged.',
  examples: ['tunery cache verify'],

  async run(_job, { json, print, emit, progress, signal }) {
    let sound = 0;
    let damaged = 0;
    const turn = async (path: string, fault: string | undefined): Promise<void> => {
      if (fault === undefined) sound++;
      else {
        damaged++;
        if (json) emit({ path, fault });
        else print(`${path}: ${fault}`);
      }
      progress(`${sound + damaged} read`);
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    };
    for (const { entry, fault } of verifySets()) await turn(entry.path, fault);
    for (const { path, fault } of verifyDigests()) await turn(path, fault);
    progress(null);
    if (json) emit({ sound, damaged });
    else print(`${sound} sound, ${damaged} damaged`);
    return damaged === 0 ? exitCodes.ok : exitCodes.failed;
  },
});

export const cachePruneCommand = defineCommand({
  name: 'cache prune',
  summary:
    'Remove prepared sets and plans that can be made again: the damaged ones, and those that the options name.',
  examples: ['tunery cache prune --older-than 30 --dry-run', 'tunery cache prune --keep-size 20GB'],
  options: {
    older_than: field(z.number().min(0).nullable().default(null), {
      help: 'Those that were not taken for so many days.',
      unit: 'days',
    }),
    keep_size: field(z.string().nullable().default(null), {
      help: 'The oldest ones, until the others take no more than this: `500MB`, `20GB`.',
    }),
    dry_run: field(z.boolean().default(false), {
      help: 'Say what would go, and remove nothing.',
    }),
  },

  async run(_job, { options, json, print, emit }) {
    const { older_than: days, keep_size: size, dry_run: dryRun } = options;
    const pruned = pruneCache({
      before: days === null ? undefined : new Date(Date.now() - days * day),
      keepBytes: size === null ? undefined : parseSize(size),
      dryRun,
    });
    for (const { entry, why } of pruned) {
      if (json) emit({ ...plain(entry), why });
      else
        print(
          `${entry.kind.padEnd(8)}  ${formatBytes(entry.bytes).padStart(8)}  ${entry.id}: ${why}`,
        );
    }
    const bytes = pruned.reduce((sum, { entry }) => sum + entry.bytes, 0);
    const verb = dryRun ? 'would be removed' : 'removed';
    if (json) emit({ removed: dryRun ? 0 : pruned.length, bytes });
    else print(`${pruned.length} ${verb}, ${formatBytes(bytes)}`);
    return undefined;
  },
});

const plain = ({ manifest, used, ...entry }: CacheEntry) => ({
  ...entry,
  used: used.toISOString(),
  ...(manifest && {
    stage: manifest.stage,
    split: manifest.split,
    rows: manifest.rows,
    tokens: manifest.tokens,
    files: manifest.files,
  }),
});

function describe({ kind, manifest }: CacheEntry): string {
  if (kind !== 'prepared') return '';
  if (!manifest) return 'cannot be read';
  const { stage, split, rows, tokens, template, files } = manifest;
  const [first = '', ...others] = files;
  const from = others.length === 0 ? first : `${first} and ${others.length} more`;
  const number = formatCount;
  return `${stage} ${split}${template === '' ? '' : `, ${template}`}: ${number(rows)} rows, ${number(tokens)} tokens, from ${from}`;
}

function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw badSize(text);
  return bytes;
}
