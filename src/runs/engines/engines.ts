/** @file The engines, from the parent's side: the native one in its own process, and the one that leads torch's. */
import type { EngineSettings } from '../../engine/settings.ts';
import type { InferSettings } from '../../generate/backends.ts';
import type { Engine } from './engine.ts';
import { processEngine } from './process-engine.ts';
import { entryOf } from './start-child.ts';

/** Tests put a small loop in the place of the real one. */
export const nativeEngine = (entry: string = entryOf('native-child')): Engine =>
  processEngine('native', entry);

const torchEngine = (): Engine => processEngine('torch', entryOf('torch-child'));

/** Who trains a job. */
export const engineOf = ({ engine }: Pick<EngineSettings, 'engine'>): Engine =>
  engine === 'torch' ? torchEngine() : nativeEngine();

/** Who opens its sessions. */
export const sessionEngineOf = ({ infer_backend: backend }: InferSettings): Engine =>
  backend === 'torch' || backend === 'vllm' ? torchEngine() : nativeEngine();
