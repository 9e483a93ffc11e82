import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Browser } from '#test/support/browser.ts';
import { authorization, authorize, basic, CB, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('what a browser is given', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    await issuer.addClient('app', { post_logout_redirect_uris: ['https://bye.test/'] }, { first_party: true });
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  /** The form of a page that posts itself; fails where the page's policy would stop its script or its form. */
  async function selfPosting(response: Response, ...origins: string[]): Promise<{ action: string; fields: Record<string, string> }> {
    const text = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    const script = /<script>([^<]*)<\/script>/.exec(text)?.[1] ?? '';
    assert.match(script, /submit/);
    assert.ok(policy.includes(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`), policy);
    const allowed = /form-action ([^;]*)/.exec(policy)?.[1]?.split(' ') ?? [];
    for (const origin of origins) assert.ok(allowed.includes(origin), policy);
    assert.doesNotMatch(policy, /unsafe|\*/);
    const action = /action="([^"]+)"/.exec(text)?.[1] ?? '';
    const fields = [...text.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]): [string, string] => [name!, value!]);
    return { action, fields: Object.fromEntries(fields) };
  }

  it('form_post: a page that may post to the client, and nowhere else', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'app', {}, browser);
    const { path, verifier } = authorization('app', { response_mode: 'form_post', state: 's' });
    const { action, fields } = await selfPosting(await browser.request(path), 'https://app.test');
    assert.deepEqual([action, fields['state'], fields['iss']], [CB, 's', issuer.url]);
    const form = { grant_type: 'authorization_code', code: fields['code'], code_verifier: verifier, redirect_uri: CB };
    assert.equal((await issuer.token(form, basic('app'))).status, 200);
  });

  it('a sign-out where nobody is signed in goes on by itself', async () => {
    const browser = new Browser(issuer.url);
    const response = await browser.request('/session/end?client_id=app&post_logout_redirect_uri=https://bye.test/&state=x');
    const { action, fields } = await selfPosting(response, "'self'", 'https://bye.test');
    const done = await browser.post(action, fields);
    assert.deepEqual([done.status, done.headers.get('location')], [303, 'https://bye.test/?state=x']);
  });

  it('another person who signs in ends the session of the one before, whose tokens die', async () => {
    const browser = new Browser(issuer.url);
    const { form } = await authorize(issuer, 'app', {}, browser);
    const first = await issuer.token(form, basic('app'));
    const other = await issuer.addUser();
    issuer.state.accountId = other;
    const { path, verifier } = authorization('app', { prompt: 'login' });
    const { page } = await browser.go(path);
    const { action, fields } = await selfPosting(new Response(page?.text, { headers: page?.headers ?? {} }), "'self'", 'https://app.test');
    const resumed = await browser.post(action, fields);
    const { location } = await browser.go(resumed.headers.get('location') ?? '');
    const code = location?.searchParams.get('code') ?? '';
    const tokens = await issuer.token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, basic('app'));
    assert.equal((await issuer.post('/token/introspection', { token: tokens.body.access_token }, basic('app'))).body['sub'], other);
    assert.equal(
      (await issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app'))).body.error,
      'invalid_grant',
    );
    issuer.state.accountId = issuer.userId;
  });

  it('signed, hidden cookies; on https with prefixes that pin them to the host', async () => {
    const plain = await issuer.get(authorization('app').path);
    for (const line of plain.headers.getSetCookie()) assert.match(line, /httponly/i);
    const node = await startIssuer({ node: issuer, issuer: 'https://sso.test' });
    try {
      node.provider.proxy = true;
      const answer = await node.get(authorization('app').path, { 'x-forwarded-proto': 'https' });
      const lines = answer.headers.getSetCookie();
      assert.ok(lines.some((line) => line.startsWith('__Secure-gatehouse-interaction=')));
      assert.ok(
        lines.some((line) => line.startsWith('__Secure-gatehouse-interaction.sig=')),
        'signed',
      );
      const login = new URL(answer.headers.get('location') ?? '', 'https://sso.test');
      const cookie = lines.map((line) => line.split(';')[0]).join('; ');
      const signedIn = await node.get(login.pathname, { 'x-forwarded-proto': 'https', cookie });
      const resume = new URL(signedIn.headers.get('location') ?? '');
      assert.equal(resume.origin, 'https://sso.test');
      const done = await node.get(resume.pathname, { 'x-forwarded-proto': 'https', cookie });
      const session = done.headers.getSetCookie().filter((line) => line.startsWith('__Host-gatehouse'));
      assert.equal(session.length, 2, done.text);
      for (const line of [...lines, ...session]) assert.match(line, /; secure/i);
      for (const line of session) {
        assert.match(line, /path=\/;/i);
        assert.match(line, /samesite=lax/i);
        assert.doesNotMatch(line, /domain=/i);
      }
      const tampered = await node.get(resume.pathname, { 'x-forwarded-proto': 'https', cookie: cookie.replace(/(resume=)./, '$1A') });
      assert.equal(tampered.status, 400);
    } finally {
      await node.close();
    }
  });
});
