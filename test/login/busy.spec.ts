import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, visit } from '#test/support/person.ts';

const FLOOD = 240;
const BROWSERS = 8;
const MOST_KNOCKS = 40;

describe('more sign-ins at once than passwords can be hashed', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  it('are sent away with 503 and Retry-After at both doors once they would wait over a second, and none is let in or counted for it', async () => {
    const made = await app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: [],
      response_types: [],
      grant_types: [],
      direct_login: true,
    });
    const client = { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
    const pages = await Promise.all(
      Array.from({ length: BROWSERS }, async () => {
        const browser = app.browser({ accept: 'text/html' });
        const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid', prompt: 'login consent' }).path);
        return { browser, form: formOf(page!) };
      }),
    );
    const { login, password } = cast.person;
    const direct: Reply[] = [];
    const full = Promise.withResolvers<void>();
    let over = false;
    // Whoever was answered comes again until the pages were: however slow this machine is, more wait than can be served.
    const knock = async (_: unknown, n: number): Promise<void> => {
      for (let m = 0; !over && m < MOST_KNOCKS; m += 1) {
        const answer = await app.api('POST', '/api/auth/login', { username: `nobody${n}.${m}@example.test`, password }, basicAuth(client));
        direct.push(answer);
        if (answer.status === 503) full.resolve();
      }
      full.resolve();
    };
    const flood = Promise.all(Array.from({ length: FLOOD }, knock));
    await full.promise;
    const paged = await Promise.all(pages.map(({ browser, form }) => browser.post(form.action, { ...form.fields, login, password })));
    over = true;
    await flood;

    const busy = direct.filter(({ status }) => status === 503);
    assert.ok(busy.length > 0, 'the API sends some away');
    for (const { body, headers } of busy) {
      assert.equal(body['code'], 'service.unavailable');
      assert.ok(Number(headers.get('retry-after')) >= 1);
    }
    assert.ok(
      direct.every(({ status }) => status === 503 || status === 401),
      JSON.stringify([...new Set(direct.map(({ status }) => status))]),
    );
    const away = paged.filter(({ status }) => status === 503);
    assert.ok(away.length > 0, `the pages send some away: ${paged.map(({ status }) => status)}`);
    for (const answer of away) {
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      assert.match(answer.headers.get('content-type') ?? '', /html/);
    }
    const again = await visit(app.browser(), authorization(cast.client.id, { scope: 'openid', prompt: 'login consent' }).path, cast.person);
    assert.ok(again.location?.searchParams.has('code'), 'a moment later it works');
  });
});
