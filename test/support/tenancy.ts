/** Two tenants, an application of the installation and one of the first tenant, and people who belong here and there; over the whole server. */
import assert from 'node:assert/strict';
import { newAddress, type Reply, type RunningApp } from './app.ts';
import type { Browser, Page } from './browser.ts';
import { authorization, CB } from './oidc.ts';
import { type Credentials, submit, visit } from './person.ts';
import { giveRole } from './roles.ts';

export type Person = Credentials & { id: string };
export interface App {
  id: string;
  secret: string;
}
export interface Landed {
  location?: URL;
  page?: Page;
}

export interface Tenancy {
  one: { id: string; slug: string };
  two: { id: string; slug: string };
  /** Of the installation: serves everybody. */
  app: App;
  /** Of the first tenant. */
  appOfOne: App;
  api: string;
  addTenant(slug: string, settings?: object): Promise<{ id: string; slug: string }>;
  addClient(tenantId: string, metadata?: object): Promise<App>;
  /** At home in the root tenant, with these roles; a member of each tenant that is named, with the role or without one. */
  addPerson(roles: Readonly<Record<string, string>>): Promise<Person>;
  leave(person: Person, tenantId: string): Promise<void>;
  /** Signs in and comes as far as it gets without a choice. */
  begin(browser: Browser, client: App, person?: Person, extra?: Record<string, string>): Promise<Landed & { verifier: string }>;
  /** Tokens, in the tenant that is chosen on the page where it is asked for. */
  tokens(browser: Browser, client: App, person?: Person, extra?: Record<string, string>, choice?: string): Promise<Reply>;
  redeem(client: App, location: URL | undefined, verifier: string): Promise<Reply>;
  refresh(client: App, token: unknown, extra?: Record<string, string>): Promise<Reply>;
}

export const PASSWORD = 'violet cactus thunder marble';
export const isChooser = (page: Page | undefined): page is Page => page?.text.includes('name="tenant"') === true;

export async function setUpTenancy(server: RunningApp, prefix = 'acme'): Promise<Tenancy> {
  const create = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    const made = await server.api('POST', path, body, headers);
    assert.equal(made.status, 201, `${path}: ${made.text}`);
    return made.body;
  };
  const api = `${server.issuer}/api`;
  let people = 0;

  const tenancy: Omit<Tenancy, 'one' | 'two' | 'app' | 'appOfOne'> = {
    api,
    async addTenant(slug, settings = {}) {
      const { id } = await create('/api/tenants', { name: slug.toUpperCase(), slug, settings });
      return { id: String(id), slug };
    },
    async addClient(tenantId, metadata = {}) {
      const made = await create(
        '/api/clients',
        {
          client_name: 'The app',
          redirect_uris: [CB],
          grant_types: ['authorization_code', 'refresh_token'],
          first_party: true,
          ...metadata,
        },
        { 'x-tenant-id': tenantId },
      );
      return { id: String(made['client_id']), secret: String(made['client_secret']) };
    },
    async addPerson(roles) {
      people += 1;
      const login = `person${people}.${prefix}@example.test`;
      const { id } = await create('/api/users', { email: login, emailVerified: true, password: PASSWORD, givenName: 'Ada' });
      for (const [tenantId, role] of Object.entries(roles)) await giveRole(server.owner, tenantId, String(id), role);
      return { id: String(id), login, password: PASSWORD };
    },
    async leave(person, tenantId) {
      await server.owner.query('delete from memberships where user_id = $1 and tenant_id = $2', [person.id, tenantId]);
    },
    async begin(browser, client, person, extra = {}) {
      const { path, verifier } = authorization(client.id, { scope: 'openid offline_access account users.read', resource: api, ...extra });
      const landed = await visit(browser, path, person && { login: person.login, password: person.password });
      return { ...landed, verifier };
    },
    redeem(client, location, verifier) {
      const code = location?.searchParams.get('code');
      assert.ok(code, location?.href);
      return server.token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, client);
    },
    async tokens(browser, client, person, extra = {}, choice) {
      const { verifier, ...begun } = await tenancy.begin(browser, client, person, extra);
      const landed = isChooser(begun.page) && choice ? await submit(browser, begun.page, { tenant: choice }) : begun;
      assert.ok(landed.location, landed.page?.text);
      const answer = await tenancy.redeem(client, landed.location, verifier);
      assert.equal(answer.status, 200, answer.text);
      return answer;
    },
    refresh: (client, token, extra = {}) =>
      server.token({ grant_type: 'refresh_token', refresh_token: String(token), ...extra }, client, { 'x-forwarded-for': newAddress() }),
  };
  const one = await tenancy.addTenant(prefix);
  const two = await tenancy.addTenant(`${prefix}-two`);
  return {
    ...tenancy,
    one,
    two,
    app: await tenancy.addClient(server.rootTenantId),
    appOfOne: await tenancy.addClient(one.id),
  };
}
