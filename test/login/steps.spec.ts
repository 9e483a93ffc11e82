/** No step of a journey can be left out, taken twice, or taken for somebody else: every step against every way of cheating. */
import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { type Credentials, formOf, submit, visit } from '#test/support/person.ts';

const PASSWORD = 'copper violin harvest cloud 3';
const NEW_PASSWORD = 'marble thunder cactus violet 9';

/** A page in somebody's browser, and what takes the step. */
interface Standing {
  browser: Browser;
  page: Page;
  right: Record<string, string>;
}

describe('every step', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;
  let people = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  const somebody = async (more: object = {}): Promise<Credentials> => {
    people += 1;
    const login = `p${people}@example.test`;
    const made = await app.api('POST', '/api/users', { email: login, emailVerified: true, password: PASSWORD, ...more });
    assert.equal(made.status, 201, made.text);
    return { login, password: PASSWORD };
  };
  const begin = async (extra: Record<string, string> = {}, browser = app.browser()): Promise<Standing> => {
    const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid', ...extra }).path);
    return { browser, page: page!, right: {} };
  };
  const signedIn = async (): Promise<[Browser, Credentials]> => {
    const person = await somebody();
    const browser = app.browser();
    const { page } = await browser.go('/account');
    await submit(browser, page!, { ...person });
    return [browser, person];
  };
  const below = async (path: string): Promise<Standing> => {
    const { browser, page } = await begin();
    return { browser, page: (await browser.go(`${page.url}${path}`)).page!, right: {} };
  };

  const steps: Record<string, () => Promise<Standing>> = {
    'sign-in': async () => ({ ...(await begin()), right: { ...(await somebody()) } }),
    'the code of a registration': async () => {
      const { browser, page } = await below('/register');
      people += 1;
      const email = `p${people}@example.test`;
      const next = await submit(browser, page, { email, given_name: 'P', family_name: 'P', new_password: PASSWORD });
      return { browser, page: next.page!, right: { code: await app.codeFor(email) } };
    },
    'the code of a reset': async () => {
      const { login } = await somebody();
      const { browser, page } = await below('/reset');
      const next = await submit(browser, page, { email: login });
      return { browser, page: next.page!, right: { code: await app.codeFor(login), new_password: NEW_PASSWORD } };
    },
    'a password that has to be changed': async () => {
      const person = await somebody({ passwordMustChange: true });
      const { browser, page } = await begin();
      const next = await submit(browser, page, { ...person });
      assert.ok(next.page!.text.includes('name="new_password"'));
      return { browser, page: next.page!, right: { new_password: NEW_PASSWORD } };
    },
    consent: async () => {
      const { browser, page } = await begin();
      const next = await submit(browser, page, { ...(await somebody()) });
      assert.match(next.page!.text, /value="allow"/);
      return { browser, page: next.page!, right: { decision: 'allow' } };
    },
    'the choice of an account': async () => {
      const [browser] = await signedIn();
      await visit(browser, authorization(cast.client.id, { scope: 'openid' }).path);
      const standing = await begin({ prompt: 'select_account' }, browser);
      assert.match(standing.page.text, /value="continue"/);
      return { ...standing, right: { decision: 'continue' } };
    },
    'a sign-out that an application asked for': async () => {
      const [browser] = await signedIn();
      const { page } = await browser.go(`/session/end?client_id=${cast.client.id}`);
      return { browser, page: page!, right: { logout: 'yes' } };
    },
    'a sign-out at the account': async () => {
      const [browser] = await signedIn();
      return { browser, page: (await browser.go('/account/sign-out')).page!, right: {} };
    },
    'a change of password': async () => {
      const [browser, person] = await signedIn();
      return {
        browser,
        page: (await browser.go('/account/password')).page!,
        right: { password: person.password, new_password: NEW_PASSWORD },
      };
    },
  };

  /** What only a step that was taken changes. */
  async function state(): Promise<string> {
    const { rows } = await app.owner.query(
      `select (select count(*) from users) as users, (select md5(string_agg(c::text, '' order by c.id)) from credentials c) as credentials,
         (select count(*) from consents) as consents, (select count(*) from oidc_grants) as grants,
         (select count(*) from oidc_objects where model = 'AuthorizationCode') as codes,
         (select count(*) from oidc_sessions where user_id is not null and expires_at > now() + interval '1 minute') as sessions,
         (select count(*) from journeys where state -> 'proofs' <> '[]') as proven`,
    );
    return JSON.stringify(rows[0]);
  }

  const isToken = (name: string): boolean => name === '_csrf' || name === 'xsrf';
  const without = (fields: Record<string, string>, other: Record<string, string> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([name, value]) => (isToken(name) ? (other[name] ? [[name, other[name]]] : []) : [[name, value]])),
    );
  const send = (browser: Browser, page: Page, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    browser.request(formOf(page).action, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: String(new URLSearchParams(fields)),
    });

  for (const [name, reach] of Object.entries(steps)) {
    it(`(${name}) is refused from elsewhere and out of turn, and taken once`, async () => {
      const { browser, page, right } = await reach();
      const other = await reach();
      const fields = { ...formOf(page).fields, ...right };
      const theirs = formOf(other.page).fields;
      const before = await state();
      const cheats: Record<string, () => Promise<Response>> = {
        'no cookies': () => send(app.browser(), page, fields),
        'another browser': () => send(other.browser, page, fields),
        'no token': () => send(browser.clone(), page, without(fields)),
        'another session’s token': () => send(browser.clone(), page, without(fields, theirs)),
        'an empty token': () =>
          send(
            browser.clone(),
            page,
            Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, isToken(field) ? '' : value])),
          ),
        'another origin': () => send(browser.clone(), page, fields, { origin: 'https://evil.test' }),
        'a sandboxed frame of another site': () => send(browser.clone(), page, fields, { origin: 'null', 'sec-fetch-site': 'cross-site' }),
        'a neighbouring site': () => send(browser.clone(), page, fields, { 'sec-fetch-site': 'same-site' }),
        'a GET': () => browser.clone().request(`${formOf(page).action}?${new URLSearchParams(fields)}`),
        JSON: () =>
          browser.clone().request(formOf(page).action, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(fields),
          }),
        'plain text': () =>
          browser.clone().request(formOf(page).action, {
            method: 'POST',
            headers: { 'content-type': 'text/plain' },
            body: String(new URLSearchParams(fields)),
          }),
      };
      // Pages of a journey have its id in their address; those of the account are everybody's own.
      if (page.url.includes('/login/'))
        cheats['another browser with its own token'] = () =>
          send(other.browser, page, { ...fields, ...Object.fromEntries(Object.entries(theirs).filter(([field]) => isToken(field))) });
      // What other steps take, here; where nothing has to be typed, there is no other step's answer that differs.
      if (Object.keys(right).length > 0 && !('logout' in right))
        for (const [odd, values] of Object.entries({
          'nothing at all': {},
          // Each of these is a try, of which there are five.
          ...('code' in right ? {} : { 'a skip': { decision: 'skip' } }),
          'the answer of consent': 'decision' in right ? {} : { decision: 'allow' },
          ...('decision' in right || 'code' in right ? {} : { 'a choice': { decision: 'continue' } }),
          'a password out of turn': 'new_password' in right ? {} : { new_password: NEW_PASSWORD },
          'an invented code': { code: '000000', new_password: NEW_PASSWORD },
        }))
          if (!(odd === 'an invented code' && name === 'a password that has to be changed'))
            cheats[odd] = () => send(browser.clone(), page, { ...formOf(page).fields, ...values });

      for (const [cheat, act] of Object.entries(cheats)) {
        const response = await act();
        const text = await response.text();
        assert.ok(response.status < 500, `${cheat}: ${response.status} ${text.slice(0, 200)}`);
        assert.doesNotMatch(response.headers.get('location') ?? '', /[?&]code=/, cheat);
        assert.equal(await state(), before, `${cheat} changed something (${response.status})`);
      }

      const kept = browser.clone();
      const taken = await send(browser, page, fields);
      assert.ok(taken.status < 400, `the step itself: ${taken.status} ${(await taken.text()).slice(0, 300)}`);
      const location = taken.headers.get('location');
      if (location) await browser.go(location);
      const after = await state();
      assert.notEqual(after, before, 'the step was taken');
      for (const again of [browser, kept]) {
        const response = await send(again, page, fields);
        assert.ok(response.status < 500, `again: ${response.status}`);
        assert.equal(await state(), after, `a second time changed something (${response.status})`);
      }
    });
  }

  it('of one journey is of no use in another: a code for one person does not reset another’s password', async () => {
    const reset = steps['the code of a reset']!;
    const [mine, victim] = [await reset(), await reset()];
    const before = await state();
    const response = await send(victim.browser, victim.page, { ...formOf(victim.page).fields, ...mine.right });
    if (mine.right['code'] !== victim.right['code']) assert.equal(response.status, 422);
    assert.equal(await state(), before);
  });
});
