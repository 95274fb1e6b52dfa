/** @file The one place that reads the process's environment. */

/** The value of an environment variable; undefined where it is unset or empty. */
export function environment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}

/** Whether a variable is there, be it empty. */
export const isSet = (name: string): boolean => process.env[name] !== undefined;

/** The environment for a child process: our own, with some variables changed. */
export function childEnvironment(changes: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes };
}
