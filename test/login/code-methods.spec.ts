/** Codes by mail and by text message, and mailed links: on the pages and by the API. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { PASSWORD } from './harness.ts';
import { CALLBACK, codeIn, type Site, startSite, type Visitor } from './site.ts';
import { freshAddress } from './walks.ts';

const freshNumber = (): string => `+49151${String(randomInt(100_000_000)).padStart(8, '0')}`;
const CHANNELS = [
  { method: 'email-otp', channel: 'email', path: '/api/auth/login/email', field: 'email', fresh: freshAddress },
  { method: 'sms-otp', channel: 'sms', path: '/api/auth/login/mobile', field: 'mobile', fresh: freshNumber },
] as const;
type Channel = (typeof CHANNELS)[number];

describe('codes that are sent', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app', { directLogin: true });
    await site.addClient('other', { directLogin: true });
  });
  after(() => site?.close());

  const api = async (path: string, body: object, { client = 'app', address = site.stranger().request.address } = {}) => {
    const response = await fetch(`${site.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address, 'x-request-id': 'test' },
      body: JSON.stringify({ client_id: client, ...body }),
    });
    const text = await response.text();
    return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> };
  };
  const giveNumber = (id: string, phone: string): Promise<unknown> =>
    site.db.query({ name: 'test-number', text: 'update users set phone = $2, phone_verified_at = clock_timestamp() where id = $1' }, [
      id,
      phone,
    ]);
  /** A person with an address or a number, and what to type for them. */
  const personWith = async ({ channel }: Channel, options: Parameters<Site['addPerson']>[0] = {}) => {
    const person = await site.addPerson(options);
    if (channel === 'email') return { ...person, to: person.email };
    const to = freshNumber();
    await giveNumber(person.id, to);
    return { ...person, to };
  };
  const ask = async (visitor: Visitor, method: string, login: string) => visitor.submit({ login, password: '', method });
  const begun = async (method: string, login: string): Promise<Visitor> => {
    const visitor = site.visitor();
    await visitor.signIn('app');
    const answer = await ask(visitor, method, login);
    assert.equal(answer.status, 303, visitor.at?.text);
    return visitor;
  };
  const logins = async () => (await site.events()).filter(({ type }) => type.startsWith('login.'));
  const wrongOf = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

  for (const one of CHANNELS) {
    describe(one.method, () => {
      it('signs in on the pages, once, with one event, and says how it was done', async () => {
        const person = await personWith(one);
        const visitor = await begun(one.method, person.to);
        const code = codeIn(await site.mailFor(person.to));
        const seen = (await logins()).length;
        assert.equal((await visitor.submit({ code: wrongOf(code) })).status, 422);
        const copies = Array.from({ length: 20 }, () => visitor.send({ code }));
        const answers = await Promise.all(copies);
        assert.equal(
          answers.filter((answer) => answer.headers.get('location')?.includes('/auth/')).length,
          1,
          'twenty right ones: one session',
        );
        const events = (await logins()).slice(seen);
        // Whoever comes when the journey is over is shown that it is, and tries nothing.
        assert.ok(events.length >= 2 && events.length <= 21, `${events.length}`);
        assert.deepEqual(
          events.filter(({ type }) => type === 'login.succeeded').map(({ target_id, data }) => [target_id, data['method'], data['acr']]),
          [[person.id, one.method, 'urn:gatehouse:acr:1fa']],
        );
      });

      it('signs in by the API, once of twenty', async () => {
        const person = await personWith(one);
        assert.equal((await api('/api/auth/otp', { channel: one.channel, to: person.to })).status, 202);
        const otp = codeIn(await site.mailFor(person.to));
        assert.equal((await api(one.path, { [one.field]: person.to, otp }, { client: 'other' })).status, 401, 'another client’s code');
        const answers = await Promise.all(Array.from({ length: 20 }, () => api(one.path, { [one.field]: person.to, otp })));
        assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(({ text }) => text).join());
        assert.ok(answers.every(({ status }) => [200, 401, 409, 429].includes(status)));
      });

      it('makes a person of an unknown one who proves it, one of twenty at once, where the tenant lets people register', async () => {
        const to = one.fresh();
        const visitor = await begun(one.method, to);
        const code = codeIn(await site.mailFor(to));
        const answers = await Promise.all(Array.from({ length: 20 }, () => visitor.send({ code })));
        assert.equal(answers.filter((answer) => answer.headers.get('location')?.includes('/auth/')).length, 1);
        const text = `select home_tenant_id, email_verified_at is not null as email, phone_verified_at is not null as phone from users where email = $1 or phone = $1`;
        const made = await site.db.query<Record<string, unknown>>({ name: 'test-made', text }, [to]);
        assert.deepEqual(made, [{ home_tenant_id: site.tenantId, email: one.channel === 'email', phone: one.channel === 'sms' }]);

        const direct = one.fresh();
        await api('/api/auth/otp', { channel: one.channel, to: direct });
        const answer = await api(one.path, { [one.field]: direct, otp: codeIn(await site.mailFor(direct)) });
        assert.equal(answer.status, 200, answer.text);
      });

      it('looks the same for known, unknown and disabled people, and sends the disabled nothing', async () => {
        const [known, disabled] = [await personWith(one), await personWith(one, { status: 'disabled' })];
        const pages: string[] = [];
        for (const to of [known.to, one.fresh(), disabled.to]) {
          const visitor = await begun(one.method, to);
          const shown = visitor.at!;
          const refused = await visitor.send({ code: '000000' });
          const uid = new URL(shown.url).pathname.split('/')[2]!;
          const strip = (text: string) =>
            text
              .replaceAll(uid, 'UID')
              .replaceAll(/name="_csrf" value="[^"]+"/g, '')
              .replaceAll(to, 'TO');
          pages.push(JSON.stringify([shown.status, strip(shown.text), refused.status, strip(await refused.text())]));
        }
        assert.equal(new Set(pages).size, 1);
        const answers = new Set<string>();
        for (const to of [known.to, one.fresh(), disabled.to]) {
          const asked = await api('/api/auth/otp', { channel: one.channel, to });
          const tried = await api(one.path, { [one.field]: to, otp: '000000' });
          answers.add(JSON.stringify([asked.status, asked.text, tried.status, tried.text]));
        }
        assert.equal(answers.size, 1, [...answers].join('\n'));
        await site.settle();
        assert.deepEqual(await site.mails(disabled.to), []);
      });

      it('evaluates five of fifty wrong ones, over pages, API and new codes together, and then not even the right one', async () => {
        const person = await personWith(one);
        const visitor = await begun(one.method, person.to);
        const code = codeIn(await site.mailFor(person.to));
        const seen = (await logins()).length;
        await Promise.all(Array.from({ length: 25 }, () => visitor.send({ code: wrongOf(code) })));
        await Promise.all(Array.from({ length: 25 }, () => api(one.path, { [one.field]: person.to, otp: wrongOf(code) })));
        const reasons = (await logins()).slice(seen).map(({ reason }) => reason);
        assert.equal(reasons.length, 50);
        assert.equal(reasons.filter((reason) => reason?.startsWith('code.')).length, 5, reasons.join());
        const right = await visitor.send({ code });
        assert.equal(right.status, 429);
        const again = await begun(one.method, person.to);
        const another = codeIn(await site.mailFor(person.to, 1));
        assert.equal((await again.send({ code: another })).status, 429);
      });

      it('takes neither shortened, padded, wide nor expired codes, nor those of another journey', async () => {
        const person = await personWith(one);
        const [mine, theirs] = [await begun(one.method, person.to), await begun(one.method, (await personWith(one)).to)];
        const code = codeIn(await site.mailFor(person.to));
        for (const text of ['', code.slice(0, 5), `0${code}`])
          assert.notEqual((await mine.send({ code: text })).headers.get('location')?.includes('/auth/'), true, `"${text}"`);
        const wide = [...code].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join('');
        assert.equal((await mine.send({ code: wide })).status, 422);
        assert.equal((await theirs.send({ code })).status, 422);
        const slow = await personWith(one);
        const late = await begun(one.method, slow.to);
        const expired = codeIn(await site.mailFor(slow.to));
        site.clock.forward(601);
        assert.equal((await late.send({ code: expired })).status, 422);
        const reasons = (await logins()).map(({ reason }) => reason);
        assert.match(reasons.at(-1) ?? '', /^code\./);
      });
    });
  }

  it('takes a number as people write it, and C17: whatever an address header says', async () => {
    await site.db.query({ name: 'test-country', text: `update tenants set settings = settings || '{"country":"DE"}' where id = $1` }, [
      site.tenantId,
    ]);
    const person = await site.addPerson();
    const number = freshNumber();
    await giveNumber(person.id, number);
    const written = `0${number.slice(3, 6)} / ${number.slice(6)}`;
    const visitor = await begun('sms-otp', written);
    assert.ok((await visitor.submit({ code: codeIn(await site.mailFor(number)) })).location?.href.startsWith(CALLBACK), visitor.at?.text);
    assert.equal((await api('/api/auth/otp', { channel: 'sms', to: '+490000' })).status, 422);
    const odd = site.visitor('a.b, , [::1');
    await odd.signIn('app');
    assert.equal((await odd.submit({ login: person.email, password: '' })).status, 422);
    assert.equal((await odd.send({ code: '' })).headers.get('location')?.includes('/auth/') ?? false, false);
  });

  it('C23: a code is for one purpose: that of a sign-in does not reset a password, that of a reset does not sign in', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = await begun('email-otp', person.email);
    const code = codeIn(await site.mailFor(person.email));
    const path = new URL(visitor.at!.url).pathname;
    await visitor.open(`${path}/reset`);
    await visitor.submit({ email: person.email });
    const reset = codeIn(await site.mailFor(person.email, 1));
    assert.equal((await visitor.submit({ code, new_password: 'violet cactus thunder marble' })).status, code === reset ? 303 : 422);
    const other = await begun('email-otp', person.email);
    assert.equal((await other.send({ code: reset })).headers.get('location')?.includes('/auth/') ?? false, false);
  });

  it('a mailed link opens a page that uses nothing up, signs in with a click, and shows the code in another browser', async () => {
    await site.db.query(
      {
        name: 'test-offer',
        text: `update tenants set settings = '{"methods":["password","magic-link","email-otp","sms-otp"]}' where id = $1`,
      },
      [site.tenantId],
    );
    const person = await site.addPerson();
    const visitor = await begun('magic-link', person.email);
    const mail = await site.mailFor(person.email);
    const link = /https?:\/\/\S+\/link\?code=\d{6}/.exec(mail.text)?.[0] ?? assert.fail(mail.text);
    const elsewhere = site.visitor();
    await elsewhere.open(link);
    assert.equal(elsewhere.at?.status, 200);
    assert.ok(elsewhere.at.text.includes(codeIn(mail)) && !elsewhere.at.text.includes('<form'));
    await visitor.open(link);
    await visitor.open(link);
    const done = await visitor.submit({});
    assert.ok(done.location?.href.startsWith(CALLBACK), done.page?.text);
  });

  it('a code as the second factor, where the tenant requires one, and not the mailbox twice', async () => {
    const required = await startSite({ hooks: { required: async () => 'urn:gatehouse:acr:2fa' } });
    try {
      await required.addClient('app', { directLogin: true });
      const person = await required.addPerson({ password: PASSWORD });
      const visitor = required.visitor();
      await visitor.signIn('app');
      assert.equal((await visitor.submit({ login: person.email, password: PASSWORD })).location, undefined);
      assert.equal((await visitor.submit({ method: 'email-otp' })).location, undefined, 'the chooser');
      const code = codeIn(await required.mailFor(person.email));
      assert.ok((await visitor.submit({ code })).location?.href.startsWith(CALLBACK), visitor.at?.text);

      const another = await required.addPerson();
      const twice = required.visitor();
      await twice.signIn('app');
      await twice.submit({ login: another.email, password: '', method: 'email-otp' });
      const { location } = await twice.submit({ code: codeIn(await required.mailFor(another.email)) });
      assert.equal(location?.searchParams.get('error'), 'unmet_authentication_requirements');
    } finally {
      await required.close();
    }
  });
});
