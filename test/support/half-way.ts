/** People who are half way through something, and what ends their access meanwhile; over the whole server beside the box of providers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { generateSecret } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { createSecretBox, type SecretBox } from '#src/infra/secret-box.ts';
import { type AppSettings, basicAuth, type Reply } from './app.ts';
import type { Browser, Page } from './browser.ts';
import { authorization } from './oidc.ts';
import { visit } from './person.ts';
import { setUpTenancy, type Tenancy } from './tenancy.ts';
import { type Landing, PASSWORD, startUpstreamSite, type UpstreamSite } from './upstream-site.ts';

export interface HalfWayPerson {
  /** Counts people. */
  n: number;
  id: string;
  login: string;
  password: string;
  browser: Browser;
}
/** Answers whether the last step brought what it was taken for. */
export type Step = () => Promise<boolean>;
export interface Flow {
  /** As far as it goes before its last step. */
  begin(person: HalfWayPerson): Promise<Step>;
  /** Why whoever may sign in again gets on all the same. */
  provenAfterwards?: string;
}

export interface HalfWay {
  site: UpstreamSite;
  /** The server's own: seals and hashes as it does. */
  box: SecretBox;
  tenancy: Tenancy;
  settings(changes: object): Promise<void>;
  newPerson(): Promise<HalfWayPerson>;
  /** The page that an application's request leads to. */
  enter(browser: Browser, client?: string): Promise<Page>;
  messageTo(to: string, about: RegExp): Promise<string>;
  codeTo(to: string): Promise<string>;
  /** A path below `/api/auth`, as a client that signs people in itself. */
  door(path: string, body: object): Promise<Reply>;
  /** A path below `/api/me`, as the person. */
  me(person: HalfWayPerson): Promise<(path: string, body?: object) => Promise<Reply>>;
  atAccount(person: HalfWayPerson, path: string): Promise<Page>;
  addTotp(person: HalfWayPerson): Promise<string>;
  has(sql: string, person: HalfWayPerson): Promise<boolean>;
  /** Tries the flow once to its end, and once with each cause before its last step. */
  tryAll(flow: Flow): Promise<void>;
  close(): Promise<void>;
}

export const isIn = ({ location }: Landing): boolean => location?.searchParams.has('code') ?? false;
export const secretOn = (page: Page | undefined): string =>
  (/<code id="totp-key">([A-Z2-7 ]+)</.exec(page?.text ?? '')?.[1] ?? '').replaceAll(' ', '');

