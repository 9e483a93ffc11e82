import { newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import type { Authenticated, Refusal as DirectRefusal } from '../oidc/direct-login.ts';
import type { Engine } from './engine.ts';

/**
 * Signs a person in for a client that asks for the credentials itself, by the same engine as the pages. What only a page can do (changing a
 * password, proving an address) is a refusal that says so, after the credentials were right.
 */
export async function authenticateDirect(
  engine: Engine,
  input: Readonly<Record<string, unknown>>,
  client: { clientId: string },
  scope: Scope,
): Promise<Authenticated | DirectRefusal> {
  const { username, ...others } = input;
  const fields = username === undefined ? others : { login: username, ...others };
  const first = engine.methods.filter((method) => method.first).map(({ id }) => id);
  const outcome = await engine.attempt(
    { ...scope, clientId: scope.clientId ?? client.clientId },
    { door: 'direct', journeyId: sha256(newSecret()), methodId: engine.methodFor(first, fields) ?? first[0] ?? '', input: fields },
  );
  if ('refused' in outcome) {
    const { refused, status, retryAfterSeconds } = outcome;
    return { refused, status, ...(retryAfterSeconds === undefined ? {} : { extra: { retryAfterSeconds } }) };
  }
  switch (outcome.step.name) {
    case 'done': {
      const { accountId, acr, amr, authTime } = outcome.step;
      return { accountId, acr, amr, authTime, epoch: outcome.epoch };
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
