import { createHash } from 'node:crypto';

/**
 * Under which key something of oidc-provider's is stored: the issuer is part of it, so that nothing of one issuer exists at another, and
 * no id, which is mostly a credential, can be read out of a copy of the database. `model` is the library's model name, or `uid` for sessions by their uid.
 */
export const storageKey = (issuer: string, model: string, id: string): string =>
  createHash('sha256').update(`${issuer}\n${model}\n${id}`).digest('base64url');
