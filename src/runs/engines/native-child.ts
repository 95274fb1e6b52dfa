/** @file Entry of the native engine's process. It loads what its first message needs, and nothing that faces people. */
import module from 'node:module';
import { serveParent } from './child.ts';

// For the modules that are loaded from here on; the launcher's own cache ends with its process.
module.enableCompileCache();

serveParent({
  begin: async (job) => (await import('./native-train.ts')).beginNative(job),
  train: async (request, context) =>
    (await import('./native-train.ts')).trainNative(request, context),
  estimator: async () => (await import('./native-estimate.ts')).openEstimator(),
  session: async (request) => (await import('./native-session.ts')).openNative(request),
});
