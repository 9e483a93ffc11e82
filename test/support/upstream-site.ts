/** The whole server beside the box of providers, and the ways that people take between the two. */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { type AppSettings, type RunningApp, startTestApp } from './app.ts';
import type { Browser, Page } from './browser.ts';
import { authorization, CB } from './oidc.ts';
import { submit } from './person.ts';
import { APPLE, applePrivateKey, CLIENT_ID, CLIENT_SECRET, type FakeUpstream, type Someone, startUpstream } from './upstream.ts';

export type Landing = { location?: URL | undefined; page?: Page | undefined };

export interface UpstreamSite {
  app: RunningApp;
  fake: FakeUpstream;
  /** Makes a connection of the root tenant, or of another; answers its id. */
  connect(kind: string, more?: Record<string, unknown>, tenantId?: string): Promise<string>;
  /** Goes to the application and by `connection` to the provider, signs in there and comes back. */
  signIn(browser: Browser, key: string, someone?: Partial<Someone>, extra?: Record<string, string>): Promise<Landing>;
  /** As far as the address at which the provider answers. */
  leave(browser: Browser, key: string, extra?: Record<string, string>): Promise<URL>;
  /** Brings the provider's answer home. */
  comeBack(browser: Browser, answer: { url: URL; form?: Record<string, string> }): Promise<Landing>;
  /** Whose code that is. */
  subjectOf(landing: Landing): Promise<{ sub: string; claims: Record<string, unknown> }>;
  /** The newest events of a type, newest first. */
  events(type: string): Promise<{ reason: string | null; data: Record<string, unknown>; target_id: string | null }[]>;
  addPerson(person: Record<string, unknown>): Promise<string>;
  client: { id: string; secret: string };
  close(): Promise<void>;
}

export const PASSWORD = 'violet cactus thunder marble';

export async function startUpstreamSite(settings: AppSettings = {}): Promise<UpstreamSite> {
  const fake = await startUpstream();
  const app = await startTestApp({
    ...settings,
    env: { ...settings.env, OUTBOUND_ALLOW_HOSTS: [fake.host, settings.env?.['OUTBOUND_ALLOW_HOSTS']].filter(Boolean).join(',') },
    options: { upstreamFetch: fake.fetch, ...settings.options },
  });
  const create = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    const made = await app.api('POST', path, body, headers);
    assert.equal(made.status, 201, `${path}: ${made.text}`);
    return made.body;
  };
  const registered = await create('/api/clients', { client_name: 'The app', redirect_uris: [CB], first_party: true });
  const client = { id: String(registered['client_id']), secret: String(registered['client_secret']) };
  const verifiers = new Map<string, string>();

  const leave: UpstreamSite['leave'] = async (browser, key, extra = {}) => {
    const state = `state-${verifiers.size}`;
    const { path, verifier } = authorization(client.id, { scope: 'openid email profile', connection: key, state, ...extra });
    verifiers.set(state, verifier);
    const { location, page } = await browser.go(path);
    assert.ok(location, `${page?.status} ${page?.text}`);
    return location;
  };
  const comeBack: UpstreamSite['comeBack'] = async (browser, { url, form }) => {
    if (!form) return browser.go(url.href);
    // Posted from another site: no cookie comes along.
    const cold = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        ...browser.headers,
        'content-type': 'application/x-www-form-urlencoded',
        origin: 'https://appleid.apple.com',
        'sec-fetch-site': 'cross-site',
      },
      body: new URLSearchParams(form).toString(),
    });
    assert.equal(cold.status, 303, await cold.text());
    return browser.go(new URL(cold.headers.get('location') ?? '', url).href);
  };

  return {
    app,
    fake,
    client,
    leave,
    comeBack,
    async connect(kind, more = {}, tenantId) {
      const body = {
        kind,
        name: kind,
        clientId: CLIENT_ID,
        ...(kind === 'apple' ? { options: { apple: { ...APPLE, privateKey: await applePrivateKey() } } } : { clientSecret: CLIENT_SECRET }),
        ...(kind === 'oidc' ? { issuer: fake.issuer } : {}),
        ...more,
      };
      return String((await create('/api/connections', body, tenantId === undefined ? {} : { 'x-tenant-id': tenantId }))['id']);
    },
    async signIn(browser, key, someone = {}, extra) {
      Object.assign(fake.someone, someone);
      return comeBack(browser, await fake.authorize(await leave(browser, key, extra)));
    },
    async subjectOf({ location, page }) {
      const code = location?.searchParams.get('code');
      assert.ok(code, location?.href ?? `${page?.status} ${page?.text}`);
      const verifier = verifiers.get(location?.searchParams.get('state') ?? '') ?? '';
      const answer = await app.token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, client);
      assert.equal(answer.status, 200, answer.text);
      const claims = decodeJwt(String(answer.body['id_token']));
      return { sub: String(claims.sub), claims };
    },
    async events(type) {
      const { rows } = await app.owner.query('select reason, data, target_id from audit_events where type = $1 order by at desc, id desc', [
        type,
      ]);
      return rows;
    },
    addPerson: async (person) => String((await create('/api/users', { password: PASSWORD, ...person }))['id']),
    async close() {
      await app.close();
      await fake.close();
    },
  };
}

/** Answers the sign-in page with a password. */
export const typePassword = (browser: Browser, page: Page | undefined, login: string, password = PASSWORD): Promise<Landing> => {
  assert.ok(page, 'a page to sign in at');
  return submit(browser, page, { login, password });
};
