import assert from 'node:assert/strict';
import { needAuthlib, runAuthlib } from '#test/support/authlib.ts';
import { Browser } from '#test/support/browser.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';
import { visit } from '#test/support/person.ts';

const CALLBACK = 'http://localhost:5000/callback';
const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };

describe('Authlib', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;

  before(async function () {
    needAuthlib(this);
    gatehouse = await startGatehouse();
  });
  after(() => gatehouse?.close());

  it('signs in with PKCE, verifies the ID token by the published keys, renews, reads userinfo, introspects and revokes', async () => {
    const sub = await gatehouse.createUser({ email: ADA.login, emailVerified: true, password: ADA.password });
    const { client_id, client_secret = '' } = await gatehouse.createClient({
      client_name: 'Authlib',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
    });
    const browser = new Browser(gatehouse.issuer);
    const result = await runAuthlib({ issuer: gatehouse.issuer, client_id, client_secret, redirect_uri: CALLBACK }, async (url) => {
      const { location, page } = await visit(browser, url, ADA);
      assert.ok(location, page?.text);
      return location.href;
    });
    const { claims, ...learnt } = result;
    assert.deepEqual([claims['sub'], claims['aud'], claims['iss']], [sub, client_id, gatehouse.issuer]);
    assert.deepEqual([learnt.userinfo['sub'], learnt.userinfo['email']], [sub, ADA.login]);
    assert.deepEqual(learnt, {
      userinfo: learnt.userinfo,
      userinfoAfterRefresh: learnt.userinfo,
      rotated: true,
      active: true,
      revocation: 200,
      activeAfterRevocation: false,
    });
  });
});
