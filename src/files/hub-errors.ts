/** @file Errors of hubs: what could not be fetched, why, and what to do. */
import { defineError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

/** How people know a repository: `model \`org/name\``. */
export type Named = { readonly kind: 'model' | 'dataset'; readonly id: string };

const words = ({ kind, id }: Named): string =>
  `${kind === 'model' ? 'model' : 'data set'} \`${id}\``;

export const hubOffline = defineError(
  'files/hub-offline',
  (what: Named, cache: string, switchedOffBy: string) => ({
    message: `the ${words(what)} is not in ${cache}, and \`${switchedOffBy}\` forbids fetching it`,
    help: `fetch it once with a network, or unset \`${switchedOffBy}\``,
  }),
);

export const hubUnreachable = defineError(
  'files/hub-unreachable',
  (host: string, why: string, after: number) => ({
    message: `${host} cannot be reached${after > 1 ? ` (tried ${after} times)` : ''}: ${why}`,
    help: 'check the network and `HTTPS_PROXY`; `HF_ENDPOINT` names another address of the hub, and what was fetched so far is kept',
  }),
);

export const hubBusy = defineError(
  'files/hub-busy',
  (host: string, status: number, after: number) => ({
    message:
      status === 429
        ? `${host} answers that too much was asked of it (429), ${after} times`
        : `${host} answers with an error of its own (${status}), ${after} times`,
    help: 'try again later: what was fetched so far is kept, and fetching goes on there',
  }),
);

export const hubNotFound = defineError(
  'files/hub-not-found',
  (what: Named, host: string, hasToken: boolean) => ({
    message: `${host} has no ${words(what)}${hasToken ? ' that this token may see' : ', or it is private'}`,
    help: hasToken
      ? 'check its name, and that the account of the token has access'
      : 'check its name; for a private one set `HF_TOKEN` (or `hf_hub_token`) to a token of an account with access',
  }),
);

export const revisionNotFound = defineError(
  'files/hub-revision',
  (what: Named, revision: string) => ({
    message: `the ${words(what)} has no revision \`${revision}\``,
    help: 'name a branch, a tag or a commit that it has in `model_revision`; `main` is the usual branch',
  }),
);

export const hubFileNotFound = defineError(
  'files/hub-file',
  (what: Named, file: string, hint: string) => ({
    message: `the ${words(what)} has no file \`${file}\`${hint}`,
    help: 'check the name of the file on the page of the repository',
  }),
);

export const hubGated = defineError(
  'files/hub-gated',
  (what: Named, page: string, hasToken: boolean) => ({
    message: `the ${words(what)} is given to those only who accepted its terms${hasToken ? ', which the account of this token did not, or its token may not read gated repositories' : ', and no token says who asks'}`,
    help: `accept the terms at ${page}, then set \`HF_TOKEN\` (or \`hf_hub_token\`) to a token of that account`,
  }),
);

export const hubRefused = defineError(
  'files/hub-refused',
  (what: Named, host: string, status: number, hasToken: boolean) => ({
    message: `${host} refuses the ${words(what)} (${status})${hasToken ? ' to this token' : ''}`,
    help: hasToken
      ? 'the token may be wrong, expired or lack the right to read: make a new one, or unset `HF_TOKEN` for what is public'
      : 'set `HF_TOKEN` (or `hf_hub_token`) to a token of an account with access',
  }),
);

export const hubAnswer = defineError('files/hub-answer', (url: string, what: string) => ({
  message: `${url} answers with ${what}`,
  help: 'check `HF_ENDPOINT`: something that is no hub may answer there, such as a sign-in page or a proxy',
}));

export const hubWrongSum = defineError(
  'files/hub-wrong-sum',
  (what: Named, file: string, kind: string, expected: string, found: string) => ({
    message: `\`${file}\` of the ${words(what)} came damaged: its ${kind} is ${found}, expected ${expected}`,
    help: 'it was removed; try again, and if it stays so, a proxy or mirror on the way changes files',
  }),
);

export const hubWrongSize = defineError(
  'files/hub-wrong-size',
  (what: Named, file: string, expected: number, found: number) => ({
    message: `\`${file}\` of the ${words(what)} came with ${found} bytes, expected ${expected}`,
    help: 'it was removed; try again, and if it stays so, a proxy or mirror on the way changes files',
  }),
);

export const hubDiskFull = defineError(
  'files/hub-disk-full',
  (what: Named, cache: string, needed: number | undefined, free: number | undefined) => ({
    message:
      `no space left in ${cache} for the ${words(what)}` +
      (needed === undefined ? '' : `: ${formatBytes(needed)} needed`) +
      (free === undefined ? '' : `, ${formatBytes(free)} free`),
    help: `free space, or keep the hub’s cache on another disk with \`HF_HUB_CACHE\` (or \`cache_dir\`)${what.kind === 'dataset' ? ', or fetch less of it (`subset`, `split`, `folder` of its entry)' : ''}; what was fetched so far is kept`,
  }),
);

export const noModelFiles = defineError(
  'files/hub-no-model',
  (what: Named, why: string, help: string) => ({
    message: `the ${words(what)} holds nothing to load: ${why}`,
    help,
  }),
);
