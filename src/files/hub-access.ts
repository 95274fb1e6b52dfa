/** @file How a hub is reached: its address, the token, and whether it may be asked, from the environment and the settings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment } from '../native/environment.ts';
import { fromHome, huggingFaceHome } from './hub-cache.ts';

export type HubAccess = {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  /** The variable that forbids asking; undefined where it is allowed. */
  readonly offline: string | undefined;
};

const offlineSwitches = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HF_DATASETS_OFFLINE'] as const;

const isTrue = (value: string | undefined): boolean =>
  value !== undefined && ['1', 'true', 'yes', 'on'].includes(value.toLowerCase());

const cleaned = (token: string | null | undefined): string | undefined =>
  token?.replaceAll(/[\r\n]/g, '').trim() || undefined;

/** Hugging Face's hub: `hf_hub_token`, else what `huggingface_hub` reads, in its order. */
export function huggingFaceAccess(token?: string | null): HubAccess {
  return {
    endpoint: (environment('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, ''),
    token: cleaned(token) ?? huggingFaceToken(),
    offline: offlineSwitches.find((name) => isTrue(environment(name))),
  };
}

function huggingFaceToken(): string | undefined {
  if (isTrue(environment('HF_HUB_DISABLE_IMPLICIT_TOKEN'))) return undefined;
  const direct = environment('HF_TOKEN') ?? environment('HUGGING_FACE_HUB_TOKEN');
  if (direct !== undefined) return cleaned(direct);
  const path = environment('HF_TOKEN_PATH');
  try {
    return cleaned(
      readFileSync(path === undefined ? join(huggingFaceHome(), 'token') : fromHome(path), 'utf8'),
    );
  } catch {
    return undefined;
  }
}

/** ModelScope: `ms_hub_token`, else `MODELSCOPE_API_TOKEN`; `MODELSCOPE_DOMAIN` names another address. */
export function modelScopeAccess(token?: string | null): HubAccess {
  const domain = environment('MODELSCOPE_DOMAIN') ?? 'www.modelscope.cn';
  return {
    endpoint: (/^https?:/.test(domain) ? domain : `https://${domain}`).replace(/\/+$/, ''),
    token: cleaned(token) ?? cleaned(environment('MODELSCOPE_API_TOKEN')),
    offline: huggingFaceAccess().offline,
  };
}

/** Whether LLaMA-Factory's switch asks for ModelScope in place of Hugging Face's hub. */
export const prefersModelScope = (): boolean => isTrue(environment('USE_MODELSCOPE_HUB'));
