/** @file The proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), for requests of this process. */
import { environment } from './environment.ts';

let done = false;

/** Once for the process. The machine itself is always reached directly. */
export function useProxy(): void {
  if (done) return;
  done = true;
  const of = (name: string): string | undefined =>
    environment(name) ?? environment(name.toUpperCase());
  const [http, https] = [of('http_proxy'), of('https_proxy')];
  if (http === undefined && https === undefined) return;
  // An `import` of it would load its WebSocket, and with that the whole of fetch, in every process that only may fetch.
  const { setGlobalProxyFromEnv } = process.getBuiltinModule('node:http');
  const direct = [of('no_proxy'), 'localhost,127.0.0.1,::1'].filter((each) => each !== undefined);
  setGlobalProxyFromEnv({
    ...(http === undefined ? {} : { http_proxy: http }),
    ...(https === undefined ? {} : { https_proxy: https }),
    no_proxy: direct.join(','),
  });
}
