import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { authenticateDirect } from '#src/login/direct.ts';
import { PASSWORD } from './harness.ts';
import { CALLBACK, codeIn, type Site, startSite, type Visitor } from './site.ts';

const OTHER_PASSWORD = 'violet cactus thunder marble';
const freshAddress = (): string => `p${randomBytes(6).toString('hex')}@example.com`;

describe('the sign-in pages', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app');
    await site.addClient('third', { firstParty: false });
    await site.addClient('gatehouse-account', { metadata: { redirect_uris: [`${site.url}/account`] } });
  });
  after(() => site?.close());

  const arrived = (location: URL | undefined): string => {
    if (!location?.href.startsWith(CALLBACK)) assert.fail(location?.href ?? 'stayed on the pages');
    return location.searchParams.get('code') ?? `error ${location.searchParams.get('error')}`;
  };
  const signedIn = async (email: string, password = PASSWORD): Promise<Visitor> => {
    const visitor = site.visitor();
    await visitor.signIn('app');
    arrived((await visitor.submit({ login: email, password })).location);
    return visitor;
  };
  const resetFormFor = async (email: string, visitor = site.visitor()): Promise<Visitor> => {
    await visitor.signIn('app');
    await visitor.open(`${visitor.at!.url}/reset`);
    await visitor.submit({ email });
    return visitor;
  };

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
      assert.equal(arrived((await visitor.submit({ decision: 'deny' })).location), 'error access_denied');
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

  describe('registration', () => {
    const registerFormFor = async (visitor: Visitor): Promise<void> => {
      await visitor.signIn('app', { prompt: 'create' });
      assert.equal(visitor.heading, 'Create your account');
    };

    it('makes an account when the code comes back, and signs in', async () => {
      const email = freshAddress();
      const visitor = site.visitor();
      await registerFormFor(visitor);
      await visitor.submit({ email: ` ${email} `, given_name: 'Ada', family_name: 'Byron', new_password: PASSWORD });
      assert.equal(visitor.heading, 'Check your email');
      assert.ok(visitor.at!.text.includes(email));
      const code = codeIn(await site.mailFor(email));
      assert.equal((await site.events('user.registered')).length, 0);
      arrived((await visitor.submit({ code })).location);
      await signedIn(email);
      const [event] = await site.events('user.registered');
      assert.ok(event?.target_id);
    });

    it('answers an address that has an account alike, tells its owner by mail, and takes no code', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await registerFormFor(visitor);
      await visitor.submit({ email: person.email.toUpperCase(), new_password: OTHER_PASSWORD });
      assert.equal(visitor.heading, 'Check your email');
      const mail = await site.mailFor(person.email);
      assert.match(mail.subject ?? '', /already have/);
      assert.doesNotMatch(mail.text, /\b\d{6}\b/);
      const { status } = await visitor.submit({ code: '123456' });
      assert.equal(status, 422);
      await signedIn(person.email);
    });

    it('makes one account of parallel calls with the right code, and of two people with one address', async () => {
      const email = freshAddress();
      const [one, two] = [site.visitor(), site.visitor()];
      for (const [count, visitor] of [one, two].entries()) {
        await registerFormFor(visitor);
        await visitor.submit({ email, new_password: PASSWORD });
        await site.mailFor(email, count);
      }
      const [second, first] = (await site.mails(email)).map(codeIn);
      const answers = await Promise.all([...Array(5)].flatMap(() => [one.send({ code: first! }), two.send({ code: second! })]));
      assert.ok(
        answers.every(({ status }) => [303, 422, 429].includes(status)),
        answers.map(({ status }) => status).join(),
      );
      const rows = await site.db.query<{ id: string }>({ name: 'test-people', text: 'select id from users where email_key = $1' }, [email]);
      assert.equal(rows.length, 1);
      const registered = (await site.events('user.registered')).filter(({ target_id }) => target_id === rows[0]!.id);
      assert.equal(registered.length, 1);
    });

    it('refuses passwords and addresses with reasons, and keeps nothing', async () => {
      const visitor = site.visitor();
      await registerFormFor(visitor);
      const tries: readonly (readonly [Record<string, string>, RegExp])[] = [
        [{ email: freshAddress(), new_password: 'password1' }, /most used/],
        [{ email: freshAddress(), new_password: 'xk7#pq9' }, /too short/],
        [{ email: freshAddress(), new_password: 'acme2026!!' }, /name or address/],
        [{ email: 'hermione@example.com', new_password: 'Hermione1999' }, /name or address/],
        [{ email: 'not an address', new_password: PASSWORD }, /Enter an email address/],
        [{ email: '"a@evil.test x"@corp.test', new_password: PASSWORD }, /Enter an email address/],
        [{ email: 'mıke@example.com', new_password: PASSWORD }, /Enter an email address/],
        [{ email: freshAddress(), new_password: PASSWORD, given_name: 'see http://evil.test' }, /cannot be used/],
      ];
      for (const [form, message] of tries) {
        const { status } = await visitor.submit(form);
        assert.equal(status, 422);
        assert.match(visitor.alert, message);
      }
    });

    it('evaluates five codes, however many are asked for and tried at once, then not even the right one', async () => {
      const email = freshAddress();
      const visitor = site.visitor();
      await registerFormFor(visitor);
      await visitor.submit({ email, new_password: PASSWORD });
      const code = codeIn(await site.mailFor(email));
      const wrong = code === '000000' ? '000001' : '000000';
      const before = (await site.events('registration.refused')).length;
      const answers = await Promise.all(Array.from({ length: 50 }, () => visitor.send({ code: wrong })));
      assert.equal(answers.filter(({ status }) => status === 422).length, 5);
      assert.equal(answers.filter(({ status }) => status === 429).length, 45);
      assert.equal((await site.events('registration.refused')).length - before, 50);
      await visitor.submit({ decision: 'resend' });
      const next = codeIn(await site.mailFor(email, 1));
      for (const right of [code, next]) assert.equal((await visitor.send({ code: right })).status, 429);
    });

    it('takes neither shortened, padded, foreign, earlier nor expired codes', async () => {
      const email = freshAddress();
      const visitor = site.visitor();
      await registerFormFor(visitor);
      await visitor.submit({ email, new_password: PASSWORD });
      const earlier = codeIn(await site.mailFor(email));
      await visitor.submit({ decision: 'resend' });
      const code = codeIn(await site.mailFor(email, 1));
      assert.equal((await visitor.send({ code: ` ${code}` })).status, 422);
      if (earlier !== code) assert.equal((await visitor.send({ code: earlier })).status, 422);
      const stranger = site.visitor();
      await registerFormFor(stranger);
      await stranger.submit({ email, new_password: OTHER_PASSWORD });
      await site.mailFor(email, 2);
      assert.equal((await stranger.send({ code })).status, 422, 'a code belongs to its sign-in');
      site.clock.forward(601);
      assert.equal((await visitor.send({ code })).status, 422);
    });
  });

  describe('a forgotten password', () => {
    it('is replaced by a code from the mail; every session ends, a mail tells of it, and the way goes on', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const elsewhere = await signedIn(person.email);
      const visitor = await resetFormFor(person.email);
      assert.equal(visitor.heading, 'Choose a new password');
      const mail = await site.mailFor(person.email);
      assert.match(mail.text, new RegExp(`${site.url}/login/`));
      arrived((await visitor.submit({ code: codeIn(mail), new_password: OTHER_PASSWORD })).location);
      await elsewhere.signIn('app');
      assert.equal(elsewhere.heading, 'Sign in', 'the old session is gone');
      await signedIn(person.email, OTHER_PASSWORD);
      const old = site.visitor();
      await old.signIn('app');
      assert.equal((await old.submit({ login: person.email, password: PASSWORD })).status, 422);
      assert.match((await site.mailFor(person.email, 1)).subject ?? '', /was changed/);
    });

    it('is recorded where too much was asked for, of one address or for one', async () => {
      const { email } = await site.addPerson({ password: PASSWORD });
      const count = async (type: string, reason: string): Promise<number> =>
        (await site.events(type)).filter((event) => event.reason === reason).length;
      const before = [await count('code.refused', 'limit.sending'), await count('password_reset.refused', 'limit.address')];
      const visitor = site.visitor();
      await visitor.signIn('app');
      const path = `${new URL(visitor.at!.url).pathname}/reset`;
      const ask = async (to: string): Promise<number> => {
        await visitor.open(path);
        return (await visitor.submit({ email: to })).status;
      };
      for (let n = 0; n < 5; n += 1) assert.equal(await ask(email), 303);
      assert.equal(await ask(email), 429);
      for (let n = 0; n < 14; n += 1) assert.equal(await ask(`nobody-${n}@example.com`), 303);
      assert.equal(await ask('another@example.com'), 429);
      assert.deepEqual(
        [await count('code.refused', 'limit.sending'), await count('password_reset.refused', 'limit.address')],
        [before[0]! + 1, before[1]! + 1],
      );
    });

    it('is answered alike for unknown and disabled people, who get no code', async () => {
      const [person, disabled] = [
        await site.addPerson({ password: PASSWORD }),
        await site.addPerson({ password: PASSWORD, status: 'disabled' }),
      ];
      const unknown = `${'z'.repeat(person.email.indexOf('@'))}@example.com`;
      const bytes = new Set<string>();
      for (const email of [person.email, disabled.email, unknown]) {
        const visitor = await resetFormFor(email);
        const uid = new URL(visitor.at!.url).pathname.split('/')[2]!;
        const csrf = /name="_csrf" value="([^"]+)"/.exec(visitor.at!.text)![1]!;
        bytes.add(`${visitor.at!.status} ${visitor.at!.text.replaceAll(uid, 'UID').replaceAll(csrf, 'CSRF').replaceAll(email, 'LOGIN')}`);
        const { status } = await visitor.submit({ code: '000000', new_password: OTHER_PASSWORD });
        assert.equal(status, 422);
      }
      assert.equal(bytes.size, 1);
      await site.settle();
      assert.equal((await site.mails(disabled.email)).length + (await site.mails(unknown)).length, 0);
      assert.equal((await site.mails(person.email)).length, 1);
    });

    it('takes no step out of order, and a code once of twenty', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('app');
      const answer = await visitor.submit({ new_password: OTHER_PASSWORD, code: '123456' });
      assert.equal(answer.location, undefined);
      assert.equal(visitor.heading, 'Sign in');

      await resetFormFor(person.email, visitor);
      const code = codeIn(await site.mailFor(person.email));
      const before = (await site.events('password_reset.completed')).length;
      const answers = await Promise.all(Array.from({ length: 20 }, () => visitor.send({ code, new_password: OTHER_PASSWORD })));
      assert.ok(answers.every(({ status }) => [303, 422, 429].includes(status)));
      assert.equal((await site.events('password_reset.completed')).length - before, 1);
    });

    it('gives way to signing in after all', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = await resetFormFor(person.email);
      await visitor.open(`${visitor.at!.url}?page=sign-in`);
      arrived((await visitor.submit({ login: person.email, password: PASSWORD })).location);
    });

    it('links to this server, whatever the request called it', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.open(`${visitor.at!.url}/reset`);
      const csrf = /name="_csrf" value="([^"]+)"/.exec(visitor.at!.text)![1]!;
      await visitor.request(visitor.at!.url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-host': 'evil.test', forwarded: 'host=evil.test' },
        body: new URLSearchParams({ email: person.email, _csrf: csrf }).toString(),
      });
      const mail = await site.mailFor(person.email);
      assert.ok(!`${mail.text}${mail.html}`.includes('evil.test'));
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
      assert.equal(arrived((await visitor.submit({ decision: 'deny' })).location), 'error access_denied');
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

  describe('the development mailbox', () => {
    it('is shown to this machine', async () => {
      const visitor = site.visitor('127.0.0.1');
      await visitor.open('/dev/mailbox');
      assert.equal(visitor.at!.status, 200);
      const list = (await (await visitor.request('/dev/mailbox.json')).json()) as { channel: string; at: string }[];
      assert.ok(list.length > 0);
      assert.equal(list[0]!.channel, 'email');
      assert.ok(list.every((mail, index) => index === 0 || mail.at <= list[index - 1]!.at));
      const posted = await fetch(`${site.url}/dev/mailbox`, { method: 'POST' });
      assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'HEAD, GET']);
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
      assert.deepEqual(refused, { refused: 'auth.email_unverified', status: 403 });
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
  });

  it('needs no more than thirty statements from the request to the code', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    await signedIn(person.email);
    await site.settle();
    const before = site.db.statements.count;
    await signedIn(person.email);
    const spent = site.db.statements.count - before;
    assert.ok(spent <= 25, `${spent} statements`);
  });
});
