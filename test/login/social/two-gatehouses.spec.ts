/** Gatehouse A lets people in who sign in at Gatehouse B, another process: both sides of the protocol are ours, and real. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from '#test/support/browser.ts';
import { submit, visit } from '#test/support/person.ts';
import { type SecondGatehouse, startSecondGatehouse } from '#test/support/second-gatehouse.ts';
import { type Landing, PASSWORD, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';

const EMAIL = 'ada@both.test';
const BYE = 'https://app.test/bye';
const AT_B = { login: EMAIL, password: 'another cactus under thunder' };

describe('two servers, one the provider of the other', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let b: SecondGatehouse;
  let idAtA: string;
  let idAtB: string;
  let connectionId: string;

  before(async function () {
    this.timeout(120_000);
    b = await startSecondGatehouse('localhost');
    site = await startUpstreamSite({ env: { OUTBOUND_ALLOW_HOSTS: 'localhost' } });
    const options = { upstreamLogout: true };
    connectionId = await site.connect('oidc', { key: 'b', name: 'B', issuer: b.issuer, clientId: 'pending', options });
    const client = await b.api('POST', '/api/clients', {
      client_name: 'A',
      redirect_uris: [`${site.app.issuer}/login/callback/${connectionId}`],
      backchannel_logout_uri: `${site.app.issuer}/login/backchannel/${connectionId}`,
      backchannel_logout_session_required: true,
      post_logout_redirect_uris: [`${site.app.issuer}/login/signed-out/${connectionId}`],
      first_party: true,
      token_endpoint_auth_method: 'client_secret_post',
    });
    assert.equal(client.status, 201, client.text);
    const { client_id: clientId, client_secret: clientSecret } = client.body;
    const named = await site.app.api('PATCH', `/api/connections/${connectionId}`, { clientId, clientSecret });
    assert.equal(named.status, 200, named.text);
    const app = await site.app.api('PATCH', `/api/clients/${site.client.id}`, { post_logout_redirect_uris: [BYE] });
    assert.equal(app.status, 200, app.text);
    idAtA = await site.addPerson({ email: EMAIL, emailVerified: true });
    const person = { email: EMAIL, emailVerified: true, password: AT_B.password, givenName: 'Ada' };
    const made = await b.api('POST', '/api/users', person);
    assert.equal(made.status, 201, made.text);
    idAtB = String(made.body['id']);
  });
  after(async () => {
    await site?.close();
    await b?.close();
  });

  /** From A to B, where somebody signs in, and back to A. */
  const travel = async (browser: Browser, atB: Browser): Promise<Landing> => {
    const page = await site.leave(browser, 'b');
    assert.equal(page.origin, b.issuer);
    const { location, page: stuck } = await visit(atB, page.href, AT_B);
    assert.ok(location, `${stuck?.status} ${stuck?.text}`);
    return browser.go(location.href);
  };
  const linked = async (): Promise<number> =>
    (await site.app.owner.query('select count(*)::int as count from identities where user_id = $1', [idAtA])).rows[0].count;
  const sessions = async (): Promise<number> =>
    ((await site.app.api('GET', `/api/users/${idAtA}/sessions`)).body['items'] as unknown[]).length;
  const until = async (wanted: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; !(await wanted()); tries += 1) {
      assert.ok(tries < 100, 'it did not happen within ten seconds');
      await sleep(100);
    }
  };

  it('links after the account at A was proven, and lets in by B alone from then on', async () => {
    const browser = site.app.browser();
    const { page } = await travel(browser, b.browser());
    assert.match(page?.text ?? '', /An account with your email address exists already/);
    assert.equal((await site.subjectOf(await typePassword(browser, page, EMAIL, PASSWORD))).sub, idAtA);
    assert.equal(await linked(), 1);
    assert.equal((await site.subjectOf(await travel(site.app.browser(), b.browser()))).sub, idAtA);
  });

  it('goes on when B drops its key for another', async () => {
    const rotated = await b.api('POST', '/api/signing-keys/rotate', { mode: 'emergency' });
    assert.ok(rotated.status < 300, rotated.text);
    await sleep(2100);
    assert.equal((await site.subjectOf(await travel(site.app.browser(), b.browser()))).sub, idAtA);
  });

  it('ends A’s sessions when B says that the session there is over', async () => {
    assert.ok((await sessions()) > 0);
    const ended = await b.api('DELETE', `/api/users/${idAtB}/sessions`);
    assert.equal(ended.status, 200, ended.text);
    await until(async () => (await sessions()) === 0);
    assert.ok((await site.events('upstream_logout.received')).length > 0);
  });

  const pass = async (on: boolean): Promise<void> => {
    const answer = await site.app.api('PATCH', `/api/connections/${connectionId}`, { options: { logoutAtProvider: on } });
    assert.equal(answer.status, 200, answer.text);
  };
  /** At A, as the app asks. */
  const signOut = async (browser: Browser): Promise<Landing> => {
    const query = new URLSearchParams({ client_id: site.client.id, post_logout_redirect_uri: BYE, state: 'of the app' });
    const { page } = await browser.go(`/session/end?${query}`);
    assert.ok(page);
    return submit(browser, page, { logout: 'yes' });
  };
  const sessionsAtB = async (): Promise<number> => ((await b.api('GET', `/api/users/${idAtB}/sessions`)).body['items'] as unknown[]).length;
  const isAtApp = ({ location, page }: Landing): void => assert.equal(location?.href, `${BYE}?state=of+the+app`, page?.text);

  it('signs out at B as well where A’s connection says so, and ends at the app with its state', async () => {
    await b.api('DELETE', `/api/users/${idAtB}/sessions`);
    await pass(true);
    const [browser, atB] = [site.app.browser(), b.browser()];
    await site.subjectOf(await travel(browser, atB));
    assert.equal(await sessionsAtB(), 1);
    const { page } = await signOut(browser);
    assert.equal(await sessions(), 0);
    const href = /href="([^"]+)" data-sign-out/.exec(page?.text ?? '')?.[1]?.replaceAll('&amp;', '&') ?? '';
    assert.equal(new URL(href).origin, b.issuer);
    const { location, asked } = await visit(atB, href);
    assert.deepEqual(asked, ['logout']);
    assert.equal(await sessionsAtB(), 0);
    assert.equal(location?.origin, site.app.issuer);
    isAtApp(await browser.go(location?.href ?? ''));
  });

  it('leaves the session at B alone where A’s connection does not say so', async () => {
    await pass(false);
    const browser = site.app.browser();
    await site.subjectOf(await travel(browser, b.browser()));
    isAtApp(await signOut(browser));
    assert.deepEqual([await sessions(), await sessionsAtB()], [0, 1]);
  });

  it('asks for the proof again once the two were unlinked', async () => {
    const [identity] = (await site.app.owner.query('select id from identities where user_id = $1', [idAtA])).rows;
    const client = await site.app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: [],
      response_types: [],
      grant_types: ['refresh_token'],
      direct_login: true,
      first_party: true,
      token_endpoint_auth_method: 'client_secret_post',
    });
    const { client_id, client_secret } = client.body;
    const login = { client_id, client_secret, username: EMAIL, password: PASSWORD };
    const token = await site.app.api('POST', '/api/auth/login', login, { authorization: '' });
    const as = { authorization: `Bearer ${String(token.body['access_token'])}` };
    const gone = await site.app.api('DELETE', `/api/me/identities/${identity.id}`, undefined, as);
    assert.equal(gone.status, 200, gone.text);
    assert.equal(await linked(), 0);
    const browser = site.app.browser();
    const { location, page } = await travel(browser, b.browser());
    assert.equal(location, undefined);
    assert.equal((await site.subjectOf(await typePassword(browser, page, EMAIL, PASSWORD))).sub, idAtA);
    assert.equal(await linked(), 1);
  });

  it('lets nobody in by B whom B has disabled, and ends what they had at A', async () => {
    await site.subjectOf(await travel(site.app.browser(), b.browser()));
    const atB = b.browser();
    assert.ok((await sessions()) > 0);
    const disabled = await b.api('PATCH', `/api/users/${idAtB}`, { status: 'disabled' });
    assert.equal(disabled.status, 200, disabled.text);
    const page = await site.leave(site.app.browser(), 'b');
    const { location, page: refused } = await visit(atB, page.href, AT_B);
    assert.equal(location, undefined);
    assert.match(refused?.text ?? '', /role="alert"/);
    await until(async () => (await sessions()) === 0);
  });

  it('lets somebody sign out at A, and ends at the app, when B is dead', async () => {
    await pass(true);
    assert.equal((await b.api('PATCH', `/api/users/${idAtB}`, { status: 'active' })).status, 200);
    const browser = site.app.browser();
    await site.subjectOf(await travel(browser, b.browser()));
    assert.equal(await sessions(), 1);
    await b.kill();
    isAtApp(await signOut(browser));
    assert.equal(await sessions(), 0);
  });
});
