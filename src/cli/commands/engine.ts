/** @file `tunery engine …`: the Python environment of the torch engine. */

import { z } from 'zod';
import { field, textList } from '../../core/field.ts';
import { formatBytes, formatDuration } from '../../core/units.ts';
import { environmentFolder } from '../../engine/choose-engine.ts';
import {
  checkPython,
  environmentSize,
  extras,
  installEnvironment,
  installedEnvironment,
  installedPython,
  type Report,
  removeEnvironment,
} from '../../runs/engines/torch-environment.ts';
import { noTorchEnvironment } from '../../runs/errors.ts';
import { defineCommand } from '../command.ts';
import { unknownEngine, unknownExtra } from '../errors.ts';

export const engineInstallCommand = defineCommand({
  name: 'engine install',
  summary:
    'Make the Python environment of `engine: torch`, in a folder of its own, from locked versions with hashes.',
  examples: [
    'tunery engine install torch',
    'tunery engine install torch --with deepspeed,bitsandbytes',
    'tunery engine install torch --wheels /media/wheels',
  ],
  positionals: [{ name: 'ENGINE', help: '`torch`, which is the only one', optional: true }],
  options: {
    with: field(textList().default([]), {
      help: 'What else to install: `deepspeed`, `bitsandbytes`, `liger`.',
    }),
    wheels: field(z.string().nullable().default(null), {
      help: 'A folder of wheels to take everything from; nothing is fetched then.',
    }),
    python: field(z.string().nullable().default(null), {
      help: 'The Python, 3.11 to 3.13, to make it with; unset takes the newest that is found.',
    }),
  },

  async run(_job, { positionals: [name = 'torch'], options, print, ...context }) {
    const { emit, json, progress, signal } = context;
    if (name !== 'torch') throw unknownEngine(name);
    const wanted = options.with.map((name) => {
      const known = extras.find((extra) => extra === name);
      if (known === undefined) throw unknownExtra(name, extras);
      return known;
    });
    const { disk, fetched } = environmentSize;
    print(
      `It takes ${formatBytes(disk)} in ${environmentFolder()}; ${options.wheels === null ? `${formatBytes(fetched)} are fetched, ${formatDuration(fetched / 50e6)} at 50 MB/s` : 'nothing is fetched'}.`,
    );
    const began = performance.now();
    const python = await installEnvironment({
      extras: wanted,
      wheels: options.wheels,
      python: options.python,
      progress,
      signal,
    });
    progress(null);
    const seconds = (performance.now() - began) / 1000;
    if (json) emit({ python, seconds });
    print(`Done in ${seconds.toFixed(0)} s. \`engine: torch\` takes it by itself.`);
    return undefined;
  },
});

export const engineCheckCommand = defineCommand({
  name: 'engine check',
  summary:
    'Look whether a Python can run `engine: torch`: versions, devices, damaged files, three steps of a tiny model.',
  examples: ['tunery engine check', 'tunery engine check /path/to/venv/bin/python'],
  positionals: [
    { name: 'PYTHON', help: 'another one than `tunery engine install` made', optional: true },
  ],

  async run(_job, { positionals: [given], print, emit, json, progress, signal }) {
    const python = given ?? installedPython();
    if (python === undefined) throw noTorchEnvironment();
    progress('trying three steps');
    const report = await checkPython(python, signal);
    progress(null);
    if (json) emit(report);
    for (const line of linesOf(report)) print(line);
    const own = given === undefined ? installedEnvironment() : undefined;
    if (own && !own.current) {
      print('It was made from other versions than today’s: `tunery engine install` makes it anew.');
    }
    return undefined;
  },
});

function linesOf({ python, packages, devices, backends, losses }: Report): string[] {
  const have = Object.entries(packages).filter(([, version]) => version !== null);
  const lack = Object.entries(packages).filter(([, version]) => version === null);
  return [
    `python    ${python}`,
    `packages  ${have.map(([name, version]) => `${name} ${version}`).join(', ')}`,
    ...(lack.length > 0 ? [`without   ${lack.map(([name]) => name).join(', ')}`] : []),
    `devices   ${devices.join(', ')}`,
    `backends  ${backends.join(', ')}`,
    `3 steps   losses ${losses.map((loss) => loss.toFixed(4)).join(', ')}`,
  ];
}

export const engineRemoveCommand = defineCommand({
  name: 'engine remove',
  summary: 'Remove the environment that `tunery engine install` made, and all that it fetched.',
  examples: ['tunery engine remove'],

  async run(_job, { print, signal }) {
    const folder = environmentFolder();
    print((await removeEnvironment(signal)) ? `Removed ${folder}.` : 'There is none.');
    return undefined;
  },
});
