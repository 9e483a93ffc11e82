/** Another Gatehouse, in a process of its own, is where a tenant's people prove their second factor: both sides of the protocol are real. */
import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { submit, visit } from '#test/support/person.ts';
import { type SecondGatehouse, startSecondGatehouse } from '#test/support/second-gatehouse.ts';
import type { Landing } from '#test/support/upstream-site.ts';

const PASSWORD = 'violet cactus thunder marble';
const EMAIL = 'ada@both.test';
const AT_B = { login: EMAIL, password: 'another cactus under thunder' };
const OTHER_AT_B = { login: 'eve@both.test', password: 'another cactus under thunder' };
const ONE = 'urn:gatehouse:acr:1fa';

describe('a second Gatehouse as a tenant’s second factor', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let b: SecondGatehouse;
  let clientId: string;
  let ada: string;
  let serve: (more?: object) => Promise<void>;

  before(async () => {
    b = await startSecondGatehouse('localhost');
    app = await startTestApp({ env: { OUTBOUND_ALLOW_HOSTS: new URL(b.issuer).host } });
    const create = async (path: string, body: object, headers = {}): Promise<Record<string, unknown>> => {
      const made = await app.api('POST', path, body, headers);
      assert.equal(made.status, 201, made.text);
      return made.body;
    };
    clientId = String((await create('/api/clients', { client_name: 'The app', redirect_uris: [CB], first_party: true }))['client_id']);
    const firm = String((await create('/api/tenants', { name: 'Firm', slug: 'firm', type: 'enterprise' }))['id']);
    const person = { email: EMAIL, emailVerified: true, password: PASSWORD };
    ada = String((await create('/api/users', person, { 'x-tenant-id': firm }))['id']);
    for (const { login, password } of [AT_B, OTHER_AT_B]) {
      const made = await b.api('POST', '/api/users', { email: login, emailVerified: true, password });
      assert.equal(made.status, 201, made.text);
    }
    const client = await b.api('POST', '/api/clients', {
      client_name: 'A',
      redirect_uris: [`${app.issuer}/login/callback/second-factor/${firm}`],
      first_party: true,
      token_endpoint_auth_method: 'client_secret_post',
    });
    assert.equal(client.status, 201, client.text);
    const { client_id: idAtB, client_secret: secret } = client.body;
    serve = async (more = {}) => {
      const how = { kind: 'oidc', issuer: b.issuer, clientId: idAtB, clientSecret: secret, subjectClaim: 'email', ...more };
      const set = await app.api('PUT', `/api/tenants/${firm}/second-factor-service`, how);
      assert.equal(set.status, 200, set.text);
    };
  });
  after(async () => {
    await app?.close();
    await b?.close();
  });

  const travel = async (browser: Browser, atB: Browser, as: typeof AT_B): Promise<Landing> => {
    const { page } = await browser.go(authorization(clientId, { scope: 'openid' }).path);
    const choose = await submit(browser, page ?? assert.fail('no page'), { login: EMAIL, password: PASSWORD });
    const way = await submit(browser, choose.page ?? assert.fail('not asked'), { method: 'external-oidc' });
    const [, url] = /^0; url=(.+)$/.exec(way.page?.headers.get('refresh') ?? '') ?? [];
    assert.ok(url, way.page?.text);
    const { location, page: stuck, asked } = await visit(atB, url, as);
    assert.ok(location, `${stuck?.status} ${stuck?.text}`);
    assert.ok(asked.includes('login'), 'B asks each time, though it knows the browser');
    return browser.go(location.href);
  };
  const arrives = ({ location }: Landing): boolean => location?.href.startsWith(CB) === true && location.searchParams.has('code');

  it('confirms that it is the same person, each time anew, and nobody else', async () => {
    await serve({ acrValues: [ONE] });
    const atB = b.browser();
    for (let round = 0; round < 2; round += 1) {
      const landing = await travel(app.browser(), atB, AT_B);
      assert.ok(arrives(landing), landing.page?.text ?? landing.location?.href);
    }
    assert.equal(arrives(await travel(app.browser(), b.browser(), OTHER_AT_B)), false);
    const { rows } = await app.owner.query(
      `select reason from audit_events where type = 'login.refused' and target_id = $1 order by at desc limit 1`,
      [ada],
    );
    assert.equal(rows[0].reason, 'external.other_person');
  });
});
