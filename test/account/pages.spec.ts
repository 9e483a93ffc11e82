import assert from 'node:assert/strict';
import { PASSWORD } from '../login/harness.ts';
import { type Site, startSite, type Visitor } from '../login/site.ts';

const OTHER_PASSWORD = 'violet cactus thunder marble';

describe('the account page', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app');
    await site.addClient('third', { firstParty: false });
    await site.addClient('gatehouse-account', { metadata: { redirect_uris: [`${site.url}/account`] } });
  });
  after(() => site?.close());

  const enter = async (email: string, password = PASSWORD): Promise<Visitor> => {
    const visitor = site.visitor();
    await visitor.open('/account');
    assert.equal(visitor.heading, 'Sign in');
    await visitor.submit({ login: email, password });
    assert.equal(visitor.at!.url, `${site.url}/account`, visitor.at!.text);
    return visitor;
  };
  const isOut = async (visitor: Visitor): Promise<boolean> => {
    await visitor.open('/account');
    return visitor.heading === 'Sign in';
  };

  it('asks a stranger to sign in, and shows the person their password, sessions and applications', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await enter(person.email);
    const { text, headers } = visitor.at!;
    assert.ok(text.includes(person.email));
    assert.ok(text.includes('This device'));
    assert.match(text, /href="\/account\/password"/);
    assert.match(text, /<h2 id="apps">What has access<\/h2>[\s\S]*No application has access to your account/);
    assert.equal(headers.get('cache-control'), 'no-store');
  });

  it('says which methods a path knows, and knows no other path or spelling', async () => {
    const ask = async (method: string, path: string): Promise<[number, string | null]> => {
      const answer = await fetch(`${site.url}${path}`, { method, redirect: 'manual' });
      await answer.body?.cancel();
      return [answer.status, answer.headers.get('allow')];
    };
    for (const path of ['/account', '/account/password', '/account/sign-out'])
      assert.deepEqual(await ask('DELETE', path), [405, 'HEAD, GET, POST'], path);
    assert.deepEqual(await ask('HEAD', '/account'), [303, null]);
    for (const path of ['/account/nothing', '/account/password/', '/ACCOUNT']) assert.equal((await ask('GET', path))[0], 404, path);
  });

  it('does not send round in circles whoever comes back without a session', async () => {
    const visitor = site.visitor();
    await visitor.open('/account?code=x&state=y');
    assert.equal(visitor.at!.status, 401);
    await visitor.open('/account?error=access_denied');
    assert.equal(visitor.at!.status, 401);
  });

  it('changes the password with the current one, ends the other sessions and keeps this one', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const [here, there] = [await enter(person.email), await enter(person.email)];
    await here.open('/account/password');
    for (const [form, message] of [
      [{ password: 'not this one', new_password: OTHER_PASSWORD }, /not your current password/],
      [{ new_password: OTHER_PASSWORD }, /not your current password/],
      [{ password: PASSWORD, new_password: 'password1' }, /most used/],
      [{ password: PASSWORD, new_password: PASSWORD }, /must differ/],
    ] as const) {
      const { status } = await here.submit(form);
      assert.equal(status, 422);
      assert.match(here.alert, message);
    }
    await here.submit({ password: PASSWORD, new_password: OTHER_PASSWORD });
    assert.ok(here.at!.text.includes('Your password has been changed'));
    assert.equal(await isOut(there), true);
    assert.equal(await isOut(here), false);
    await enter(person.email, OTHER_PASSWORD);
    assert.match((await site.mailFor(person.email)).subject ?? '', /was changed/);
    const events = (await site.events()).filter(({ target_id }) => target_id === person.id).map(({ type, reason }) => `${type} ${reason}`);
    assert.equal(events.filter((event) => event === 'password.refused password.wrong').length, 2);
    assert.equal(events.filter((event) => event === 'password.set changed').length, 1);
  });

  it('lets nobody guess the current password', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await enter(person.email);
    await visitor.open('/account/password');
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => visitor.send({ password: 'wrong wrong', new_password: OTHER_PASSWORD })),
    );
    assert.equal(answers.filter(({ status }) => status === 422).length, 10);
    assert.equal((await visitor.send({ password: PASSWORD, new_password: OTHER_PASSWORD })).status, 429);
  });

  it('ends one session, and all others', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const [here, second, third] = [await enter(person.email), await enter(person.email), await enter(person.email)];
    await here.open('/account');
    const ends = [...here.at!.text.matchAll(/value="(end:[^"]+)"/g)].map(([, value]) => value!);
    assert.equal(ends.length, 2);
    await here.submit({ decision: ends[0]! });
    assert.deepEqual([await isOut(second), await isOut(third)].filter(Boolean).length, 1);
    await enter(person.email);
    await here.open('/account');
    await here.submit({ decision: 'end-others' });
    assert.match(here.at!.text, /other device/);
    assert.deepEqual([await isOut(second), await isOut(third), await isOut(here)], [true, true, false]);
  });

  it('ends no session of somebody else', async () => {
    const [one, two] = [await site.addPerson({ password: PASSWORD }), await site.addPerson({ password: PASSWORD })];
    const [here, victim] = [await enter(one.email), await enter(two.email)];
    const [row] = await site.db.query<{ uid: string }>({ name: 'test-uid', text: 'select uid from oidc_sessions where user_id = $1' }, [
      two.id,
    ]);
    await here.submit({ decision: `end:${row!.uid}` });
    assert.equal(await isOut(victim), false);
  });

  it('shows what has access, and takes it back', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await enter(person.email);
    await visitor.signIn('third', { scope: 'openid email' });
    await visitor.submit({ decision: 'allow' });
    await visitor.open('/account');
    assert.ok(visitor.at!.text.includes('The third'));
    await visitor.submit({ decision: 'withdraw:third' });
    assert.match(visitor.at!.text, /The third no longer has access/);
    await visitor.signIn('third', { scope: 'openid email' });
    assert.match(visitor.heading, /asks for access/);
    assert.equal((await site.events('consent.withdrawn')).filter(({ target_id }) => target_id === 'third').length, 1);
  });

  it('signs out after a question, not by a link', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await enter(person.email);
    await visitor.open('/account/sign-out');
    assert.match(visitor.heading, /Sign out/);
    const before = visitor.clone();
    await visitor.submit({ decision: 'confirm' });
    assert.match(visitor.heading, /signed out/);
    assert.ok(visitor.at!.headers.get('clear-site-data'));
    const { page } = await before.go('/account');
    assert.match(page!.url, /\/login\//, 'the old cookie opens nothing');
  });

  it('takes no form of another site', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await enter(person.email);
    for (const path of ['/account', '/account/password', '/account/sign-out']) {
      const response = await visitor.post(new URL(path, site.url).href, {
        decision: 'end-others',
        password: PASSWORD,
        new_password: OTHER_PASSWORD,
      });
      assert.equal(response.status, 403, path);
    }
    const refused = await site.events('request.refused');
    assert.deepEqual(
      refused.map(({ reason, data }) => [reason, data]),
      Array(3).fill(['csrf.invalid', {}]),
    );
    assert.equal(await isOut(visitor), false);
  });
});
