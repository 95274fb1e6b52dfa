/** @file `tunery data list`: the names that `dataset` takes, where each comes from, and whether it lies here. */
import { loadConfig } from '../../config/load.ts';
import { formatPlace } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { type ListedDataset, listDatasets } from '../../data/list-datasets.ts';
import { defineCommand } from '../command.ts';
import { dataHub } from '../open-source.ts';

export const dataListCommand = defineCommand({
  name: 'data list',
  summary: 'List the data sets that a name can mean, where each lies, and whether it is here.',
  examples: ['tunery data list', 'tunery data list dataset_dir=my/data', 'tunery data list --json'],
  positionals: [{ name: 'FILE', help: 'a settings file', optional: true }],
  takesSettings: true,

  async run(_job, context) {
    const { positionals, settings, json, emit, print, note } = context;
    const [file] = positionals;
    const { data, model } = loadConfig({ file, overrides: settings, command: 'list' }).job;
    const sets = listDatasets(
      data.dataset_dir,
      ({ message, place, help }) =>
        note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`),
      dataHub(model, context),
    );
    if (json) {
      for (const set of sets) emit(set);
      return undefined;
    }
    const own = sets.filter(({ named_in }) => named_in !== null);
    if (own.length > 0) print(`${own[0]?.named_in}\n${table(own)}\n`);
    else print(`There is no dataset_info.json in ${data.dataset_dir}.\n`);
    print(`known by name\n${table(sets.filter(({ named_in }) => named_in === null))}\n`);
    print('`dataset` takes these names, paths of files, and ids of a hub (`org/name`).');
    return undefined;
  },
});

function table(sets: readonly ListedDataset[]): string {
  const width = Math.max(...sets.map(({ name }) => name.length));
  return sets
    .map(({ name, formatting, state, bytes, source, hub }) => {
      const size = bytes === null ? '' : formatBytes(bytes);
      const from = hub === null ? source : `${source} (${hub})`;
      return `  ${name.padEnd(width)}  ${formatting.padEnd(8)}  ${state.padEnd(11)}  ${size.padStart(7)}  ${from}`;
    })
    .join('\n');
}
