import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { PASSWORD } from './harness.ts';
import { codeIn, type Site, startSite, type Visitor } from './site.ts';
import { arrived, freshAddress, OTHER_PASSWORD, signIn } from './walks.ts';

describe('the pages that take a code from a mail', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app');
  });
  after(() => site?.close());

  const signedIn = (email: string, password?: string): Promise<Visitor> => signIn(site, email, password);
  const resetFormFor = async (email: string, visitor = site.visitor()): Promise<Visitor> => {
    await visitor.signIn('app');
    await visitor.open(`${visitor.at!.url}/reset`);
    await visitor.submit({ email });
    return visitor;
  };

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
      const kept = () =>
        site.db.query(
          { name: 'test-kept', text: 'select (select count(*) from users) as people, (select count(*) from one_time_codes) as codes' },
          [],
        );
      const before = await kept();
      for (const [form, message] of tries) {
        const { status } = await visitor.submit(form);
        assert.equal(status, 422);
        assert.match(visitor.alert, message);
      }
      assert.deepEqual(await kept(), before);
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
      for (const odd of [`0${code}`, code.slice(0, 5)]) assert.equal((await visitor.send({ code: odd })).status, 422, odd);
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

    it('sends no code that expired while the mail server was away', async () => {
      const person = await site.addPerson({ password: PASSWORD });
      const tried = async (): Promise<boolean> => {
        const text = `select 1 from graphile_worker.jobs where task_identifier = 'mail.send' and attempts = 1 and last_error is not null`;
        return (await site.db.query({ name: 'test-mail-tried', text }, [])).length > 0;
      };
      site.mailServer.away = true;
      try {
        await resetFormFor(person.email);
        for (let round = 0; !(await tried()); round += 1) {
          assert.ok(round < 100, 'the mail was not even tried');
          await sleep(50);
        }
        site.clock.forward(601);
      } finally {
        site.mailServer.away = false;
      }
      await site.settle();
      assert.deepEqual(await site.mails(person.email), []);
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
});
