/** @file Entry of the native engine's process. It loads what its first message needs, and nothing that faces people. */
import { serveParent } from './child.ts';

serveParent({
  train: async (request, context) =>
    (await import('./native-train.ts')).trainNative(request, context),
  session: async (request) => (await import('./native-session.ts')).openNative(request),
});
