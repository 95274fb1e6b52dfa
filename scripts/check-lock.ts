/** @file Holds package-lock.json: complete for every platform, without addresses of a registry, in step with package.json. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const Names = z.record(z.string(), z.string()).default({});

const Manifest = z.object({
  version: z.string().optional(),
  dependencies: Names,
  devDependencies: Names,
  optionalDependencies: Names,
});

const Lock = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    Manifest.extend({ resolved: z.string().optional(), integrity: z.string().optional() }),
  ),
});

/**
 * npm leaves out of the lock what it did not install, when it is made beside an old `node_modules`: `npm ci` then
 * fails on every other platform.
 */
export function lockFaults(lockText: string, manifestText: string): string[] {
  const { packages } = Lock.parse(JSON.parse(lockText));
  const manifest = Manifest.parse(JSON.parse(manifestText));
  const faults: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    const wanted = { ...entry.dependencies, ...entry.optionalDependencies };
    for (const name of Object.keys(
      path === '' ? { ...wanted, ...entry.devDependencies } : wanted,
    )) {
      if (!placesFrom(path, name).some((place) => Object.hasOwn(packages, place))) {
        faults.push(`${path || 'the root'} needs ${name}, which has no entry`);
      }
    }
    if (path === '') continue;
    if (entry.resolved !== undefined)
      faults.push(`${path} names where it came from (\`resolved\`)`);
    if (entry.integrity === undefined) faults.push(`${path} has no digest (\`integrity\`)`);
  }
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
    for (const [name, version] of Object.entries(manifest[kind])) {
      const locked = packages[`node_modules/${name}`]?.version;
      if (locked !== version)
        faults.push(`package.json pins ${name} ${version}, the lock has ${locked ?? 'none'}`);
    }
  }
  const address = /"(?:https?|git)[^"]*registry[^"]*"/.exec(lockText)?.[0];
  if (address !== undefined) faults.push(`it names a registry: ${address}`);
  return faults;
}

/** Where Node looks for a package that another one at `path` asks for. */
function placesFrom(path: string, name: string): string[] {
  const parts = path === '' ? [] : path.split('/node_modules/');
  return [...parts.keys(), parts.length].map((count) =>
    [...parts.slice(0, count), name]
      .join('/node_modules/')
      .replace(/^(?!node_modules\/)/, 'node_modules/'),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  const faults = lockFaults(read('package-lock.json'), read('package.json'));
  for (const fault of faults) console.error(`package-lock.json: ${fault}`);
  if (faults.length > 0) {
    console.error(
      'help: remove node_modules and package-lock.json, and run `npm install` on Node 24 (.npmrc leaves addresses out)',
    );
    process.exit(1);
  }
}
