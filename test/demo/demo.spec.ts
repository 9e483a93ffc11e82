import assert from 'node:assert/strict';
import { get } from 'node:http';
import { Browser } from '#test/support/browser.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';
import { formOf, submit, visit } from '#test/support/person.ts';

const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };

describe('the demo', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;

  before(async () => {
    gatehouse = await startGatehouse();
    await gatehouse.createUser({ email: ADA.login, emailVerified: true, password: ADA.password });
  });
  after(() => gatehouse?.close());

  async function signedIn(): Promise<Browser> {
    const browser = new Browser(gatehouse.issuer);
    const { page } = await visit(browser, '/demo/sign-in', ADA);
    assert.match(page?.text ?? '', /Signed in as/);
    return browser;
  }

  it('keeps its sessions in cookies that scripts cannot read, other sites do not send and other paths do not see', async () => {
    const browser = new Browser(gatehouse.issuer);
    const answer = await browser.request('/demo/sign-in');
    assert.equal(answer.status, 303);
    const [cookie = '', ...more] = answer.headers.getSetCookie();
    assert.deepEqual(more, []);
    assert.match(cookie, /^gatehouse-demo\.flow=[\w-]{200,}; path=\/demo; expires=[^;]+; samesite=lax; httponly$/i);
    assert.doesNotMatch(cookie, new RegExp(new URL(answer.headers.get('location') ?? '').searchParams.get('state') ?? '', 'i'));
  });

  it('renews and signs out by its own form only', async () => {
    const browser = await signedIn();
    for (const path of ['/demo/renew', '/demo/sign-out']) {
      assert.equal((await browser.post(path, {})).status, 403);
      assert.equal((await browser.post(path, { _csrf: 'forged' })).status, 403);
    }
    const { page } = await browser.go('/demo');
    const { action, fields } = formOf(page!);
    assert.equal(action, `${gatehouse.issuer}/demo/sign-out`);
    assert.equal((await (await signedIn()).post('/demo/sign-out', fields)).status, 403, "another browser's form");
    const renewed = await browser.post('/demo/renew', fields);
    assert.match(await renewed.text(), /The tokens have been renewed/);
    const out = await submit(browser, (await browser.go('/demo')).page!, {});
    assert.doesNotMatch(out.page?.text ?? '', /Signed in as/);
  });

  it('takes no answer that this browser did not ask for, nor one of a request before', async () => {
    const browser = new Browser(gatehouse.issuer);
    const first = new URL((await browser.request('/demo/sign-in')).headers.get('location')!).searchParams.get('state');
    await browser.request('/demo/sign-in');
    const late = await browser.request(`/demo/callback?code=abc&state=${first}`);
    assert.equal(late.status, 400);
    assert.match(await late.text(), /not begun here/);
  });

  it('does not read a cookie that it did not seal for that very purpose', async () => {
    const browser = new Browser(gatehouse.issuer);
    await browser.request('/demo/sign-in');
    const flow = browser.cookie('gatehouse-demo.flow')!;
    for (const value of [flow, `${flow.slice(0, -2)}AA`, 'nonsense', '%00']) {
      const answer = await fetch(`${gatehouse.issuer}/demo`, { headers: { cookie: `gatehouse-demo=${value}` } });
      assert.equal(answer.status, 200);
      assert.doesNotMatch(await answer.text(), /Signed in as/);
    }
  });

  it('says which methods a path knows, and knows no other path', async () => {
    const ask = async (method: string, path: string): Promise<[number, string | null]> => {
      const answer = await fetch(`${gatehouse.issuer}${path}`, { method, redirect: 'manual' });
      await answer.body?.cancel();
      return [answer.status, answer.headers.get('allow')];
    };
    assert.deepEqual(await ask('POST', '/demo/userinfo'), [405, 'HEAD, GET']);
    assert.deepEqual(await ask('GET', '/demo/sign-out'), [405, 'POST']);
    assert.deepEqual(await ask('GET', '/demo/nothing'), [404, null]);
    assert.deepEqual(await ask('HEAD', '/demo'), [200, null]);
  });
});

describe('an issuer that is no loopback host', function () {
  this.timeout(60_000);

  it('has no demo', async () => {
    const gatehouse = await startGatehouse({ ISSUER: 'https://id.example' });
    try {
      const ask = (path: string): Promise<number | undefined> =>
        new Promise((resolve, reject) => {
          const headers = { host: 'id.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' };
          get(`${gatehouse.base}${path}`, { headers }, (response) => {
            response.resume();
            resolve(response.statusCode);
          }).on('error', reject);
        });
      assert.equal(await ask('/.well-known/openid-configuration'), 200);
      assert.equal(await ask('/demo'), 404);
      assert.equal(await ask('/dev/mailbox'), 404);
    } finally {
      await gatehouse.close();
    }
  });
});
