/** Somebody outside the whole server, with a few applications and people of theirs. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { basicAuth, newAddress, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { visit } from '#test/support/person.ts';

export const CALLBACK = 'https://app.test/cb';
export const BYE = 'https://app.test/bye';
export const JWT_API = 'https://things.test/jwt';
const OPAQUE_API = 'https://things.test/opaque';

export type Pairs = Record<string, string | readonly string[]>;

const person = { login: 'ada@example.test', password: 'an unlikely passphrase 1' };
const second = { login: 'bob@example.test', password: 'an unlikely passphrase 2' };

export type Outside = Awaited<ReturnType<typeof startOutside>>;

export async function startOutside() {
  const app = await startTestApp();
  const web = await client({ post_logout_redirect_uris: [BYE] });
  const other = await client({ client_name: 'Other', post_logout_redirect_uris: ['https://other.test/bye'] });
  await client({ client_id: 'spa', token_endpoint_auth_method: 'none', allowed_origins: ['https://spa.test'] });
  const rs = await client({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [] });
  const pair = await generateKeyPair('RS256', { extractable: true });
  const key = pair.privateKey;
  const publicJwk = await exportJWK(pair.publicKey);
  await client({
    client_id: 'signed',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'RS256',
    jwks: { keys: [{ ...publicJwk, kid: 'c', alg: 'RS256', use: 'sig' }] },
  });
  for (const [identifier, accessTokenFormat] of [
    [JWT_API, 'jwt'],
    [OPAQUE_API, 'opaque'],
  ])
    await created('/api/resources', {
      identifier,
      name: 'Things',
      accessTokenFormat,
      scopes: [{ name: 'things.read' }, { name: 'things.write' }],
      clients: [rs.id],
    });
  for (const { login, password } of [person, second])
    await created('/api/users', { email: login, emailVerified: true, password, givenName: 'Ada' });

  async function created(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await app.api('POST', path, body);
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  }
  async function client(metadata: object): Promise<{ id: string; secret: string }> {
    const made = await created('/api/clients', {
      client_name: 'App',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      ...metadata,
    });
    return { id: String(made['client_id']), secret: String(made['client_secret']) };
  }

  function request(clientId: string, extra: Pairs = {}): { url: string; verifier: string } {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams();
    const all: Pairs = {
      client_id: clientId,
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...extra,
    };
    for (const [name, value] of Object.entries(all)) for (const one of [value].flat()) query.append(name, one as string);
    return { url: `/auth?${query}`, verifier };
  }
  async function authorize(clientId: string, extra: Pairs = {}, browser: Browser = app.browser(), as = person) {
    const { url, verifier } = request(clientId, extra);
    const { location, page } = await visit(browser, url, as);
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href ?? page?.text);
    return { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
  }
  async function signIn(extra: Pairs = {}, browser: Browser = app.browser(), as = person): Promise<Record<string, string>> {
    const answer = await app.token(await authorize(web.id, extra, browser, as), web);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Record<string, string>;
  }
  const send = async (method: string, path: string, { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {}) => {
    const response = await fetch(app.issuer + path, {
      method,
      redirect: 'manual',
      headers: { 'x-forwarded-for': newAddress(), ...headers },
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const form = (path: string, pairs: Record<string, string>, headers: Record<string, string> = {}) =>
    send('POST', path, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(pairs).toString(),
    });
  const introspect = async (token: string): Promise<unknown> => {
    const { status, text } = await form('/token/introspection', { token }, basicAuth(rs));
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { active?: unknown }).active;
  };

  return { app, web, other, rs, key, publicJwk, person, second, created, request, authorize, signIn, send, form, introspect };
}
