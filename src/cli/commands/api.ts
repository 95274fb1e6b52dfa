/** @file `tunery api`: serves a model to programs that speak OpenAI's API. */
import { basename } from 'node:path';
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import { inferSection } from '../../generate/backends.ts';
import { generateSection } from '../../generate/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { environment } from '../../native/environment.ts';
import { checkAccess } from '../../serve/access.ts';
import { nameTwice } from '../../serve/errors.ts';
import { type Answered, type Server, startServer } from '../../serve/server.ts';
import { serveSection } from '../../serve/settings.ts';
import { type Context, defineCommand, exitCodes } from '../command.ts';
import { openTalkHere } from '../open-talk.ts';

export const apiCommand = defineCommand({
  name: 'api',
  summary:
    'Serve a model as OpenAI’s API does: /v1/chat/completions, /v1/completions, /v1/models. With the file of a training, what was trained.',
  examples: [
    'tunery api examples/smollm2_lora_chat.yaml',
    'tunery api examples/smollm2_lora_sft.yaml api_port=0 --json',
    'tunery api examples/smollm2_lora_chat.yaml api_host=0.0.0.0   # with TUNERY_API_KEY set',
  ],
  sections: [modelSection, generateSection, inferSection, serveSection, dataSection, engineSection],

  async run(job, context) {
    const { print, emit, json, signal } = context;
    const { api_host, api_port, api_key, api_model_name } = job.serve;
    const key = api_key ?? environment('TUNERY_API_KEY');
    // Before a large model is loaded for nothing.
    checkAccess(api_host, key);
    const name = api_model_name ?? servedName(job.model.model_name_or_path);
    const modules = Object.keys(job.infer.lora_modules);
    if (modules.includes(name)) throw nameTwice(name);
    const talk = await openTalkHere(job, context, { templateOptional: true });
    if (signal.aborted) {
      await talk.session.close();
      return undefined;
    }
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    try {
      const { template, tokenizer } = talk;
      const eos = tokenizer.eos === undefined ? [] : [tokenizer.eos.id];
      const server = await startServer(
        { ...talk, settings: job.generate, stopIds: template?.stopIds ?? eos },
        {
          host: api_host,
          port: api_port,
          ...{ name, modules },
          key,
          answered: (line) => (json ? emit({ type: 'request', ...line }) : print(asLine(line))),
          failed: failed.reject,
        },
      );
      const { model, adapters, dtype } = talk.session.about;
      if (json) emit({ type: 'listening', url: server.url, model, adapters, dtype });
      else {
        if (modules.length > 0) print(`models  ${[name, ...modules].join(', ')}`);
        print(`api     ${server.url}/v1${key === undefined ? '' : ' (with the key)'}`);
        print('Ctrl+C ends it.');
      }
      try {
        await Promise.race([untilAsked(server, context), failed.promise]);
      } finally {
        await server.close({ now: true });
      }
      return exitCodes.stopped;
    } finally {
      await talk.session.close();
    }
  },
});

/** The first Ctrl+C lets replies that are under way finish, the second ends them. */
async function untilAsked(server: Server, { onInterrupt, note }: Context): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const stop = (): void => {
    if (asked) {
      resolve();
      return;
    }
    asked = true;
    const pending = server.pending();
    if (pending > 0) {
      note(`finishing ${pending} ${pending === 1 ? 'reply' : 'replies'}; again: stop now`);
    }
    server.close().then(resolve, resolve);
  };
  const release = onInterrupt(stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', stop);
  try {
    await promise;
  } finally {
    release();
    process.off('SIGTERM', stop);
    process.off('SIGHUP', stop);
  }
}

const servedName = (model: string): string =>
  basename(model.replace(/\?.*$/, '').replace(/[\\/]+$/, ''));

const asLine = ({ path, status, prompt_tokens, new_tokens, seconds, cancelled }: Answered) =>
  `${path} ${cancelled ? 'cancelled' : status} · ${prompt_tokens} + ${new_tokens} tokens · ${seconds.toFixed(1)} s`;
