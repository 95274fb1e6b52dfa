/** @file Entry of the native engine's process. It loads what its first message needs, and nothing that faces people. */
import { serveParent } from './child.ts';
import { trainsSoon } from './protocol.ts';

serveParent({
  begin: async (job) => (await import('./native-train.ts')).beginNative(job),
  train: async (request, context) =>
    (await import('./native-train.ts')).trainNative(request, context),
  estimator: async () => (await import('./native-estimate.ts')).openEstimator(),
  session: async (request) => (await import('./native-session.ts')).openNative(request),
});

// Whoever asks for it meets a fault again.
if (process.argv[2] === trainsSoon) void import('./native-train.ts').catch(() => {});
