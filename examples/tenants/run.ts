/**
 * Two tenants, one person: invitations through the mailbox, roles, tokens of one tenant and of the other without signing in again, and a tenant
 * that is suspended. Every step is an ordinary request; nothing here looks into the server.
 */
import * as oidc from 'openid-client';
import { formsOf, type Shown, Visitor, wordsOf } from './visitor.ts';

export interface Setting {
  issuer: string;
  /** A client that may manage everything: see BOOTSTRAP_CLIENT_ID. */
  client: { id: string; secret: string };
  say(line: string): void;
}

type Json = Record<string, unknown>;

const REDIRECT = 'http://localhost:4999/callback';
const PASSWORD = 'violet cactus thunder marble';

/** Runs the whole story. Throws at the first thing that is not as it should be. */
export async function tryTenants({ issuer, client, say }: Setting): Promise<void> {
  const http = issuer.startsWith('http:') ? [oidc.allowInsecureRequests] : [];
  const manager = await oidc.discovery(new URL(issuer), client.id, client.secret, undefined, { execute: http });
  const { access_token: managerToken } = await oidc.clientCredentialsGrant(manager, { resource: `${issuer}/api` });
  const api = (
    method: string,
    path: string,
    body?: Json,
    more: { tenant?: string; token?: string } = {},
  ): Promise<{ status: number; body: Json }> =>
    call(issuer, method, path, body, { token: more.token ?? managerToken, tenant: more.tenant });
  const create = async (path: string, body: Json, tenant?: string): Promise<Json> => {
    const made = await api('POST', path, body, tenant === undefined ? {} : { tenant });
    expect(made.status === 201, `POST ${path} answered ${made.status}: ${JSON.stringify(made.body)}`);
    return made.body;
  };

  const stamp = Date.now().toString(36);
  const email = `ada.${stamp}@example.test`;
  const acme = String((await create('/api/tenants', { name: `Acme ${stamp}`, slug: `acme-${stamp}`, type: 'enterprise' }))['id']);
  const birch = String((await create('/api/tenants', { name: `Birch ${stamp}`, slug: `birch-${stamp}`, type: 'team' }))['id']);
  say('two tenants are there: Acme and Birch');

  await create('/api/roles', { roleName: 'people-reader', permissions: ['users.read'] }, acme);
  await create('/api/roles', { roleName: 'guest', permissions: [] }, birch);
  say('Acme has a role that may read people, Birch one that may do nothing');

  const visitor = new Visitor(issuer);
  await create(`/api/tenants/${acme}/invitations`, { email, roles: ['people-reader'] }, acme);
  await acceptAsNewcomer(visitor, issuer, email);
  say(`${email} opened the link of the mail, made an account and joined Acme`);
  await create(`/api/tenants/${birch}/invitations`, { email, roles: ['guest'] }, birch);
  const page = shown(await visitor.open(await invitationLink(issuer, email, 1)));
  shown(await visitor.send(page, { decision: 'allow' }));
  say('and, signed in already, joined Birch with one more click');

  const { client_id: appId } = await create('/api/clients', {
    client_name: 'Tenant example',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  });
  const app = await oidc.discovery(new URL(issuer), String(appId), undefined, oidc.None(), { execute: http });

  const inAcme = await signIn(app, visitor, issuer, `acme-${stamp}`);
  expectClaims(inAcme.access_token, { tenant_id: acme, roles: ['people-reader'] });
  say('a token for Acme carries its tenant_id and the role people-reader');
  const inBirch = await signIn(app, visitor, issuer, `birch-${stamp}`);
  expectClaims(inBirch.access_token, { tenant_id: birch, roles: ['guest'] });
  say('a token for Birch, without signing in again, carries the other tenant and role');

  const seen = await api('GET', '/api/users', undefined, { token: inAcme.access_token });
  expect(seen.status === 200 && JSON.stringify(seen.body).includes(email), 'Acme’s token does not list its people');
  const refused = await api('GET', '/api/users', undefined, { token: inBirch.access_token });
  expect(refused.status === 403, `Birch’s token listed people: ${refused.status}`);
  say('the first lists the people of Acme, the second may not list those of Birch');

  const switched = await oidc.refreshTokenGrant(app, inBirch.refresh_token!, { tenant: `acme-${stamp}`, resource: `${issuer}/api` });
  expectClaims(switched.access_token, { tenant_id: acme, roles: ['people-reader'] });
  say('a refresh with tenant=acme turns into a token for Acme');
  const fresh = await signIn(app, visitor, issuer, `birch-${stamp}`);

  const suspended = await api('POST', `/api/tenants/${birch}/suspend`, { reason: 'example' });
  expect(suspended.status === 200, `suspending answered ${suspended.status}: ${JSON.stringify(suspended.body)}`);
  const dead = await api('GET', '/api/users', undefined, { token: fresh.access_token });
  expect(dead.status === 401, `a token of a suspended tenant was answered with ${dead.status}`);
  await expectRefused(oidc.refreshTokenGrant(app, fresh.refresh_token!, { resource: `${issuer}/api` }));
  const back = await visitor.open(await authorizationUrl(app, issuer, `birch-${stamp}`, 'unused'));
  expect(back instanceof URL && back.searchParams.get('error') !== null, 'a suspended tenant could be signed in to');
  say('Birch is suspended: its tokens, refresh tokens and sign-ins are refused at once');
  const alive = await api('GET', '/api/users', undefined, { token: inAcme.access_token });
  expect(alive.status === 200, 'Acme suffered with Birch');
  say('and Acme goes on as if nothing had happened');
}

