/** A person, an application of a third party and a resource server, set up through the API; and what they usually do. */
import assert from 'node:assert/strict';
import type { Reply, RunningApp } from './app.ts';
import type { Browser } from './browser.ts';
import { authorization, CB } from './oidc.ts';
import { type Credentials, visit } from './person.ts';

export interface Cast {
  person: Credentials & { id: string };
  client: { id: string; secret: string };
  server: { id: string; secret: string };
  /** The identifier of the resource whose server that is. */
  api: string;
  /** Signs in and agrees; answers the code and what redeems it. */
  authorize(browser: Browser, extra?: Record<string, string>): Promise<Record<string, string>>;
  /** The same, redeemed. */
  tokens(browser: Browser, extra?: Record<string, string>): Promise<Reply>;
  addPerson(email: string, password: string): Promise<Credentials & { id: string }>;
}

export async function setUpCast(app: RunningApp, { name = 'app', password = 'violet cactus thunder marble' } = {}): Promise<Cast> {
  const create = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const made = await app.api('POST', path, body);
    assert.equal(made.status, 201, `${path}: ${made.text}`);
    return made.body;
  };
  const addPerson: Cast['addPerson'] = async (login, secret) => {
    const { id } = await create('/api/users', {
      email: login,
      emailVerified: true,
      password: secret,
      givenName: 'Ada',
      familyName: 'Lovelace',
    });
    return { id: String(id), login, password: secret };
  };
  const person = await addPerson(`ada.${name}@example.test`, password);
  const client = await create('/api/clients', {
    client_name: 'The app',
    redirect_uris: [CB],
    grant_types: ['authorization_code', 'refresh_token'],
  });
  const server = await create('/api/clients', {
    client_name: 'The server',
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
  });
  const named = (made: Record<string, unknown>) => ({ id: String(made['client_id']), secret: String(made['client_secret']) });
  const { client_id: serverId } = server;
  const api = `https://${name}.test/`;
  await create('/api/resources', {
    identifier: api,
    name: 'The API',
    scopes: [{ name: 'things.read', description: 'Read things' }],
    clients: [serverId],
  });

  const authorize: Cast['authorize'] = async (browser, extra = {}) => {
    const { path, verifier } = authorization(String(client['client_id']), {
      scope: 'openid email offline_access',
      prompt: 'consent',
      ...extra,
    });
    const { location, page } = await visit(browser, path, { login: person.login, password: person.password });
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href ?? `${page?.status} ${page?.text}`);
    return { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB };
  };
  return {
    person,
    client: named(client),
    server: named(server),
    api,
    addPerson,
    authorize,
    async tokens(browser, extra) {
      const answer = await app.token(await authorize(browser, extra), named(client));
      assert.equal(answer.status, 200, answer.text);
      return answer;
    },
  };
}