export async function startHalfWay(env: Record<string, string> = {}, server: Omit<AppSettings, 'env'> = {}): Promise<HalfWay> {
  const key = randomBytes(32);
  const box = createSecretBox([key]);
  const site = await startUpstreamSite({ ...server, env: { ENCRYPTION_KEY: key.toString('base64'), ...env } });
  const { app } = site;
  const tenancy = await setUpTenancy(app);
  const direct = await tenancy.addClient(app.rootTenantId, { direct_login: true });
  let count = 0;

  const settings = async (changes: object): Promise<void> => {
    const answer = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: changes });
    assert.equal(answer.status, 200, answer.text);
  };
  const newPerson = async (): Promise<HalfWayPerson> => {
    count += 1;
    const login = `elsewhere${count}@example.test`;
    const id = await site.addPerson({ email: login, emailVerified: true, givenName: 'Ada' });
    return { n: count, id, login, password: PASSWORD, browser: app.browser() };
  };
  const enter = async (browser: Browser, client = site.client.id): Promise<Page> =>
    (await browser.go(authorization(client, { scope: 'openid' }).path)).page ?? assert.fail('no page to sign in at');
  const messageTo = async (to: string, about: RegExp): Promise<string> => {
    for (let round = 0; round < 100; round += 1) {
      const all = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; subject?: string; text: string }[];
      const found = all.filter((one) => one.to === to).flatMap((one) => about.exec(`${one.subject ?? ''}\n${one.text}`)?.[1] ?? [])[0];
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`nothing for ${to}`);
  };
  const codeTo = (to: string): Promise<string> => messageTo(to, /\b(\d{6})\b/);
  const door = (path: string, body: object): Promise<Reply> => app.api('POST', `/api/auth/${path}`, body, basicAuth(direct));
  const accessOf = async ({ login, password }: HalfWayPerson): Promise<string> => {
    const answer = await door('login', { username: login, password });
    assert.equal(answer.status, 200, answer.text);
    return String(answer.body['access_token']);
  };
  const me = async (person: HalfWayPerson): Promise<(path: string, body?: object) => Promise<Reply>> => {
    const token = await accessOf(person);
    return (path, body = {}) => app.api('POST', `/api/me/${path}`, body, { authorization: `Bearer ${token}` });
  };
  const atAccount = async (person: HalfWayPerson, path: string): Promise<Page> => {
    await visit(person.browser, '/account', person);
    return (await person.browser.go(path)).page ?? assert.fail(path);
  };
  const addTotp = async ({ id }: HalfWayPerson): Promise<string> => {
    const [secret, credential] = [generateSecret(), newId()];
    await app.owner.query(`insert into credentials (id, user_id, type, data, sealed) values ($1, $2, 'totp', '{"lastStep": 0}', $3)`, [
      credential,
      id,
      box.seal(secret, `credential:${credential}`),
    ]);
    return secret;
  };
  const has = async (sql: string, { id }: HalfWayPerson): Promise<boolean> => ((await app.owner.query(sql, [id])).rowCount ?? 0) > 0;
  const disable = async ({ id }: HalfWayPerson, status = 'disabled'): Promise<void> => {
    const answer = await app.api('PATCH', `/api/users/${id}`, { status });
    assert.equal(answer.status, 200, answer.text);
  };
  const causes: Record<string, (person: HalfWayPerson, token: string) => Promise<void>> = {
    disabled: (person) => disable(person),
    'disabled, and enabled again': async (person) => {
      await disable(person);
      await disable(person, 'active');
    },
    deleted: async ({ id }) => assert.equal((await app.api('DELETE', `/api/users/${id}`)).status, 200),
    'everything ended': async (_person, token) => {
      const answer = await app.api('POST', '/api/sessions/logout', { all: true }, { authorization: `Bearer ${token}` });
      assert.equal(answer.status, 200, answer.text);
    },
  };
  const signedIn = async (browser: Browser): Promise<boolean> =>
    (await browser.go(authorization(site.client.id, { scope: 'openid', prompt: 'none' }).path)).location?.searchParams.get('error') !==
    'login_required';

  const tryAll: HalfWay['tryAll'] = async ({ begin, provenAfterwards }) => {
    const control = await begin(await newPerson());
    assert.ok(await control(), 'to begin with it works');
    for (const [cause, act] of Object.entries(causes)) {
      await settings({ secondFactor: null, methods: null, signUp: null });
      const person = await newPerson();
      const token = await accessOf(person);
      const step = await begin(person);
      await act(person, token);
      await settings({ secondFactor: null, methods: null });
      const mayComeBack = provenAfterwards !== undefined && !['disabled', 'deleted'].includes(cause);
      assert.equal(await step().catch(refusedPage), mayComeBack, cause);
      if (!mayComeBack) assert.ok(!(await signedIn(person.browser)), `signed in: ${cause}`);
    }
    await settings({ secondFactor: null, methods: null, signUp: null });
  };
  return {
    site,
    box,
    tenancy,
    settings,
    newPerson,
    enter,
    messageTo,
    codeTo,
    door,
    me,
    atAccount,
    addTotp,
    has,
    tryAll,
    close: () => site.close(),
  };
}

/** A page that has no form any more leads nowhere. */
function refusedPage(error: unknown): boolean {
  if (error instanceof assert.AssertionError && error.message.startsWith('no form on')) return false;
  throw error;
}
