/** @file Errors of serving: what must be set first, and what is wrong with a request. */
import { defineError } from '../core/errors.ts';

export const keyRequired = defineError('serve/key-required', (host: string) => ({
  message: `\`api_host\` is ${host}, which other machines can reach, and there is no key`,
  help: 'set the environment’s `TUNERY_API_KEY` (or `api_key`), or leave `api_host` at 127.0.0.1',
}));

export const cannotListen = defineError(
  'serve/cannot-listen',
  (host: string, port: number, why: string) => ({
    message: `the server cannot listen on ${host}, port ${port}: ${why}`,
    help: 'choose another `api_port` (0 takes a free one), or end what listens there',
  }),
);

export const nameTwice = defineError('serve/name-twice', (name: string) => ({
  message: `\`lora_modules\` names an adapter \`${name}\`, which is what the model itself is called`,
  help: 'give that adapter another name, or the model one with `api_model_name`',
}));

export const badRequest = defineError('serve/bad-request', (key: string, message: string) => ({
  message,
  place: { file: 'request', key },
}));

export const unknownModel = defineError(
  'serve/unknown-model',
  (asked: string, names: readonly string[]) => ({
    message: `there is no model \`${asked}\`; this server has ${names.map((name) => `\`${name}\``).join(', ')}`,
    place: { file: 'request', key: 'model' },
  }),
);
