/** People with sessions at our API, and what asks of them. */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { Browser } from '#test/support/browser.ts';
import { type Authorized, authorize, basic, MACHINE, PUBLIC } from '#test/support/oidc.ts';
import { type ApiReply, startSessionApi } from '#test/support/session-api.ts';

export interface SignedIn extends Authorized {
  userId: string;
  access: string;
  refresh: string;
  sid: string;
}

/** Everything the specs of it begin with; `close` ends it. */
export async function startSessionScene() {
  const api = await startSessionApi();
  const { issuer } = api;
  await issuer.addClient('web', {}, { first_party: true });
  await issuer.addClient('other', {}, { first_party: true });
  await issuer.addClient('rs', MACHINE);
  await issuer.addClient('bound', { ...PUBLIC, dpop_bound_access_tokens: true }, { first_party: true });
  await issuer.addClient('manager', MACHINE, { permissions: ['sessions.read', 'sessions.write', 'tokens.validate'] });
  const managementToken = async (): Promise<string> =>
    String(
      (await api.issuer.token({ grant_type: 'client_credentials', resource: `${api.issuer.url}/api` }, basic('manager'))).body.access_token,
    );
  const manager = await managementToken();

  /** A person of their own, signed in at a browser, with tokens for `resource`. */
  async function signIn({
    resource = `${api.issuer.url}/api`,
    scope = 'openid account',
    clientId = 'web',
    browser = new Browser(api.issuer.url),
    userId = '',
  } = {}): Promise<SignedIn> {
    const { issuer } = api;
    const id = userId || (await issuer.addUser());
    issuer.state.accountId = id;
    const authorized = await authorize(issuer, clientId, { scope, ...(resource === '' ? {} : { resource }) }, browser);
    const { body, text } = await issuer.token({ ...authorized.form, ...(resource === '' ? {} : { resource }) }, basic(clientId));
    assert.ok(body.access_token, text);
    return {
      ...authorized,
      userId: id,
      access: body.access_token,
      refresh: String(body.refresh_token),
      sid: String(decodeJwt(String(body.id_token))['sid']),
    };
  }
  const validate = (token: string, headers: Record<string, string> = basic('web')): Promise<ApiReply> =>
    api.call('POST /api/sessions/validate', { body: { token }, headers });
  const isSignedIn = async ({ browser }: { browser: Browser }): Promise<boolean> => {
    const cookie = [...browser.jar].map(([key, { value }]) => `${key.split('|')[0]}=${value}`).join('; ');
    return (await api.sessionOf(cookie)) !== null;
  };

  const close = () => api.close();
  return { api, manager, signIn, validate, isSignedIn, close };
}
export type SessionScene = Awaited<ReturnType<typeof startSessionScene>>;
