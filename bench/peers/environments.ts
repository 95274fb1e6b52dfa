/** @file Python environments of the peers, each in a folder of its own, from PyPI by pinned requirements. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export type EnvironmentName = 'llamafactory' | 'transformers' | 'llama-cpp';

/** Requirements of each, and what must be importable for it to count as set up. */
const environments: Readonly<Record<EnvironmentName, { file: string; distribution: string }>> = {
  llamafactory: { file: 'llamafactory.txt', distribution: 'llamafactory' },
  transformers: { file: 'transformers.txt', distribution: 'peft' },
  'llama-cpp': { file: 'llama-cpp.txt', distribution: 'llama_cpp_python' },
};
export const environmentNames = Object.keys(environments) as EnvironmentName[];
export const isEnvironment = (name: string): name is EnvironmentName =>
  Object.hasOwn(environments, name);

const pythonOf = (folder: string): string => join(folder, 'bin', 'python');

/**
 * Its Python; made first where it is not there. LLaMA-Factory needs Python 3.11 or newer; llama.cpp is compiled for the
 * machine, with the compiler and CMake that are there. Nothing outside `folder` is changed.
 */
export function setUp(name: EnvironmentName, folder: string): string {
  const place = resolve(folder, name);
  const python = pythonOf(place);
  const { file, distribution } = environments[name];
  if (existsSync(python) && hasDistribution(python, distribution)) return python;
  const requirements = fileURLToPath(new URL(file, import.meta.url));
  console.log(`setting up ${name} in ${place}`);
  // Of llama.cpp the text models alone: what looks at images takes as long again to compile.
  const env = { CMAKE_ARGS: '-DLLAVA_BUILD=OFF' };
  const uv = spawnSync('uv', ['--version']).status === 0;
  if (uv) {
    must('uv', ['venv', '--allow-existing', '--python', '>=3.11', place]);
    must('uv', ['pip', 'install', '--python', python, '-r', requirements], env);
  } else {
    must('python3', ['-m', 'venv', place]);
    must(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements], env);
  }
  return python;
}

function hasDistribution(python: string, name: string): boolean {
  const code = `import importlib.metadata as m; m.version("${name}")`;
  return spawnSync(python, ['-c', code]).status === 0;
}

function must(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): void {
  const { status } = spawnSync(program, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`);
}
