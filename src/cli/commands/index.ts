/** @file The commands, by name. Each is imported when it is called. */
import type { CommandTable } from '../command.ts';

export const commands: CommandTable = {
  api: async () => (await import('./api.ts')).apiCommand,
  'cache explain': async () => (await import('./cache.ts')).cacheExplainCommand,
  'cache list': async () => (await import('./cache.ts')).cacheListCommand,
  'cache prune': async () => (await import('./cache.ts')).cachePruneCommand,
  'cache verify': async () => (await import('./cache.ts')).cacheVerifyCommand,
  chat: async () => (await import('./chat.ts')).chatCommand,
  'config check': async () => (await import('./config.ts')).configCheckCommand,
  'config explain': async () => (await import('./config.ts')).configExplainCommand,
  'config schema': async () => (await import('./config.ts')).configSchemaCommand,
  'data check': async () => (await import('./data-check.ts')).dataCheckCommand,
  'data convert': async () => (await import('./data-convert.ts')).dataConvertCommand,
  'data list': async () => (await import('./data-list.ts')).dataListCommand,
  'data stats': async () => (await import('./data-stats.ts')).dataStatsCommand,
  'data tokens': async () => (await import('./data.ts')).dataTokensCommand,
  'debug batches': async () => (await import('./debug.ts')).debugBatchesCommand,
  'debug logits': async () => (await import('./debug.ts')).debugLogitsCommand,
  env: async () => (await import('./env.ts')).envCommand,
  export: async () => (await import('./export.ts')).exportCommand,
  'runs list': async () => (await import('./runs.ts')).runsListCommand,
  'runs save': async () => (await import('./runs.ts')).runsSaveCommand,
  'runs stop': async () => (await import('./runs.ts')).runsStopCommand,
  'runs watch': async () => (await import('./runs.ts')).runsWatchCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  version: async () => (await import('./version.ts')).versionCommand,
};
