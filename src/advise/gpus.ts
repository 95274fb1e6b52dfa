/** @file GPUs as people write them: `8xH100-80GB`, `2xRTX4090`, `24GB`. */

export type Gpus = { readonly count: number; readonly name: string; readonly memory: number };

/** As their makers write their memory; of those with several sizes the largest. */
const known: Readonly<Record<string, number | undefined>> = {
  ...{ B200: 180, H200: 141, H100: 80, A100: 80, MI300X: 192, L40S: 48, A6000: 48, A40: 48 },
  ...{ V100: 32, RTX5090: 32, RTX4090: 24, RTX3090: 24, A10: 24, L4: 24, T4: 16, RTX4080: 16 },
};

/** Names that need no size. */
export const knownGpus = Object.keys(known);

const form = /^(?:(\d+) ?[x×*] ?)?([a-z][a-z0-9 _]*?)?[- ]?(?:(\d+(?:\.\d+)?) ?gi?b?)?$/i;

/** Undefined where neither the text nor the name says how large one is. */
export function parseGpus(text: string): Gpus | undefined {
  const [whole, count = '1', written = '', size] = form.exec(text.trim()) ?? [];
  const name = written.toUpperCase().replaceAll(/[ _]/g, '');
  const gigabytes = size === undefined ? known[name] : Number(size);
  if (whole === undefined || Number(count) < 1 || !gigabytes) return undefined;
  return { count: Number(count), name: name === '' ? 'GPU' : name, memory: gigabytes * 1e9 };
}
