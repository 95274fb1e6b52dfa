/** @file Entry of the process that leads torch's. It loads what its first message needs, and nothing that faces people. */
import { serveParent } from './child.ts';

serveParent({
  train: async (request, context) =>
    (await import('./torch-train.ts')).trainTorch(request, context),
  session: async (request) =>
    request.job.infer.infer_backend === 'vllm'
      ? (await import('./vllm-session.ts')).openVllm(request)
      : (await import('./torch-session.ts')).openTorch(request),
});
