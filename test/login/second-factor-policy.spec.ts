/** Who has to show a second factor by the tenant's roles and by the application, and what a passkey is worth in a later step-up: on the pages. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { passkeyEnrolment } from '#src/login/enrol/passkey.ts';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';
import type { Landing } from '#test/support/upstream-site.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey } from '#test/support/webauthn.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEXT = 'amber lantern walrus piano';

interface Person {
  id: string;
  login: string;
}

describe('a second factor by policy', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let plain: { id: string; secret: string };
  let strict: { id: string; secret: string };
  let role: string;
  let heir: string;
  let count = 0;

  const done = async (answer: Promise<Reply>, status = 200): Promise<Record<string, unknown>> => {
    const { status: got, text, body } = await answer;
    assert.equal(got, status, text);
    return body;
  };
  const addClient = async (more: object = {}) => {
    const body = { client_name: 'The app', redirect_uris: [CB], first_party: true, ...more };
    const made = await done(app.api('POST', '/api/clients', body), 201);
    return { id: String(made['client_id']), secret: String(made['client_secret']) };
  };
  const settings = (changes: object): Promise<Record<string, unknown>> =>
    done(app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: changes }));
  const addPerson = async (more: object = {}): Promise<Person> => {
    count += 1;
    // Without an address, to which a code could go: what is asked for has to be set up.
    const login = `policy${count}`;
    const { id } = await done(app.api('POST', '/api/users', { username: login, password: PASSWORD, ...more }), 201);
    return { id: String(id), login };
  };
  const assign = (roleId: string, { id }: Person): Promise<unknown> => done(app.api('POST', `/api/roles/${roleId}/assign`, { userId: id }));
  const arrives = ({ location }: Landing): boolean => location?.href.startsWith(CB) === true && location.searchParams.has('code');
  const verifiers = new Map<string, string>();
  const start = async (browser: Browser, client = plain, extra: Record<string, string> = {}): Promise<Landing> => {
    const state = `state-${verifiers.size}`;
    const { path, verifier } = authorization(client.id, { scope: 'openid', state, ...extra });
    verifiers.set(state, verifier);
    return browser.go(path);
  };
  const signIn = async (browser: Browser, { login }: Person, client = plain): Promise<Landing> => {
    const { page } = await start(browser, client);
    return submit(browser, page ?? assert.fail('no page'), { login, password: PASSWORD });
  };
  const claimsOf = async ({ location, page }: Landing, client = plain): Promise<{ acr?: string; amr: string[] }> => {
    const code = location?.searchParams.get('code') ?? assert.fail(`${location?.href} ${page?.text}`);
    const verifier = verifiers.get(location?.searchParams.get('state') ?? '') ?? '';
    const answer = await app.token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, client);
    assert.equal(answer.status, 200, answer.text);
    return decodeJwt(String(answer.body['id_token'])) as never;
  };
  const asksToEnrol = ({ page }: Landing): boolean => /id="totp-key"/.test(page?.text ?? '') || /value="totp"/.test(page?.text ?? '');
  const enrol = async (browser: Browser, page: Page): Promise<Landing> => {
    const shown = /id="totp-key"/.test(page.text) ? page : (await submit(browser, page, { method: 'totp' })).page!;
    const secret = (/<code id="totp-key">([A-Z2-7 ]+)</.exec(shown.text)?.[1] ?? '').replaceAll(' ', '');
    return submit(browser, shown, { code: await generate({ secret }) });
  };

  before(async () => {
    app = await startTestApp({ env: { ENCRYPTION_KEY: randomBytes(32).toString('base64') } });
    [plain, strict] = await Promise.all([addClient(), addClient({ require_second_factor: true })]);
    role = String((await done(app.api('POST', '/api/roles', { roleName: 'surgeon', permissions: [] }), 201))['id']);
    const body = { roleName: 'chief', permissions: [], parents: ['surgeon'] };
    heir = String((await done(app.api('POST', '/api/roles', body), 201))['id']);
  });
  beforeEach(async () => {
    await app.owner.query('delete from rate_limits');
    await settings({ secondFactor: 'optional', secondFactorRoles: ['surgeon'] });
  });
  after(() => app?.close());

  describe('of roles', () => {
    it('is asked of who has the role, themselves or by another, and not of who has none', async () => {
      const [surgeon, chief, other] = [await addPerson(), await addPerson(), await addPerson()];
      await assign(role, surgeon);
      await assign(heir, chief);
      assert.ok(arrives(await signIn(app.browser(), other)));
      for (const person of [surgeon, chief]) {
        const browser = app.browser();
        const due = await signIn(browser, person);
        assert.equal(arrives(due), false);
        assert.ok(asksToEnrol(due), due.page?.text);
        const end = await enrol(browser, due.page!);
        assert.equal((await claimsOf(end)).acr, 'urn:gatehouse:acr:2fa');
      }
    });

    it('is asked of who gets the role while the page is open, and of who gets it after the password', async () => {
      const [early, late] = [await addPerson(), await addPerson({ passwordMustChange: true })];
      const [one, two] = [app.browser(), app.browser()];
      const { page } = await start(one);
      await assign(role, early);
      const due = await submit(one, page!, { login: early.login, password: PASSWORD });
      assert.equal(arrives(due), false);
      assert.ok(asksToEnrol(due), due.page?.text);

      const change = await signIn(two, late);
      assert.match(change.page?.text ?? '', /name="new_password"/);
      await assign(role, late);
      const end = await submit(two, change.page!, { new_password: NEXT });
      assert.equal(arrives(end), false, 'let in with one factor');
      assert.ok(asksToEnrol(end), end.page?.text ?? end.location?.href);
    });

    it('is asked again of a session that was made before the role was given', async () => {
      const person = await addPerson();
      const browser = app.browser();
      assert.ok(arrives(await signIn(browser, person)));
      assert.ok(arrives(await start(browser)));
      await assign(role, person);
      const due = await start(browser);
      assert.equal(arrives(due), false);
      assert.ok(asksToEnrol(due), due.page?.text ?? due.location?.href);
    });

    it('names roles of the tenant alone, where they are set; one that is deleted later is nobody’s, and holds up no other change', async () => {
      for (const [index, names] of [['astronaut'], ['owner', 'astronaut'], ['Surgeon']].entries()) {
        const refused = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { secondFactorRoles: names } });
        assert.equal(refused.status, 422, refused.text);
        assert.ok(refused.text.includes(`"/settings/secondFactorRoles/${index === 1 ? 1 : 0}"`), refused.text);
      }
      const brief = await done(app.api('POST', '/api/roles', { roleName: 'brief', permissions: [] }), 201);
      await settings({ secondFactorRoles: ['surgeon', 'brief'] });
      const person = await addPerson();
      await assign(String(brief['id']), person);
      assert.equal(arrives(await signIn(app.browser(), person)), false);
      await done(app.api('DELETE', `/api/roles/${String(brief['id'])}`));
      assert.ok(arrives(await signIn(app.browser(), person)));
      await settings({ country: 'DE' });
      assert.equal(
        (await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { secondFactorRoles: ['brief', 'astronaut'] } })).status,
        422,
      );
      const made = await app.api('POST', '/api/tenants', { name: 'New', settings: { secondFactorRoles: ['astronaut'] } });
      assert.equal(made.status, 422, made.text);
      await done(app.api('POST', '/api/tenants', { name: 'New', settings: { secondFactorRoles: ['owner'] } }), 201);
    });
  });

  describe('of an application', () => {
    it('is asked at that one alone, of whoever comes, also with a session that the other was content with', async () => {
      const person = await addPerson();
      const browser = app.browser();
      assert.ok(arrives(await signIn(browser, person)));
      const due = await start(browser, strict);
      assert.equal(arrives(due), false);
      assert.ok(asksToEnrol(due), due.page?.text ?? due.location?.href);
      const end = await enrol(browser, due.page!);
      const { acr, amr } = await claimsOf(end, strict);
      assert.deepEqual([acr, amr.includes('mfa')], ['urn:gatehouse:acr:2fa', true]);
      const stranger = await addPerson();
      assert.equal(arrives(await signIn(app.browser(), stranger, strict)), false);
      const silent = await start(app.browser(), strict, { prompt: 'none' });
      assert.equal(silent.location?.searchParams.get('error'), 'login_required');
    });
  });

  describe('by a passkey that did not verify its person', () => {
    const giveKey = async ({ id, login }: Person): Promise<Passkey> => {
      const who = { id, login, name: 'Ada', passkeys: [] };
      const place = { issuer: app.issuer, name: 'Acme' };
      const state = await passkeyEnrolment.start(who, place);
      const options = (await passkeyEnrolment.show(state, who, place)) as CreationOptions;
      const { passkey, credential } = createPasskey(options, app.issuer);
      const names = { totp: 'App', passkey: 'Key' };
      const input = { credential: credential as never };
      const factor = await passkeyEnrolment.finish(state, input, { now: new Date(), issuer: place.issuer, names });
      assert.ok(factor);
      const text = `insert into credentials (id, user_id, type, name, data, lookup) values ($1, $2, 'passkey', $3, $4::jsonb, $5)`;
      await app.owner.query(text, [newId(), id, factor.name, JSON.stringify(factor.data), factor.lookup]);
      return passkey;
    };
    const show = async (browser: Browser, page: Page, passkey: Passkey, verified: boolean): Promise<Landing> => {
      const { action, fields } = formOf(page);
      const script = browser.clone();
      Object.assign(script.headers, { accept: 'application/json' });
      const answer = await script.post(action, { ...fields, method: 'passkey' });
      const { challenge } = JSON.parse(await answer.text()) as { challenge: RequestOptions };
      const signed = usePasskey(passkey, challenge, app.issuer, { verified });
      return submit(browser, page, { method: 'passkey', passkey: JSON.stringify(signed) });
    };

    it('counts as one factor: beside a password two, alone not enough, and in a later step-up never phishing resistant', async () => {
      const person = await addPerson();
      const passkey = await giveKey(person);
      const browser = app.browser();
      const due = await signIn(browser, person);
      assert.equal(arrives(due), false);
      const { acr, amr } = await claimsOf(await show(browser, due.page!, passkey, false));
      assert.deepEqual([acr, amr.includes('pwd')], ['urn:gatehouse:acr:2fa', true]);

      // Phishing resistance is asked for later: the same key, not verified, does not bring it, however often.
      const stronger = await start(browser, plain, { acr_values: 'phr' });
      assert.ok(stronger.page, stronger.location?.href);
      const tried = await show(browser, stronger.page, passkey, false);
      assert.equal(arrives(tried), false, 'let on without');
      const { rows } = await app.owner.query(
        `select reason, data->>'acr' as acr from audit_events where type like 'login.%' and target_id = $1 order by at, id`,
        [person.id],
      );
      assert.deepEqual(
        rows.map(({ acr: reached }) => reached),
        [null, 'urn:gatehouse:acr:2fa', null],
        'the third proof was taken, and ended nothing',
      );

      // Verified, it does.
      const again = await start(browser, plain, { acr_values: 'phr' });
      assert.ok(again.page, again.location?.href);
      assert.equal((await claimsOf(await show(browser, again.page, passkey, true))).acr, 'phr');
    });

    it('alone, first, leaves the second to be asked for', async () => {
      const person = await addPerson();
      const passkey = await giveKey(person);
      const browser = app.browser();
      const { page } = await start(browser, strict);
      const landing = await show(browser, page!, passkey, false);
      assert.equal(arrives(landing), false);
      assert.match(landing.page?.text ?? '', /Confirm that it is you|totp/);
      assert.equal((await start(browser, strict, { prompt: 'none' })).location?.searchParams.get('error'), 'login_required');
    });
  });
});
