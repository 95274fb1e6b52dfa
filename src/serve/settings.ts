/** @file Settings of the API server. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';

export const serveSection = section('serve', 'Serving', {
  api_host: field(z.string().min(1).default('127.0.0.1'), {
    help: 'Address that the API listens on.',
    why: 'Loopback, so that nobody else reaches the model unless you say so.',
  }),
  api_port: field(z.int().min(0).max(65535).default(8000), {
    help: 'Port that the API listens on; 0 takes a free one.',
  }),
  api_key: field(z.string().min(8).nullable().default(null), {
    help: 'Key that every request must bring (`Authorization: Bearer KEY`); unset is the environment’s `TUNERY_API_KEY`.',
    why: 'On loopback none is needed; any other `api_host` is refused without one.',
    level: 'advanced',
  }),
  api_model_name: field(z.string().min(1).nullable().default(null), {
    help: 'Name of the model in the API; unset is the last part of `model_name_or_path`.',
    level: 'advanced',
  }),
});
export type ServeSettings = SectionOf<typeof serveSection>;
