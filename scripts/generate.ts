/** @file `npm run generate`: writes what is made from the settings and the commands; with --check it fails when a file is stale. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hardwareDocs } from '../src/advise/hardware.ts';
import { commands } from '../src/cli/commands/index.ts';
import { commandDocs } from '../src/cli/to-docs.ts';
import { toDocs } from '../src/config/to-docs.ts';
import { toJsonSchema } from '../src/config/to-json-schema.ts';
import { checkDocs } from '../src/data/doctor/to-docs.ts';
import { compatDocs } from './compat-docs.ts';
import { faultDocs, templateDocs } from './template-docs.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const files: Readonly<Record<string, () => string | Promise<string>>> = {
  'tunery.schema.json': () => `${JSON.stringify(toJsonSchema(), null, 2)}\n`,
  'docs/compat.md': compatDocs,
  'docs/reference/settings.md': toDocs,
  'docs/reference/hardware.md': hardwareDocs,
  'docs/reference/commands.md': () => commandDocs(commands),
  'docs/reference/data-check.md': checkDocs,
  'docs/reference/llama-factory-faults.md': faultDocs,
  'docs/reference/templates.md': templateDocs,
};

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

const check = process.argv.includes('--check');
let stale = 0;
for (const [name, make] of Object.entries(files)) {
  const path = join(root, name);
  const text = await make();
  if (read(path) === text) continue;
  stale++;
  if (check) console.error(`${name} is stale: run \`npm run generate\``);
  else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${name}`);
  }
}
if (check && stale > 0) process.exit(1);
