/** A person's pages about what is theirs, over the whole server: nothing changes without a form of the session, and what is dangerous asks again. */
import assert from 'node:assert/strict';
import { basicAuth, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import { Visitor } from '../login/site.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('the pages of a person’s own data', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let people = 0;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  async function person(): Promise<{ id: string; email: string }> {
    people += 1;
    const email = `page${people}@example.test`;
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD, givenName: 'Ada' });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), email };
  }
  const visitor = (): Visitor => new Visitor(app.issuer, { 'x-forwarded-for': newAddress(), accept: 'text/html' });
  async function enter(email: string): Promise<Visitor> {
    const one = visitor();
    await one.open('/account');
    await one.submit({ login: email, password: PASSWORD });
    assert.match(one.at!.url, /\/account$/, one.at!.text);
    return one;
  }
  const row = async (id: string): Promise<Record<string, unknown> | undefined> =>
    (await app.owner.query('select * from users where id = $1', [id])).rows[0] as Record<string, unknown> | undefined;
  /** As if the person had signed in an hour ago. */
  const age = async (id: string): Promise<void> => {
    const { rowCount } = await app.owner.query(
      `update oidc_sessions set payload = jsonb_set(payload, '{loginTs}', to_jsonb((extract(epoch from now()) - 3600)::int)) where user_id = $1`,
      [id],
    );
    assert.equal(rowCount, 1);
  };
  const PAGES = [
    '/account',
    '/account/profile',
    '/account/activity',
    '/account/data',
    '/account/email',
    '/account/phone',
    '/account/delete',
  ];

  it('are found from each other, kept by nobody, and not shown to strangers', async () => {
    const { email } = await person();
    const ada = await enter(email);
    for (const path of PAGES) {
      await ada.open(path);
      assert.equal(ada.at!.status, 200, `${path}: ${ada.at!.text}`);
      assert.equal(ada.at!.headers.get('cache-control'), 'no-store', path);
      assert.match(ada.at!.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    }
    await ada.open('/account/profile');
    for (const path of ['/account', '/account/security', '/account/activity', '/account/data'])
      assert.ok(ada.at!.text.includes(`href="${path}"`), path);
    const stranger = visitor();
    for (const path of [...PAGES, '/account/export', '/account/email/code']) {
      await stranger.open(path);
      assert.equal(stranger.heading, 'Sign in', path);
    }
  });

  it('lead on from where there is nothing, with what to tell support', async () => {
    for (const path of ['/nothing-here', '/account/nothing-here', '/oidc/nothing-here']) {
      const { page } = await visitor().go(path);
      assert.equal(page!.status, 404, path);
      assert.match(page!.text, /class="button primary" href="\/account"/, path);
    }
  });

  it('take no form of another site, and change nothing by a GET', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    const before = await row(id);
    for (const path of ['/account/profile', '/account/email', '/account/phone', '/account/data', '/account/activity', '/account/delete']) {
      const answer = await ada.post(`${app.issuer}${path}`, { decision: 'confirm', given_name: 'Eve', email: 'eve@example.test' });
      assert.equal(answer.status, 403, path);
      await answer.body?.cancel();
      await ada.open(`${path}?decision=confirm&given_name=Eve&email=eve%40example.test`);
    }
    assert.deepEqual(await row(id), before);
  });

  it('change names and language, and encode what people call themselves', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/profile');
    await ada.submit({ given_name: '<img src=x onerror=alert(1)>', family_name: '', locale: 'en' });
    assert.equal(ada.at!.status, 422);
    assert.ok(!ada.at!.text.includes('<img src=x'), 'encoded');
    await ada.submit({ given_name: `"O'Ada" & Co`, family_name: 'Lovelace', locale: 'de' });
    assert.match(ada.at!.text, /Gespeichert\./);
    assert.match(ada.at!.text, /lang="de"/);
    assert.ok(ada.at!.text.includes('&quot;O&#39;Ada&quot; &amp; Co'));
    assert.deepEqual([(await row(id))?.['given_name'], (await row(id))?.['locale']], [`"O'Ada" & Co`, 'de']);
  });

  it('change the address with a code, in two steps that can be left and come back to', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/email');
    await ada.submit({ email: 'nonsense' });
    assert.equal(ada.at!.status, 422);
    await ada.submit({ email });
    assert.match(ada.alert, /already/);
    await ada.submit({ email: `next.${email}` });
    assert.match(ada.at!.url, /\/account\/email\/code$/);
    await ada.submit({ code: '000000' });
    assert.equal(ada.at!.status, 422);
    await ada.open('/account');
    await ada.open('/account/email/code');
    await ada.submit({ code: await app.codeFor(`next.${email}`) });
    assert.match(ada.at!.url, /\/account\/profile/);
    assert.equal((await row(id))?.['email'], `next.${email}`);
    await ada.open('/account/email/code');
    assert.match(ada.at!.url, /\/account\/email$/, 'nothing is waited for any more');
  });

  it('keep a number that is the only way in, and remove one that is not', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await app.owner.query(
      `update users set phone = '+4915112345701', phone_verified_at = now(), email_verified_at = null, email = null, email_key = null where id = $1`,
      [id],
    );
    await ada.open('/account/phone');
    const form = ada.at;
    await ada.submit({ decision: 'remove' });
    assert.deepEqual([ada.at!.status, (await row(id))?.['phone']], [422, '+4915112345701']);
    assert.match(ada.at!.text, /only way to sign in/);
    await app.owner.query(`update users set email = $2, email_key = $2, email_verified_at = now() where id = $1`, [id, email]);
    ada.at = form;
    await ada.submit({ decision: 'remove' });
    assert.match(ada.at!.url, /\/account\/profile/);
    assert.equal((await row(id))?.['phone'], null);
  });

  it('ask whoever signed in long ago to sign in again, and lead back to where they were', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/delete');
    const question = ada.at;
    await age(id);
    for (const path of ['/account/email', '/account/phone', '/account/password', '/account/delete', '/account/export']) {
      const { page } = await ada.go(path);
      assert.match(page!.url, /\/login\//, path);
    }
    ada.at = question;
    await ada.submit({ decision: 'confirm' });
    assert.match(ada.at!.url, /\/login\//, 'nor by a form that was open');
    assert.equal((await row(id))?.['delete_after'], null);
    await ada.open('/account/delete');
    await ada.submit({ login: email, password: PASSWORD });
    assert.match(ada.at!.url, /\/account\/delete/);
    assert.equal(ada.heading, 'Delete your account?');
  });

  it('hand everything over as a file', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    const { page } = await ada.go('/account/export');
    assert.match(page!.headers.get('content-disposition') ?? '', /attachment/);
    assert.equal((JSON.parse(page!.text) as { profile: { id: string } }).profile.id, id);
  });

  it('let people choose of what they are told', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/data');
    await ada.submit({ decision: 'notifications' });
    assert.deepEqual((await row(id))?.['settings'], { notifications: { email: { news: false } } });
    await ada.submit({ decision: 'notifications', 'notify:news': 'on', 'notify:security': 'off' });
    assert.deepEqual((await row(id))?.['settings'], { notifications: { email: { news: true } } });
  });

  it('show what happened, page by page, and what somebody else did without where they sat', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/profile');
    for (let n = 0; n < 26; n += 1) await (await ada.send({ family_name: `Name ${n}` })).arrayBuffer();
    await app.api('PATCH', `/api/users/${id}`, { password: `${PASSWORD} anew` });
    const again = visitor();
    await again.open('/account');
    await again.submit({ login: email, password: `${PASSWORD} anew` });
    await again.open('/account/activity');
    assert.match(again.at!.text, /Profile changed/);
    assert.match(again.at!.text, /Password set<\/strong>(?:(?!<\/li>)[\s\S])*by a program of /);
    const next = /href="(\/account\/activity\?cursor=[^"]+)"/.exec(again.at!.text)?.[1];
    assert.ok(next);
    await again.open(next);
    assert.match(again.at!.text, /Signed in/);
    assert.equal((await again.go('/account/activity?cursor=nonsense')).page!.status, 422);
  });

  it('delete an account after a question, show until when, and keep it where the person says so', async () => {
    const { id, email } = await person();
    const ada = await enter(email);
    await ada.open('/account/delete');
    await ada.submit({ decision: 'deny' });
    assert.equal((await row(id))?.['delete_after'], null);
    await ada.open('/account/delete');
    await ada.submit({ decision: 'confirm' });
    assert.ok((await row(id))?.['delete_after']);
    const again = await enter(email);
    await again.open('/account/profile');
    assert.match(again.at!.text, /will be deleted on/);
    await again.open('/account/delete');
    await again.submit({ decision: 'keep' });
    assert.match(again.at!.text, /Your account stays/);
    assert.equal((await row(id))?.['delete_after'], null);
  });

  it('delete who is due with everything of theirs, and nobody who changed their mind or is the last owner', async () => {
    const [gone, kept, owner] = [await person(), await person(), await person()];
    const made = await app.api('POST', '/api/tenants', { name: 'Solo', slug: 'solo', type: 'team' });
    const tenantId = String(made.body['id']);
    const roles = (await app.api('GET', '/api/roles?roleName=owner', undefined, { 'x-tenant-id': tenantId })).body['items'] as {
      id: string;
    }[];
    await app.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2) on conflict do nothing', [tenantId, owner.id]);
    await app.owner.query('update users set home_tenant_id = $1 where id = $2', [tenantId, owner.id]);
    const given = await app.api('POST', `/api/roles/${roles[0]!.id}/assign`, { userId: owner.id }, { 'x-tenant-id': tenantId });
    assert.equal(given.status, 200, given.text);
    const inside = await enter(gone.email);
    const past = `now() - interval '1 minute'`;
    await app.owner.query(`update users set delete_after = ${past} where id = any($1)`, [[gone.id, owner.id]]);
    await app.owner.query(`update users set delete_after = now() + interval '1 day' where id = $1`, [kept.id]);
    await app.owner.query(`select graphile_worker.add_job('account.delete')`);
    for (let tries = 0; tries < 100 && ((await row(gone.id)) || (await row(owner.id))?.['delete_after']); tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await row(gone.id), undefined);
    assert.ok((await row(kept.id))?.['delete_after']);
    assert.deepEqual([(await row(owner.id))?.['delete_after'], (await row(owner.id))?.['status']], [null, 'active']);
    await inside.open('/account');
    assert.equal(inside.heading, 'Sign in', 'the session is gone');
    const told = async (to: string): Promise<string | undefined> => {
      for (let tries = 0; tries < 50; tries += 1) {
        const mails = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; subject: string }[];
        const found = mails.find((mail) => mail.to === to && /delete/.test(mail.subject));
        if (found) return found.subject;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return undefined;
    };
    assert.match((await told(gone.email)) ?? '', /was deleted/);
    assert.match((await told(owner.email)) ?? '', /was not deleted/);
    const { rows } = await app.owner.query(
      `select type, target_id, reason from audit_events where actor_id = 'account-deletion' order by type`,
    );
    assert.deepEqual(
      rows.map(({ type, target_id, reason }) => [type, target_id, reason]),
      [
        ['user.deleted', gone.id, null],
        ['user.deletion_stopped', owner.id, 'user.last_owner'],
      ],
    );
  });

  describe('with terms', () => {
    const publish = async (label: string, kind = 'terms'): Promise<string> => {
      const made = await app.api('POST', '/api/notices', { kind, label, url: `https://acme.test/${kind}/${label}` });
      const id = String(made.body['id']);
      assert.equal((await app.api('POST', `/api/notices/${id}/publish`)).status, 200);
      return id;
    };

    it('ask for them before a sign-in ends, again where they change, and sign out whoever takes them back', async () => {
      const { id, email } = await person();
      const first = await publish('first');
      const ada = visitor();
      await ada.open('/account');
      await ada.submit({ login: email, password: PASSWORD });
      assert.equal(ada.heading, 'Please read and agree', ada.at!.text);
      await ada.submit({});
      assert.equal(ada.at!.status, 422);
      await ada.submit({ agree_terms: id });
      assert.equal(ada.at!.status, 422, 'another id is no agreement');
      await ada.submit({ agree_terms: first });
      assert.match(ada.at!.url, /\/account$/);
      const again = visitor();
      await again.open('/account');
      await again.submit({ login: email, password: PASSWORD });
      assert.match(again.at!.url, /\/account$/, 'they are asked once');

      const second = await publish('second');
      const third = visitor();
      await third.open('/account');
      await third.submit({ login: email, password: PASSWORD });
      assert.equal(third.heading, 'Please read and agree');
      await third.submit({ agree_terms: first });
      assert.equal(third.at!.status, 422, 'the old version is no agreement to the new one');
      await third.submit({ agree_terms: second });
      await third.open('/account/data');
      assert.match(third.at!.text, /second/);
      await third.open(`/account/agreements/${second}`);
      assert.match(third.at!.text, /signed out everywhere/);
      await third.submit({ decision: 'confirm' });
      assert.match(third.heading, /signed out/);
      for (const one of [ada, again, third]) {
        await one.open('/account');
        assert.equal(one.heading, 'Sign in');
      }
      const { rows } = await app.owner.query(
        `select type from audit_events where person_id = $1 and type like 'agreement.%' and outcome = 'success' order by at, id`,
        [id],
      );
      assert.deepEqual(
        rows.map(({ type }) => type),
        ['agreement.given', 'agreement.given', 'agreement.withdrawn'],
      );
    });

    const agreedBy = async (email: string): Promise<string[]> =>
      (
        await app.owner.query('select a.notice_id as id from agreements a join users u on u.id = a.user_id where u.email = $1', [email])
      ).rows.map(({ id }) => String(id));
    const toForm = async (): Promise<Visitor> => {
      const one = visitor();
      await one.open('/account');
      await one.open(`${new URL(one.at!.url).pathname}/register`);
      return one;
    };

    it('ask whoever makes an account on its form, keep it with the account, and ask no second time', async () => {
      const email = 'registers@example.test';
      const terms = await publish('at-registration');
      const privacy = await publish('at-registration', 'privacy');
      const ada = await toForm();
      assert.match(ada.at!.text, /href="https:\/\/acme\.test\/privacy\/at-registration"/);
      await ada.submit({ email, new_password: PASSWORD, agree_terms: terms });
      assert.equal(ada.at!.status, 422, 'each of them is asked for');
      assert.match(ada.at!.text, new RegExp(`value="${terms}" required checked`), 'what was ticked stays ticked');
      await ada.submit({ email, new_password: PASSWORD, agree_terms: terms, agree_privacy: terms });
      assert.equal(ada.at!.status, 422, 'one is no agreement to the other');
      await ada.submit({ email, new_password: PASSWORD, agree_terms: terms, agree_privacy: privacy });
      assert.deepEqual(await agreedBy(email), [], 'nothing is kept of nobody');
      await ada.submit({ code: await app.codeFor(email) });
      assert.match(ada.at!.url, /\/account$/, ada.at!.text);
      assert.deepEqual((await agreedBy(email)).sort(), [terms, privacy].sort());
      const { rows } = await app.owner.query(
        `select e.type from audit_events e join users u on u.id = e.person_id where u.email = $1 and e.type in ('agreement.given', 'user.registered') order by 1`,
        [email],
      );
      assert.deepEqual(rows, [{ type: 'agreement.given' }, { type: 'user.registered' }]);
    });

    it('keep the version that was shown, and ask for the one that was published meanwhile', async () => {
      const email = 'meanwhile@example.test';
      const terms = await publish('shown');
      const ada = await toForm();
      const privacy = /name="agree_privacy" value="([^"]+)"/.exec(ada.at!.text)?.[1] ?? '';
      const newer = await publish('newer');
      await ada.submit({ email, new_password: PASSWORD, agree_terms: terms, agree_privacy: privacy });
      await ada.submit({ code: await app.codeFor(email) });
      assert.equal(ada.heading, 'Please read and agree', ada.at!.text);
      assert.deepEqual((await agreedBy(email)).sort(), [terms, privacy].sort());
      assert.ok(!ada.at!.text.includes('name="agree_privacy"'), 'what was agreed to is not asked for again');
      await ada.submit({ agree_terms: newer });
      assert.match(ada.at!.url, /\/account$/);
      assert.deepEqual((await agreedBy(email)).sort(), [terms, newer, privacy].sort());
    });

    it('take no draft, no stranger’s notice and nothing hostile for agreement', async () => {
      const terms = await publish('strict');
      const draft = await app.api('POST', '/api/notices', { kind: 'terms', label: 'draft', url: 'https://acme.test/draft' });
      const made = await app.api('POST', '/api/tenants', { name: 'Foreign', slug: 'foreign-terms', type: 'team' });
      const inside = { 'x-tenant-id': String(made.body['id']) };
      const foreign = await app.api('POST', '/api/notices', { kind: 'terms', label: 'x', url: 'https://x.test/' }, inside);
      assert.equal(foreign.status, 201, foreign.text);
      assert.equal((await app.api('POST', `/api/notices/${foreign.body['id']}/publish`, undefined, inside)).status, 200);
      const ada = await toForm();
      const privacy = /name="agree_privacy" value="([^"]+)"/.exec(ada.at!.text)?.[1] ?? '';
      for (const id of [
        String(draft.body['id']),
        String(foreign.body['id']),
        `${terms}' or 1=1`,

        '0'.repeat(36),
        'x'.repeat(5000),
      ]) {
        await ada.submit({ email: 'strict@example.test', new_password: PASSWORD, agree_terms: id, agree_privacy: privacy });
        assert.equal(ada.at!.status, 422, id.slice(0, 40));
        assert.match(ada.at!.text, /Without your agreement/);
      }
    });

    it('are agreed to by applications in their people’s names, or the registration is refused with what is missing', async () => {
      const client = await app.api('POST', '/api/clients', {
        client_name: 'First party',
        redirect_uris: ['https://first.test/cb'],
        grant_types: ['authorization_code', 'refresh_token'],
        direct_login: true,
      });
      assert.equal(client.status, 201, client.text);
      const headers = basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) });
      const email = 'direct-terms@example.test';
      const register = (more: object) => app.api('POST', '/api/auth/register', { email, password: PASSWORD, ...more }, headers);
      const refused = await register({});
      assert.deepEqual([refused.status, refused.body['code']], [422, 'terms.required'], refused.text);
      const notices = refused.body['notices'] as { id: string; kind: string; url: string }[];
      assert.deepEqual(notices.map(({ kind }) => kind).sort(), ['privacy', 'terms']);
      const half = await register({ agreements: [notices[0]!.id] });
      assert.equal(half.status, 422, half.text);
      assert.ok(half.body['notices'], half.text);
      assert.equal((half.body['notices'] as object[]).length, 1, half.text);
      for (const agreements of ['x', [7], [[]], {}, null, Array(11).fill('x')])
        assert.equal((await register({ agreements })).body['code'], 'input.invalid', JSON.stringify(agreements));
      const begun = await register({ agreements: notices.map(({ id }) => id) });
      assert.equal(begun.status, 202, begun.text);
      const { registrationToken } = begun.body;
      const done = await app.api('POST', '/api/auth/verify', { registrationToken, code: await app.codeFor(email) }, headers);
      assert.equal(done.status, 200, done.text);
      assert.deepEqual((await agreedBy(email)).sort(), notices.map(({ id }) => id).sort());
    });

    it('let nobody past who does not agree', async () => {
      const { email } = await person();
      await publish('must');
      const ada = visitor();
      await ada.open('/account');
      await ada.submit({ login: email, password: PASSWORD });
      assert.equal(ada.heading, 'Please read and agree');
      await ada.submit({ decision: 'deny' });
      await ada.open('/account');
      assert.equal(ada.heading, 'Sign in');
    });
  });
});
