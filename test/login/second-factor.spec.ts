/** What is asked beside the first proof, at every door; and what stands in for it. */
import assert from 'node:assert/strict';
import { generate } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { forgetTrust } from '#src/login/journey-store.ts';
import { PASSWORD, type TestPerson } from './harness.ts';
import { CALLBACK, codeIn, type Site, startSite, type Visitor } from './site.ts';

const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const TWO = 'urn:gatehouse:acr:2fa';

describe('a second factor', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app', { directLogin: true });
    await site.addClient('other', { directLogin: true });
  });
  after(() => site?.close());

  async function giveTotp({ id }: TestPerson): Promise<void> {
    const credential = newId();
    const sealed = site.box.seal(SEED, `credential:${credential}`);
    const text = `insert into credentials (id, user_id, type, data, sealed, name) values ($1, $2, 'totp', '{"lastStep":0}', $3, 'App')`;
    await site.db.query({ name: 'test-totp', text }, [credential, id, sealed]);
  }
  const withTotp = async (): Promise<TestPerson> => {
    const person = await site.addPerson({ password: PASSWORD });
    await giveTotp(person);
    return person;
  };
  /** Later codes are of later steps: each is taken once. */
  const codeNow = async (): Promise<string> => {
    site.clock.forward(60);
    return generate({ secret: SEED, epoch: Math.floor(site.clock.now().getTime() / 1000) });
  };
  const wrongOf = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0');
  const passwordFirst = async (person: TestPerson, visitor: Visitor = site.visitor(), more = {}): Promise<Visitor> => {
    await visitor.signIn('app', more);
    await visitor.submit({ login: person.email, password: PASSWORD });
    return visitor;
  };
  const arrives = (answer: { location?: URL }): boolean =>
    answer.location?.href.startsWith(CALLBACK) === true && answer.location.searchParams.has('code');
  const api = async (path: string, body: object, client = 'app') => {
    const response = await fetch(`${site.url}/api/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': site.stranger().request.address },
      body: JSON.stringify({ client_id: client, ...body }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('C7: is asked of who has one, though nobody requires it', async () => {
    const visitor = await passwordFirst(await withTotp());
    assert.equal(visitor.at?.status, 200);
    assert.match(visitor.at.text, /name="code"/);
    assert.ok(arrives(await visitor.submit({ code: await codeNow() })));
  });

  it('C9: is asked whatever came first, and a mailed code does not stand in for it', async () => {
    const person = await withTotp();
    const visitor = site.visitor();
    await visitor.signIn('app');
    await visitor.submit({ login: person.email, password: '', method: 'email-otp' });
    const mailed = codeIn(await site.mailFor(person.email));
    assert.equal(arrives(await visitor.submit({ code: mailed })), false);
    assert.equal((await visitor.send({ method: 'email-otp' })).headers.get('location')?.includes('/auth/'), false);
    await visitor.open(visitor.at!.url);
    assert.ok(arrives(await visitor.submit({ code: await codeNow() })), visitor.at?.text);
  });

  it('C10, C15: is not passed by posting nothing, the first step again, or by JSON', async () => {
    const person = await withTotp();
    const visitor = await passwordFirst(person);
    for (const fields of [
      {},
      { code: '' },
      { login: person.email, password: PASSWORD },
      { decision: 'skip' },
      { decision: 'allow' },
      { method: 'password' },
    ])
      assert.equal(
        (await visitor.send(fields as Record<string, string>)).headers.get('location')?.includes('/auth/') ?? false,
        false,
        JSON.stringify(fields),
      );
    const first = await api('login', { username: person.email, password: PASSWORD });
    assert.deepEqual([first.status, first.body['code'], first.body['methods']], [401, 'auth.mfa_required', ['totp']]);
    assert.equal(first.body['access_token'], undefined);
  });

  it('by the API: five tries with the pages, one use, and of nobody else', async () => {
    const person = await withTotp();
    const token = async (): Promise<unknown> => (await api('login', { username: person.email, password: PASSWORD })).body['mfaToken'];
    const mfaToken = await token();
    const code = await codeNow();
    assert.equal((await api('login/2fa', { mfaToken, code }, 'other')).status, 401, 'another client');
    assert.equal((await api('login/2fa', { mfaToken, code, userId: newId() })).status, 401, 'another person');
    const again = await token();
    const answers = await Promise.all(
      [mfaToken, mfaToken, mfaToken].map((one) => api('login/2fa', { mfaToken: one, code, userId: person.id })),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, JSON.stringify(answers));
    assert.equal((await api('login/2fa', { mfaToken: again, code })).status, 401, 'C5: the same step twice');

    const held = await withTotp();
    const third = (await api('login', { username: held.email, password: PASSWORD })).body['mfaToken'];
    const visitor = await passwordFirst(held);
    const right = await codeNow();
    const wrong = [
      ...(await Promise.all(Array.from({ length: 5 }, () => api('login/2fa', { mfaToken: third, code: wrongOf(right) })))).map(
        ({ status }) => status,
      ),
      ...(await Promise.all(Array.from({ length: 5 }, () => visitor.send({ code: wrongOf(right) })))).map(({ status }) => status),
    ];
    assert.equal(wrong.filter((status) => status !== 429).length, 5, `C1, C3: ${wrong.join()}`);
    assert.equal((await api('login/2fa', { mfaToken: third, code: right })).status, 429);
    assert.equal((await visitor.send({ code: right })).status, 429);
  });

  it('ends with its five minutes', async () => {
    const person = await withTotp();
    const { mfaToken } = (await api('login', { username: person.email, password: PASSWORD })).body;
    site.clock.forward(301);
    assert.equal((await api('login/2fa', { mfaToken, code: await codeNow() })).status, 401);
  });

  it('is not asked again on a device that was trusted, until the trust is over; nor when an application asks for it', async () => {
    const person = await withTotp();
    const visitor = await passwordFirst(person);
    assert.match(visitor.at!.text, /name="remember"/);
    assert.ok(arrives(await visitor.submit({ code: await codeNow(), remember: 'yes' })));
    const next = async (more = {}): Promise<boolean> => {
      const browser = site.visitor();
      for (const [key, cookie] of visitor.jar) if (key.startsWith('gh_device')) browser.jar.set(key, cookie);
      await browser.signIn('app', more);
      return arrives(await browser.submit({ login: person.email, password: PASSWORD }));
    };
    assert.equal(await next(), true);
    assert.equal(await next({ acr_values: TWO }), false, 'the application asks');
    for (const acr of [{ essential: true, value: TWO }, { value: TWO }, { essential: true, values: ['phr', TWO] }])
      assert.equal(await next({ claims: JSON.stringify({ id_token: { acr } }) }), false, `the application asks by ${JSON.stringify(acr)}`);
    assert.equal(await next({ claims: JSON.stringify({ id_token: { acr: null, email: { value: TWO } } }) }), true, 'of something else');
    const later = site.visitor();
    for (const [key, cookie] of visitor.jar) if (key.startsWith('gh_device')) later.jar.set(key, cookie);
    await later.signIn('app');
    assert.ok(arrives(await later.submit({ login: person.email, password: PASSWORD })));
    const essential = { claims: JSON.stringify({ id_token: { acr: { essential: true, value: TWO } } }) };
    assert.equal(arrives(await later.signIn('app', essential)), false, 'of the session that the device has led to');
    assert.match(later.at!.text, /name="code"/);
    assert.equal(arrives(await later.signIn('app')), true, 'and nobody else');
    const other = site.visitor();
    await other.signIn('app');
    assert.equal(arrives(await other.submit({ login: person.email, password: PASSWORD })), false, 'another device');
    assert.match(other.at!.text, /name="code"/);
    await site.db.transaction((sql) => forgetTrust(sql, person.id));
    assert.equal(await next(), false, 'a factor or the password was changed');
    assert.ok(
      arrives(await (await passwordFirst(person, visitor, { prompt: 'login' })).submit({ code: await codeNow(), remember: 'yes' })),
    );
    assert.equal(await next(), true);
    const text = `update known_devices set trusted_until = trusted_until - interval '30 days' where user_id = $1 and trusted_until is not null`;
    await site.db.query({ name: 'test-thirty-days', text }, [person.id]);
    assert.equal(await next(), false, 'thirty days');
  });

  it('C18: is not replaced by a cookie that somebody made up, or took from another person', async () => {
    const [mine, theirs] = [await withTotp(), await withTotp()];
    const visitor = await passwordFirst(mine);
    assert.ok(arrives(await visitor.submit({ code: await codeNow(), remember: 'yes' })));
    const thief = site.visitor();
    for (const [key, cookie] of visitor.jar) if (key.startsWith('gh_device')) thief.jar.set(key, cookie);
    await thief.signIn('app');
    assert.equal(arrives(await thief.submit({ login: theirs.email, password: PASSWORD })), false);
    const forger = site.visitor();
    forger.jar.set('gh_device|/', { value: 'A'.repeat(43), path: '/' });
    await forger.signIn('app');
    assert.equal(arrives(await forger.submit({ login: mine.email, password: PASSWORD })), false);
  });

  it('alone is asked where a session is too weak: nothing that was shown is asked for again', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = site.visitor();
    await visitor.signIn('app');
    assert.ok(arrives(await visitor.submit({ login: person.email, password: PASSWORD })));
    await giveTotp(person);
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: TWO } } });
    await visitor.signIn('app', { claims });
    assert.match(visitor.at!.text, /name="code"/);
    assert.ok(!visitor.at!.text.includes('name="password"'));
    assert.equal(arrives(await visitor.submit({ code: '000000' })), false);
    assert.ok(arrives(await visitor.submit({ code: await codeNow() })), visitor.at?.text);
  });

  it('C13: is not passed by a reset, nor is the code of the reset by choosing another way', async () => {
    const person = await withTotp();
    const visitor = site.visitor();
    await visitor.signIn('app');
    await visitor.open(`${new URL(visitor.at!.url).pathname}/reset`);
    await visitor.submit({ email: person.email });
    const count = (await site.mails(person.email)).length;
    const code = codeIn(await site.mailFor(person.email, Math.max(0, count - 1)));
    for (const method of ['totp', 'email-otp', 'password']) await visitor.send({ method });
    assert.equal((await visitor.send({ new_password: 'violet cactus thunder marble' })).headers.get('location'), null);
    await visitor.open(visitor.at!.url);
    await visitor.submit({ code, new_password: 'violet cactus thunder marble' });
    assert.ok(!visitor.at!.text.includes('name="new_password"'));
    assert.ok(arrives(await visitor.submit({ code: await codeNow() })), visitor.at?.text);
  });
});
