/** @file Names of modules, as the settings and PEFT's configuration speak of them. */

export const shortName = (module: string): string => module.slice(module.lastIndexOf('.') + 1);

/** Whether a target means a module: by its whole name, or by the end of it behind a dot. */
export const isNamed = (module: string, target: string): boolean =>
  module === target || module.endsWith(`.${target}`);
