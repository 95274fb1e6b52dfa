/** @file Entry of the process that leads torch's. It loads what its first message needs, and nothing that faces people. */
import module from 'node:module';
import { serveParent } from './child.ts';

module.enableCompileCache();

serveParent({
  train: async (request, context) =>
    (await import('./torch-train.ts')).trainTorch(request, context),
  session: async (request) =>
    request.job.infer.infer_backend === 'vllm'
      ? (await import('./vllm-session.ts')).openVllm(request)
      : (await import('./torch-session.ts')).openTorch(request),
});
