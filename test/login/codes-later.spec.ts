/** What becomes of a code after it was sent: the address changes, another is asked for, it is typed in groups. */
import assert from 'node:assert/strict';
import { PASSWORD } from './harness.ts';
import { codeIn, type Site, startSite, type Visitor } from './site.ts';

const SENT = /A new code is on its way/;

describe('a code that was sent', function () {
  this.timeout(60_000);
  let site: Site;
  const strong = new Set<string>();
  before(async () => {
    site = await startSite({ hooks: { required: async (id) => `urn:gatehouse:acr:${strong.has(id) ? '2fa' : '1fa'}` } });
    await site.addClient('app');
  });
  after(() => site?.close());

  const begun = async (login: string, fields: Record<string, string>): Promise<Visitor> => {
    const visitor = site.visitor();
    await visitor.signIn('app');
    await visitor.submit({ login, password: '', ...fields });
    return visitor;
  };
  /** As an administrator changes it. */
  const move = async ({ id, email }: { id: string; email: string }): Promise<void> => {
    const text = 'update users set email = $2, email_key = $2 where id = $1';
    await site.db.query({ name: 'test-move', text }, [id, `new-${email}`]);
  };
  const isIn = ({ location }: { location?: URL }): boolean => location?.searchParams.has('code') ?? false;

  it('signs nobody in by an address that was theirs when it was sent and is no more', async () => {
    for (const isMoved of [false, true]) {
      const person = await site.addPerson({ password: PASSWORD });
      const visitor = await begun(person.username, { method: 'email-otp' });
      const code = codeIn(await site.mailFor(person.email));
      if (isMoved) await move(person);
      const answer = await visitor.submit({ code });
      assert.deepEqual([isIn(answer), answer.status], isMoved ? [false, 422] : [true, 303]);
    }
    assert.equal((await site.events('login.refused')).at(-1)?.reason, 'code.none');
  });

  it('is no second factor by an address that was theirs when it was sent and is no more', async () => {
    for (const isMoved of [false, true]) {
      const person = await site.addPerson({ password: PASSWORD });
      strong.add(person.id);
      const visitor = await begun(person.username, { password: PASSWORD });
      await visitor.submit({ method: 'email-otp' });
      const code = codeIn(await site.mailFor(person.email));
      if (isMoved) await move(person);
      const answer = await visitor.submit({ code });
      assert.deepEqual([isIn(answer), answer.status], isMoved ? [false, 422] : [true, 303]);
    }
  });

  it('is followed by another to the same address where that is asked for on its page, and is worth nothing then', async () => {
    const person = await site.addPerson();
    const visitor = await begun(person.email, { method: 'email-otp' });
    const first = codeIn(await site.mailFor(person.email));
    const again = await visitor.submit({ decision: 'resend' });
    assert.deepEqual([again.status, again.page?.status], [303, 200]);
    assert.match(visitor.at!.text, SENT);
    const second = codeIn(await site.mailFor(person.email, 1));
    if (first !== second) assert.equal((await visitor.submit({ code: first })).status, 422);
    if (first !== second) assert.doesNotMatch(visitor.at!.text, SENT);
    assert.ok(isIn(await visitor.submit({ code: second })));
  });

  it('is the same however it is grouped, in a sign-in and in a registration', async () => {
    const grouped = (code: string): string => ` ${code.slice(0, 3)} ${code.slice(3)}\u00a0`;
    const person = await site.addPerson();
    const visitor = await begun(person.email, { method: 'email-otp' });
    assert.ok(isIn(await visitor.submit({ code: grouped(codeIn(await site.mailFor(person.email))) })));

    const email = `grouped-${person.email}`;
    const newcomer = site.visitor();
    await newcomer.signIn('app');
    await newcomer.open(`${newcomer.at!.url}/register`);
    await newcomer.submit({ email, given_name: 'N', family_name: 'N', new_password: 'amber lantern walrus piano' });
    assert.ok(isIn(await newcomer.submit({ code: grouped(codeIn(await site.mailFor(email))) })), newcomer.at?.text);
  });

  it('is said to be on its way wherever another one is asked for', async () => {
    const { email } = await site.addPerson({ password: PASSWORD });
    const forms = { register: { email: `other-${email}`, new_password: 'amber lantern walrus piano' }, reset: { email } };
    for (const [path, form] of Object.entries(forms)) {
      const visitor = site.visitor();
      await visitor.signIn('app');
      await visitor.open(`${visitor.at!.url}/${path}`);
      await visitor.submit(form);
      assert.doesNotMatch(visitor.at!.text, SENT, path);
      await visitor.submit({ decision: 'resend' });
      assert.match(visitor.at!.text, SENT, path);
    }
  });

  it('is refused on the record where the form names a method that is none, however long and wherever it is cut', async () => {
    for (const name of ['x'.repeat(70), `${'x'.repeat(63)}😀`, '😀'.repeat(40)]) {
      const visitor = await begun('nobody', { method: name, password: PASSWORD });
      assert.equal(visitor.at?.status, 422, visitor.at?.text);
      const last = (await site.events('login.refused')).at(-1);
      assert.deepEqual([last?.reason, String(last?.data['method']).slice(0, 2)], ['method.unknown', name.slice(0, 2)]);
    }
  });
});