async function call(
  issuer: string,
  method: string,
  path: string,
  body: Json | undefined,
  { token, tenant }: { token: string; tenant: string | undefined },
) {
  const response = await fetch(issuer + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(tenant === undefined ? {} : { 'x-tenant-id': tenant }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

/** The link in the newest mail to the address, once at least `earlier` mails with another link came before. */
async function invitationLink(issuer: string, email: string, earlier: number): Promise<string> {
  return fromMailbox(issuer, email, (texts) => {
    const links = texts.flatMap((text) => /https?:\/\/\S+\/account\/invitations\/[\w-]+/.exec(text) ?? []);
    return links.length > earlier ? links[0] : undefined;
  });
}

const registrationCode = (issuer: string, email: string): Promise<string> =>
  fromMailbox(issuer, email, (texts) => texts.map((text) => /^\s*(\d{6})\s*$/m.exec(text)?.[1]).find((code) => code !== undefined));

async function fromMailbox(issuer: string, email: string, find: (texts: string[]) => string | undefined): Promise<string> {
  for (let tries = 0; tries < 100; tries += 1) {
    const mails = (await (await fetch(`${issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
    const found = find(mails.filter(({ to }) => to === email).map(({ text }) => text));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no mail came to ${email}`);
}

/** From the link to the account and into the tenant, page by page, as the pages ask. */
async function acceptAsNewcomer(visitor: Visitor, issuer: string, email: string): Promise<void> {
  let page = shown(await visitor.open(await invitationLink(issuer, email, 0)));
  for (let steps = 0; steps < 10; steps += 1) {
    const fields = formsOf(page.html)[0]?.fields ?? [];
    if (fields.includes('code')) page = shown(await visitor.send(page, { code: await registrationCode(issuer, email) }));
    else if (fields.includes('given_name'))
      page = shown(await visitor.send(page, { email, given_name: 'Ada', family_name: 'Lovelace', new_password: PASSWORD }));
    else if (/name="decision"[^>]*value="allow"/.test(page.html)) {
      shown(await visitor.send(page, { decision: 'allow' }));
      return;
    } else page = shown(await visitor.follow(page, /href="[^"]*register/.test(page.html) ? 'register' : 'prompt=create'));
  }
  throw new Error(`the invitation could not be accepted:\n${wordsOf(page.html)}`);
}

async function authorizationUrl(app: oidc.Configuration, issuer: string, tenant: string, verifier: string): Promise<URL> {
  return oidc.buildAuthorizationUrl(app, {
    redirect_uri: REDIRECT,
    scope: 'openid offline_access users.read',
    prompt: 'consent',
    resource: `${issuer}/api`,
    tenant,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
}

/** The authorization code flow with PKCE for one tenant; what is asked is allowed. */
async function signIn(app: oidc.Configuration, visitor: Visitor, issuer: string, tenant: string) {
  const verifier = oidc.randomPKCECodeVerifier();
  let at = await visitor.open(await authorizationUrl(app, issuer, tenant, verifier));
  for (let steps = 0; !(at instanceof URL) && steps < 3; steps += 1) at = await visitor.send(at, { decision: 'allow' });
  if (!(at instanceof URL)) throw new Error(`the sign-in for ${tenant} ended at a page:\n${wordsOf(at.html)}`);
  return oidc.authorizationCodeGrant(app, at, { pkceCodeVerifier: verifier }, { resource: `${issuer}/api` });
}

function expectClaims(token: string, wanted: { tenant_id: string; roles: string[] }): void {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Json;
  expect(claims['tenant_id'] === wanted.tenant_id, `the token is for the tenant ${String(claims['tenant_id'])}`);
  expect(JSON.stringify(claims['roles']) === JSON.stringify(wanted.roles), `the token has the roles ${JSON.stringify(claims['roles'])}`);
}

async function expectRefused(grant: Promise<unknown>): Promise<void> {
  const outcome = await grant.then(
    () => 'granted',
    (error: unknown) => (error instanceof oidc.ResponseBodyError ? error.error : String(error)),
  );
  expect(outcome === 'invalid_grant', `a refresh token of a suspended tenant: ${outcome}`);
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}

function shown(at: Shown | URL): Shown {
  if (at instanceof URL) throw new Error(`sent away to ${at.origin}${at.pathname}`);
  expect(at.status < 400, `${at.url.pathname} answered ${at.status}:\n${wordsOf(at.html)}`);
  return at;
}
