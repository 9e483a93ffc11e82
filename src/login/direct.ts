import { newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import type { Engine } from './engine.ts';

/** A sign-in that is over. */
export interface Authenticated {
  accountId: string;
  acr: string;
  amr: readonly string[];
  /** Seconds since the epoch. */
  authTime: number;
}

/** A code of ours, the status it is answered with, and further members of the problem document. */
export interface DirectRefusal {
  refused: string;
  status: number;
  extra?: Readonly<Record<string, unknown>>;
}

export interface DirectInput {
  methodId?: string;
  [field: string]: unknown;
}

/**
 * Signs a person in for a client that asks for the credentials itself, by the same engine as the pages. What only a page can do (changing a
 * password, proving an address) is a refusal that says so, after the credentials were right.
 */
export async function authenticateDirect(
  engine: Engine,
  input: DirectInput,
  client: { clientId: string },
  scope: Scope,
): Promise<Authenticated | DirectRefusal> {
  const { methodId = 'password', username, ...fields } = input;
  const outcome = await engine.attempt(
    { ...scope, clientId: scope.clientId ?? client.clientId },
    {
      door: 'direct',
      journeyId: sha256(newSecret()),
      methodId,
      input: { ...(username === undefined ? {} : { login: username }), ...fields },
    },
  );
  if ('refused' in outcome) {
    const { refused, status, retryAfterSeconds } = outcome;
    return { refused, status, ...(retryAfterSeconds === undefined ? {} : { extra: { retryAfterSeconds } }) };
  }
  switch (outcome.step.name) {
    case 'done': {
      const { accountId, acr, amr, authTime } = outcome.step;
      return { accountId, acr, amr, authTime };
    }
    case 'change_password':
      return { refused: 'auth.password_change_required', status: 403 };
    case 'verify_email':
    case 'enter_code':
      return { refused: 'auth.email_unverified', status: 403 };
    default:
      return { refused: 'auth.stronger_authentication_required', status: 403 };
  }
}
