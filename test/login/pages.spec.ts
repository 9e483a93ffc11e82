import assert from 'node:assert/strict';
import { authenticateDirect } from '#src/login/direct.ts';
import { PASSWORD } from './harness.ts';
import { codeIn, type Site, startSite, type Visitor } from './site.ts';
import { arrived, errorOf, freshAddress, OTHER_PASSWORD, signIn } from './walks.ts';

describe('the sign-in pages', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app');
    await site.addClient('third', { firstParty: false });
    await site.addClient('gatehouse-account', { metadata: { redirect_uris: [`${site.url}/account`] } });
  });
  after(() => site?.close());

  const signedIn = (email: string, password?: string): Promise<Visitor> => signIn(site, email, password);

  describe('sign-in', () => {
    it('takes a person to the application, by address, user name in any case, and keeps the session', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('app', { login_hint: person.email, ui_locales: 'xx en' });
      assert.equal(visitor.heading, 'Sign in');
      assert.ok(visitor.at!.text.includes(`value="${person.email}"`), 'the hint is filled in');
      assert.ok(visitor.at!.text.includes('Continue to The app'));
      assert.match(visitor.at!.headers.get('content-security-policy') ?? '', /form-action 'self' https:\/\/app\.test;/);
      assert.equal(visitor.at!.headers.get('cache-control'), 'no-store');
      arrived((await visitor.submit({ login: ` ${person.username.toUpperCase()} `, password: PASSWORD })).location);
      arrived((await visitor.signIn('app')).location);
    });

    it('answers a wrong password and an unknown name with the same bytes, and keeps what was typed but the password', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const unknown = `${'q'.repeat(person.email.indexOf('@'))}@example.com`;
      const bytes: string[] = [];
      for (const login of [person.email, unknown]) {
        const visitor = site.visitor();
        await visitor.signIn('app');
        const { status } = await visitor.submit({ login, password: 'a wrong password' });
        assert.equal(status, 422);
        assert.match(visitor.alert, /not right/);
        assert.ok(visitor.at!.text.includes(`value="${login}"`));
        assert.ok(!visitor.at!.text.includes('a wrong password'));
        const uid = new URL(visitor.at!.url).pathname.split('/')[2]!;
        const csrf = /name="_csrf" value="([^"]+)"/.exec(visitor.at!.text)![1]!;
        bytes.push(visitor.at!.text.replaceAll(uid, 'UID').replaceAll(csrf, 'CSRF').replaceAll(login, 'LOGIN'));
      }
      assert.equal(bytes[0], bytes[1]);
    });

    it('spends no more than ten statements on a post that signs in', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      await signedIn(person.email);
      const visitor = await signedIn(person.email);
      visitor.jar.forEach((_value, key) => {
        if (key.startsWith('gatehouse|')) visitor.jar.delete(key);
      });
      await visitor.signIn('app');
      await site.settle();
      const before = site.db.statements.count;
      const response = await visitor.send({ login: person.email, password: PASSWORD });
      assert.equal(response.status, 303);
      const spent = site.db.statements.count - before;
      assert.ok(spent <= 10, `${spent} statements`);
    });

    it('refuses a form of another site, without the hidden field, or with the field of another sign-in', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const [visitor, other] = [site.visitor(), site.visitor()];
      await visitor.signIn('app');
      await other.signIn('app');
      const form = { login: person.email, password: PASSWORD };
      const foreign = /name="_csrf" value="([^"]+)"/.exec(other.at!.text)![1]!;
      for (const wrong of ['', 'x', foreign]) assert.equal((await visitor.send({ ...form, _csrf: wrong })).status, 403, wrong);
      const csrf = /name="_csrf" value="([^"]+)"/.exec(visitor.at!.text)![1]!;
      for (const headers of [{ origin: 'https://evil.test' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }]) {
        const body = new URLSearchParams({ ...form, _csrf: csrf }).toString();
        const response = await visitor.request(visitor.at!.url, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } as Record<string, string>,
          body,
        });
        assert.equal(response.status, 403);
      }
    });

    it('is another browser’s business to nobody', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const [owner, thief] = [site.visitor(), site.visitor()];
      await owner.signIn('app');
      await thief.signIn('app');
      await thief.open(owner.at!.url);
      assert.equal(thief.at!.status, 400);
      assert.match(thief.heading, /no longer valid/);
      const response = await thief.post(owner.at!.url, { login: person.email, password: PASSWORD });
      assert.equal(response.status, 400);
    });

    it('says that a sign-in is over where there is none, and where to begin again', async () => {
      const visitor = site.visitor();
      await visitor.open('/login/nothing-of-that-name');
      assert.equal(visitor.at!.status, 400);
      assert.match(visitor.at!.text, /href="\/account"/);
    });

    it('goes back to the application with access_denied when it is given up', async () => {
      const visitor = site.visitor();
      await visitor.signIn('app');
      assert.equal(errorOf((await visitor.submit({ decision: 'deny' })).location), 'access_denied');
    });

    it('counts down after too many attempts', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('app');
      for (let round = 0; round < 10; round += 1)
        assert.equal((await visitor.submit({ login: person.email, password: 'wrong wrong' })).status, 422);
      const { status } = await visitor.submit({ login: person.email, password: PASSWORD });
      assert.equal(status, 429);
      assert.ok(Number(visitor.at!.headers.get('retry-after')) > 0);
    });

    it('does nothing for an empty or a misshapen form', async () => {
      const visitor = site.visitor();
      await visitor.signIn('app');
      assert.equal((await visitor.submit({})).location, undefined);
      assert.equal(visitor.heading, 'Sign in');
      const twice = await visitor.request(visitor.at!.url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'login=a&login=b',
      });
      assert.equal(twice.status, 400);
    });
  });

  describe('a password that somebody else chose', () => {
    it('is changed before anything else, and the step can neither be left out nor taken with the old one', async () => {
      const person = await site.addPerson({ password: PASSWORD, mustChange: true });
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.submit({ login: person.email, password: PASSWORD });
      assert.equal(visitor.heading, 'Choose a new password');
      const url = visitor.at!.url;
      assert.equal((await visitor.open(url)).location, undefined, 'reloading does not go on');
      for (const [password, message] of [
        [PASSWORD, /must differ/],
        ['short', /too short/],
        ['', /too short/],
      ] as const) {
        await visitor.submit({ new_password: password });
        assert.match(visitor.alert, message);
      }
      arrived((await visitor.submit({ new_password: OTHER_PASSWORD })).location);
      await signedIn(person.email, OTHER_PASSWORD);
      assert.match((await site.mailFor(person.email)).subject ?? '', /password was changed/);
    });

    it('is not passed by going on at the protocol: that begins again', async () => {
      const person = await site.addPerson({ password: PASSWORD, mustChange: true });
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.submit({ login: person.email, password: PASSWORD });
      const { location } = await visitor.open(visitor.at!.url.replace('/login/', '/auth/'));
      assert.equal(location, undefined);
      assert.equal(visitor.heading, 'Sign in');
    });

    it('lets somebody else sign in instead', async () => {
      const [person, other] = [
        await site.addPerson({ password: PASSWORD, mustChange: true }),
        await site.addPerson({ password: PASSWORD }),
      ];
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.submit({ login: person.email, password: PASSWORD });
      await visitor.open(`${visitor.at!.url}/restart`);
      assert.equal(visitor.heading, 'Sign in');
      arrived((await visitor.submit({ login: other.email, password: PASSWORD })).location);
    });
  });

  describe('consent', () => {
    it('says who asks for what, for which account, and goes on with a yes that is remembered', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('third', { scope: 'openid email' });
      await visitor.submit({ login: person.email, password: PASSWORD });
      assert.match(visitor.heading, /The third asks for access/);
      assert.ok(visitor.at!.text.includes(person.email));
      assert.ok(visitor.at!.text.includes('See your email address'));
      arrived((await visitor.submit({ decision: 'allow' })).location);
      arrived((await visitor.signIn('third', { scope: 'openid email' })).location);
    });

    it('names single claims in words, and does not ask for them again', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      const asks = { claims: JSON.stringify({ userinfo: { given_name: null, phone_number: { essential: true } } }) };
      await visitor.signIn('third', asks);
      await visitor.submit({ login: person.email, password: PASSWORD });
      for (const words of ['See your given name', 'See your phone number']) assert.ok(visitor.at!.text.includes(words), visitor.at!.text);
      arrived((await visitor.submit({ decision: 'allow' })).location);
      arrived((await visitor.signIn('third', asks)).location);
    });

    it('goes back with access_denied after a no, and takes silence for no answer', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('third');
      await visitor.submit({ login: person.email, password: PASSWORD });
      assert.equal((await visitor.submit({})).location, undefined);
      assert.match(visitor.heading, /asks for access/);
      assert.equal(errorOf((await visitor.submit({ decision: 'deny' })).location), 'access_denied');
    });

    it('signs in somebody else in place of who was', async () => {
      const [first, second] = [await site.addPerson({ password: PASSWORD }), await site.addPerson({ password: PASSWORD })];
      const visitor = await signedIn(first.email);
      await visitor.signIn('app', { prompt: 'login' });
      await visitor.submit({ login: second.email, password: PASSWORD });
      arrived((await visitor.submit({})).location);
      await visitor.open('/account');
      assert.ok(visitor.at!.text.includes(second.email));
    });

    it('lets the account be chosen when that is asked for', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = await signedIn(person.email);
      await visitor.signIn('app', { prompt: 'select_account' });
      assert.equal(visitor.heading, 'Choose an account');
      arrived((await visitor.submit({ decision: 'continue' })).location);
      await visitor.signIn('app', { prompt: 'select_account' });
      await visitor.submit({ decision: 'other' });
      assert.equal(visitor.heading, 'Sign in');
    });
  });

  describe('the tenant’s wishes', () => {
    const wish = (settings: object): Promise<unknown> =>
      site.db.query({ name: 'test-settings', text: 'update tenants set settings = $2::jsonb where id = $1' }, [
        site.tenantId,
        JSON.stringify({ login: settings }),
      ]);
    afterEach(() => wish({}));

    it('close registration, at the link, the page and the form', async () => {
      const visitor = site.visitor();
      await visitor.signIn('app', { prompt: 'create' });
      const form = visitor.at;
      await wish({ registration: false });
      assert.equal((await visitor.submit({ email: freshAddress(), new_password: PASSWORD })).status, 403);
      await visitor.open(form!.url);
      assert.equal(visitor.heading, 'Sign in');
      assert.ok(!visitor.at!.text.includes('/register'));
      await visitor.open(`${form!.url}/register`);
      assert.equal(visitor.at!.status, 403);
    });

    it('ask for a proven address before a sign-in ends, by mail on the pages, as a refusal at the API', async () => {
      await wish({ verifiedEmail: true });
      const person = await site.addPerson({ password: PASSWORD, verified: false });
      const refused = await authenticateDirect(
        site.engine,
        { username: person.email, password: PASSWORD },
        { clientId: 'app' },
        site.stranger(),
      );
      const accountUrl = 'http://localhost:3000/account';
      const detail = 'The address has to be proven first: on a page, at the authorization endpoint or at accountUrl';
      assert.deepEqual(refused, { refused: 'auth.email_unverified', status: 403, extra: { accountUrl, detail } });
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.submit({ login: person.email, password: PASSWORD });
      assert.equal(visitor.heading, 'Check your email');
      assert.equal((await visitor.submit({ code: 'nonsense' })).status, 422);
      await visitor.submit({ decision: 'resend' });
      const code = codeIn(await site.mailFor(person.email, 1));
      arrived((await visitor.submit({ code })).location);
      await signedIn(person.email);
      assert.equal((await site.events('email.verified')).filter(({ target_id }) => target_id === person.id).length, 1);
    });

    it('ask for no proof of an address that was taken from the account on the way', async () => {
      await wish({ verifiedEmail: true });
      const person = await site.addPerson({ password: PASSWORD, verified: false });
      const takeAway = (): Promise<unknown> =>
        site.db.query({ name: 'test-no-address', text: 'update users set email = null, email_key = null where id = $1' }, [person.id]);
      const [asked, unasked] = [site.visitor(), site.visitor()];
      for (const visitor of [asked, unasked]) await visitor.signIn('app');
      await asked.submit({ login: person.username, password: PASSWORD });
      assert.equal(asked.heading, 'Check your email');
      const { headers } = await unasked.send({ login: person.username, password: PASSWORD });
      await takeAway();
      arrived((await unasked.open(headers.get('location') ?? '')).location);
      arrived((await asked.submit({ decision: 'resend' })).location);
    });
  });

  it('needs no more than eighteen statements from the request to the code', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    await signedIn(person.email);
    await site.settle();
    const before = site.db.statements.count;
    await signedIn(person.email);
    const spent = site.db.statements.count - before;
    assert.ok(spent <= 18, `${spent} statements`);
  });
});
