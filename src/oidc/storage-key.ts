import { sha256 } from '../core/ids.ts';

/**
 * Under which key something of oidc-provider's is stored: the issuer is part of it, so that nothing of one issuer exists at another, and
 * no id, which is mostly a credential, can be read out of a copy of the database. `model` is the library's model name, or `uid` for sessions by their uid.
 */
export const storageKey = (issuer: string, model: string, id: string): string => sha256(`${issuer}\n${model}\n${id}`);
