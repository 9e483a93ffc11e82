/** What else is asked of who signs in by the API with the right credentials: a second factor of the tenant that the tokens are for, and what only a page can do. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import { basicAuth, type Reply } from '#test/support/app.ts';
import { type HalfWay, type HalfWayPerson, isIn, startHalfWay } from '#test/support/half-way.ts';
import { submit } from '#test/support/person.ts';
import { giveRole } from '#test/support/roles.ts';
import type { App } from '#test/support/tenancy.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEXT = 'seven otters four lanterns';
const TWO = 'urn:gatehouse:acr:2fa';

describe('what is asked of who signs in by an app', function () {
  this.timeout(60_000);
  let w: HalfWay;
  let app: App;
  let strict: { id: string; slug: string };
  let open: { id: string; slug: string };

  before(async () => {
    w = await startHalfWay();
    app = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
    strict = await w.tenancy.addTenant('strict', { secondFactor: 'required' });
    open = await w.tenancy.addTenant('open');
    await w.site.connect('google');
  });
  beforeEach(() => w.site.app.owner.query('delete from rate_limits'));
  after(() => w?.close());

  const post = (path: string, body: object, client = app): Promise<Reply> =>
    w.site.app.api('POST', `/api/auth/${path}`, body, basicAuth(client));
  const password = ({ login }: { login: string }, tenant?: string, client = app): Promise<Reply> =>
    post('login', { username: login, password: PASSWORD, ...(tenant === undefined ? {} : { tenant }) }, client);
  const inTenants = async (...tenants: { id: string }[]): Promise<HalfWayPerson> => {
    const person = await w.newPerson();
    for (const { id } of tenants) await giveRole(w.site.app.owner, id, person.id, 'none');
    return person;
  };
  const bare = async (tenantId: string): Promise<{ id: string; login: string }> => {
    const login = `bare-${randomUUID()}`;
    const made = await w.site.app.api('POST', '/api/users', { username: login, password: PASSWORD }, { 'x-tenant-id': tenantId });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), login };
  };
  const tokenOfDue = (answer: Reply, method: string): string => {
    assert.deepEqual([answer.status, answer.body['code']], [401, 'auth.mfa_required'], answer.text);
    assert.ok((answer.body['methods'] as string[]).includes(method), answer.text);
    return String(answer.body['mfaToken']);
  };
  const claimsOf = (answer: Reply): Record<string, unknown> => {
    assert.equal(answer.status, 200, answer.text);
    return decodeJwt(String(answer.body['access_token']));
  };
  /** The refusal that sends to a page, and nothing beside it. */
  const sentToPage = async (answer: Reply, code: string, { id }: { id: string }): Promise<Record<string, unknown>> => {
    assert.deepEqual([answer.status, answer.body['code']], [403, code], answer.text);
    assert.equal(answer.body['accountUrl'], `${w.site.app.issuer}/account`);
    assert.match(String(answer.body['detail']), /authorization endpoint/);
    assert.equal(answer.body['mfaToken'], undefined);
    assert.equal(answer.text.includes('_token"'), false);
    assert.equal((await w.site.app.owner.query('select 1 from oidc_sessions where user_id = $1', [id])).rowCount, 0);
    assert.equal((await w.site.app.owner.query('select 1 from users where id = $1 and last_login_at is not null', [id])).rowCount, 0);
    return answer.body;
  };
  const codeOf = async (mfaToken: string, person: HalfWayPerson): Promise<string> => {
    const asked = await post('otp', { channel: 'email', mfaToken });
    assert.equal(asked.status, 202, asked.text);
    return w.codeTo(person.login);
  };

  describe('a second factor that only the tenant of the tokens asks for', () => {
    it('is asked for where the tenant is named, leads to tokens for it, and to a tenant that does not ask none is asked', async () => {
      const person = await inTenants(strict, open);
      for (const tenant of [undefined, open.slug]) assert.equal((await password(person, tenant)).status, 200);
      const mfaToken = tokenOfDue(await password(person, strict.slug), 'email-otp');
      const code = await codeOf(mfaToken, person);
      const claims = claimsOf(await post('login/2fa', { mfaToken, code, tenant: strict.slug }));
      assert.deepEqual([claims['tenant_id'], claims['acr']], [strict.id, TWO]);
      assert.equal((await post('login/2fa', { mfaToken, code, tenant: strict.slug })).status, 401, 'once');
    });

    it('is asked for by the id of the tenant too, and where it is the only one of the person’s and nothing is named', async () => {
      tokenOfDue(await password(await inTenants(strict), strict.id), 'email-otp');
      const { id, login } = await bare(strict.id);
      const secret = await w.addTotp({ id } as HalfWayPerson);
      const mfaToken = tokenOfDue(await password({ login }), 'totp');
      const claims = claimsOf(await post('login/2fa', { mfaToken, code: await generate({ secret }) }));
      assert.deepEqual([claims['tenant_id'], claims['acr']], [strict.id, TWO]);
    });

    it('is asked for after every other first step', async () => {
      const person = await inTenants(strict);
      const phone = '+66812349901';
      const changed = await w.site.app.api('PATCH', `/api/users/${person.id}`, { phone, phoneVerified: true });
      assert.equal(changed.status, 200, changed.text);
      const tenant = strict.slug;
      assert.equal((await post('otp', { channel: 'sms', to: phone })).status, 202);
      tokenOfDue(await post('login/mobile', { mobile: phone, otp: await w.codeTo(phone), tenant }), 'email-otp');
      assert.equal((await post('otp', { channel: 'email', to: person.login })).status, 202);
      tokenOfDue(await post('login/email', { email: person.login, otp: await w.codeTo(person.login), tenant }), 'sms-otp');

      const { resetToken } = (await post('password/reset', { email: person.login })).body;
      const code = await w.messageTo(person.login, /\b(\d{6})\b[^\n]*password/i);
      tokenOfDue(await post('password/reset/complete', { resetToken, code, password: NEXT, tenant }), 'sms-otp');

      Object.assign(w.site.fake.someone, { sub: randomUUID(), email: `up-${randomUUID()}@example.test` });
      const social = async (more: object): Promise<Reply> =>
        post('login/social', { provider: 'google', id_token: await w.site.fake.idToken('google'), ...more });
      const { sub } = claimsOf(await social({}));
      await giveRole(w.site.app.owner, strict.id, String(sub), 'none');
      await w.addTotp({ id: String(sub) } as HalfWayPerson);
      tokenOfDue(await social({ tenant }), 'totp');
    });

    it('is asked of those whose role the tenant names, and of nobody else there', async () => {
      const tenant = await w.tenancy.addTenant('roles', { secondFactor: 'optional', secondFactorRoles: ['administrator'] });
      const [one, other] = [await inTenants(tenant), await w.newPerson()];
      await giveRole(w.site.app.owner, tenant.id, other.id, 'administrator');
      assert.equal((await password(one, tenant.slug)).status, 200);
      tokenOfDue(await password(other, tenant.slug), 'email-otp');
    });

    it('is not passed by naming the tenant later, nor by leaving it out', async () => {
      const person = await inTenants(strict);
      const secret = await w.addTotp(person);
      const mfaToken = tokenOfDue(await password(person), 'totp');
      const claims = claimsOf(await post('login/2fa', { mfaToken, code: await generate({ secret }), tenant: strict.slug }));
      assert.deepEqual([claims['tenant_id'], claims['acr']], [strict.id, TWO]);
      const plain = await password(await inTenants(strict, open), open.slug);
      assert.equal(plain.status, 200, plain.text);
      const switched = await w.site.app.api(
        'POST',
        '/api/sessions/refresh',
        { refresh_token: plain.body['refresh_token'], tenant: strict.slug },
        basicAuth(app),
      );
      assert.deepEqual([switched.status, switched.body['code']], [403, 'auth.tenant_refused'], switched.text);
    });

    it('is told with what can be set up where the person has none; nothing is half done, and once it is there it is asked for', async () => {
      const one = await bare(strict.id);
      const body = await sentToPage(await password(one, strict.slug), 'auth.enrolment_required', one);
      assert.deepEqual([...(body['methods'] as string[])].sort(), ['passkey', 'totp']);
      await w.addTotp({ id: one.id } as HalfWayPerson);
      tokenOfDue(await password(one, strict.slug), 'totp');
    });

    it('is nothing to who names a tenant that is none of theirs: the answer is that of a tenant that there is not', async () => {
      const person = await w.newPerson();
      const [foreign, none] = [await password(person, strict.slug), await password(person, 'no-such-tenant')];
      assert.deepEqual([foreign.status, foreign.body['code']], [403, 'auth.tenant_refused'], foreign.text);
      const plain = ({ status, text }: Reply): string => `${status} ${text.replace(/"requestId":"[^"]*"/, '')}`;
      assert.equal(plain(foreign), plain(none));
    });

    it('is asked for after a registration at a client that wants one, as after a password: the account is there, and no tokens before the factor is', async () => {
      const client = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true, require_second_factor: true });
      const email = `strict-${randomUUID()}@example.test`;
      const { registrationToken } = (await post('register', { email, password: PASSWORD }, client)).body;
      const made = await post('verify', { registrationToken, code: await w.codeTo(email) }, client);
      const again = await post('login', { username: email, password: PASSWORD }, client);
      assert.deepEqual(made.body['methods'], again.body['methods']);
      assert.equal(made.text.includes('_token"'), false);
      const mfaToken = tokenOfDue(made, 'email-otp');
      assert.equal((await post('otp', { channel: 'email', mfaToken }, client)).status, 202);
      const code = await w.messageTo(email, /\b(\d{6})\b[^\n]*sign-in/);
      assert.equal(claimsOf(await post('login/2fa', { mfaToken, code }, client))['acr'], TWO);
    });
  });

  describe('what only a page can do', () => {
    const signInAtPage = async ({ login, browser }: HalfWayPerson, word = PASSWORD) =>
      submit(browser, await w.enter(browser), { login, password: word });

    it('a password that is too old is changed on a page, and then the app signs in by the new one', async () => {
      const person = await w.newPerson();
      await w.settings({ password: { maxAgeDays: 30 } });
      await w.site.app.owner.query(
        `update credentials set data = jsonb_set(data, '{setAt}', to_jsonb((now() - interval '31 days')::text)) where user_id = $1`,
        [person.id],
      );
      await sentToPage(await password(person), 'auth.password_change_required', person);
      const { page } = await signInAtPage(person);
      await submit(person.browser, page!, { new_password: NEXT });
      await w.settings({ password: { maxAgeDays: null } });
      assert.equal((await post('login', { username: person.login, password: NEXT })).status, 200);
    });

    it('an address that has to be proven is proven on a page, whatever the password', async () => {
      await w.settings({ verifiedEmail: true });
      const login = `unproven-${randomUUID()}@example.test`;
      const id = await w.site.addPerson({ username: `u-${randomUUID()}`, email: login, emailVerified: false });
      const { username } = (await w.site.app.api('GET', `/api/users/${id}`)).body;
      const person = { id, login: String(username) };
      await sentToPage(await password(person), 'auth.email_unverified', person);
      await w.settings({ verifiedEmail: false });
      assert.equal((await password(person)).status, 200);
    });

    it('terms that are new are agreed to on a page, whichever way the person comes, a reset included', async () => {
      const [person, forgetful] = [await w.newPerson(), await w.newPerson()];
      const made = await w.site.app.api('POST', '/api/notices', { kind: 'terms', label: '1', url: 'https://acme.test/terms' });
      assert.equal(made.status, 201, made.text);
      const id = String(made.body['id']);
      const published = await w.site.app.api('POST', `/api/notices/${id}/publish`);
      assert.ok(published.status < 300, published.text);

      await sentToPage(await password(person), 'auth.terms_required', person);
      assert.equal((await post('otp', { channel: 'email', to: person.login })).status, 202);
      const byCode = await post('login/email', { email: person.login, otp: await w.codeTo(person.login) });
      await sentToPage(byCode, 'auth.terms_required', person);
      const { resetToken } = (await post('password/reset', { email: forgetful.login })).body;
      const code = await w.codeTo(forgetful.login);
      await sentToPage(await post('password/reset/complete', { resetToken, code, password: NEXT }), 'auth.terms_required', forgetful);

      const { page } = await signInAtPage(person);
      assert.ok(isIn(await submit(person.browser, page!, { agree_terms: id })));
      assert.equal((await password(person)).status, 200);

      const entry = await w.enter(forgetful.browser);
      const asked = (await forgetful.browser.go(`${entry.url}/reset`)).page!;
      const before = await w.codeTo(forgetful.login);
      const waiting = (await submit(forgetful.browser, asked, { email: forgetful.login })).page!;
      let again = before;
      for (let round = 0; again === before && round < 100; round += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        again = await w.messageTo(forgetful.login, /\b(\d{6})\b[^\n]*password/i);
      }
      const landed = await submit(forgetful.browser, waiting, { code: again, new_password: PASSWORD });
      assert.ok(!isIn(landed), 'by a reset on the pages too');
      assert.ok(isIn(await submit(forgetful.browser, landed.page!, { agree_terms: id })), landed.page?.text);
    });
  });
});
