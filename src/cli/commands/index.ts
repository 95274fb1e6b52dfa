/** @file The commands, by name. Each is imported when it is called. */
import type { CommandTable } from '../command.ts';

export const commands: CommandTable = {
  chat: async () => (await import('./chat.ts')).chatCommand,
  'config check': async () => (await import('./config.ts')).configCheckCommand,
  'config explain': async () => (await import('./config.ts')).configExplainCommand,
  'config schema': async () => (await import('./config.ts')).configSchemaCommand,
  'data tokens': async () => (await import('./data.ts')).dataTokensCommand,
  env: async () => (await import('./env.ts')).envCommand,
  'runs list': async () => (await import('./runs.ts')).runsListCommand,
  'runs save': async () => (await import('./runs.ts')).runsSaveCommand,
  'runs stop': async () => (await import('./runs.ts')).runsStopCommand,
  'runs watch': async () => (await import('./runs.ts')).runsWatchCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  version: async () => (await import('./version.ts')).versionCommand,
};
