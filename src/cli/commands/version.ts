/** @file `tunery version`. */
import { defineCommand } from '../command.ts';
import { packageVersion } from '../version.ts';

export const versionCommand = defineCommand({
  name: 'version',
  summary: 'Print the version.',
  examples: ['tunery version'],

  async run(_job, { json, print, emit }) {
    if (json) emit({ version: packageVersion() });
    else print(`tunery ${packageVersion()}`);
    return undefined;
  },
});
