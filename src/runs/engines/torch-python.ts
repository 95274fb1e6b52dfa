/** @file Which Python the torch engine runs. */
import { existsSync } from 'node:fs';
import type { EngineSettings } from '../../engine/settings.ts';
import { noSuchPython, noTorchEnvironment } from '../errors.ts';
import { installedPython } from './torch-environment.ts';

export function torchPython({ engine_python: given }: EngineSettings): string {
  const python = given ?? installedPython();
  if (python === undefined) throw noTorchEnvironment();
  if (!existsSync(python)) throw noSuchPython(python);
  return python;
}
