/** Ways in by passkeys, by other providers, by second factors and by clients themselves: what ends access ends each of them half way. */
import assert from 'node:assert/strict';
import { generate } from 'otplib';
import { newId } from '#src/core/ids.ts';
import type { Browser } from '#test/support/browser.ts';
import { type Flow, type HalfWay, type HalfWayPerson, isIn, secretOn, startHalfWay } from '#test/support/half-way.ts';
import { formOf, submit } from '#test/support/person.ts';
import { isChooser } from '#test/support/tenancy.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey } from '#test/support/webauthn.ts';

const KINDS = ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple'] as const;
const NEXT = 'amber lantern walrus piano';

describe('a way in that is half way', function () {
  this.timeout(60_000);
  let w: HalfWay;
  let third: string;

  before(async () => {
    w = await startHalfWay();
    for (const kind of KINDS) await w.site.connect(kind, { key: kind });
    third = (await w.tenancy.addClient(w.site.app.rootTenantId, { first_party: false })).id;
  });
  after(() => w?.close());

  const addPasskey = async (person: HalfWayPerson): Promise<Passkey> => {
    const call = await w.me(person);
    const begun = await call('factors/passkey/start');
    const made = createPasskey(begun.body['options'] as CreationOptions, w.site.app.issuer);
    const done = await call('factors/passkey/finish', { enrolment: begun.body['enrolment'], credential: made.credential });
    assert.equal(done.status, 201, done.text);
    return made.passkey;
  };
  const linked = async ({ id, n }: HalfWayPerson, kind: string): Promise<string> => {
    const sub = `${kind === 'github' ? '' : 'sub-'}${7000 + n}`;
    const { rows } = await w.site.app.owner.query('select id from connections where key = $1', [kind]);
    await w.site.app.owner.query('insert into identities (id, connection_id, subject, user_id) values ($1, $2, $3, $4)', [
      newId(),
      rows[0].id,
      sub,
      id,
    ]);
    return sub;
  };
  const upstreamAnswer = async (browser: Browser, kind: string, someone: object): Promise<{ url: URL; form?: Record<string, string> }> => {
    Object.assign(w.site.fake.someone, someone);
    return w.site.fake.authorize(await w.site.leave(browser, kind));
  };

  const flows: Record<string, Flow> = {
    'a passkey whose challenge was given': {
      provenAfterwards: 'the authenticator signs with its owner present, for whoever may sign in by then',
      async begin(person) {
        const passkey = await addPasskey(person);
        const { browser } = person;
        const page = await w.enter(browser);
        const { action, fields } = formOf(page);
        const script = browser.clone();
        Object.assign(script.headers, { accept: 'application/json' });
        const answer = await script.post(action, { ...fields, method: 'passkey' });
        const { challenge } = (await answer.json()) as { challenge: RequestOptions };
        const signed = JSON.stringify(usePasskey(passkey, challenge, w.site.app.issuer));
        return async () => isIn(await submit(browser, page, { method: 'passkey', passkey: signed }));
      },
    },
    ...Object.fromEntries(
      KINDS.map((kind): [string, Flow] => [
        `a browser that is at ${kind}`,
        {
          provenAfterwards: 'the provider vouches when its answer is redeemed, for whoever may sign in by then',
          async begin(person) {
            await w.settings({ signUp: 'closed' });
            const sub = await linked(person, kind);
            const answer = await upstreamAnswer(person.browser, kind, { sub, email: person.login, emailVerified: true });
            return async () => isIn(await w.site.comeBack(person.browser, answer));
          },
        },
      ]),
    ),
    'a second factor after another provider': {
      async begin(person) {
        const { browser } = person;
        const [sub, secret] = [await linked(person, 'oidc'), await w.addTotp(person)];
        const { page } = await w.site.comeBack(browser, await upstreamAnswer(browser, 'oidc', { sub, email: person.login }));
        return async () => isIn(await submit(browser, page!, { code: await generate({ secret }) }));
      },
    },
    'an identity that waits for the proof of its account': {
      provenAfterwards: 'the password is typed by whoever may sign in by then',
      async begin(person) {
        const { browser } = person;
        const someone = { sub: `waits-${person.n}`, email: person.login, emailVerified: true };
        const { page } = await w.site.comeBack(browser, await upstreamAnswer(browser, 'oidc', someone));
        assert.ok(page?.text.includes('name="password"'), page?.text);
        return async () => isIn(await submit(browser, page!, { login: person.login, password: person.password }));
      },
    },
    'an authenticator app that is asked for': {
      async begin(person) {
        const secret = await w.addTotp(person);
        const { browser, login, password } = person;
        const { page } = await submit(browser, await w.enter(browser), { login, password });
        return async () => isIn(await submit(browser, page!, { code: await generate({ secret }) }));
      },
    },
    'a second factor that has to be set up on the way': {
      async begin({ browser, login, password }) {
        await w.settings({ methods: ['password', 'totp'], secondFactor: 'required' });
        const { page } = await submit(browser, await w.enter(browser), { login, password });
        const secret = secretOn(page!);
        assert.ok(secret, page?.text);
        return async () => isIn(await submit(browser, page!, { code: await generate({ secret }) }));
      },
    },
    'a direct login that waits for its second factor': {
      async begin(person) {
        const secret = await w.addTotp(person);
        const { body } = await w.door('login', { username: person.login, password: person.password });
        assert.ok(body['mfaToken'], JSON.stringify(body));
        return async () => (await w.door('login/2fa', { mfaToken: body['mfaToken'], code: await generate({ secret }) })).status === 200;
      },
    },
    'a direct login by a code that was asked for': {
      async begin({ login }) {
        assert.equal((await w.door('otp', { channel: 'email', to: login })).status, 202);
        const otp = await w.codeTo(login);
        return async () => (await w.door('login/email', { email: login, otp })).status === 200;
      },
    },
    'a direct reset whose code was sent': {
      async begin({ login }) {
        const { body } = await w.door('password/reset', { email: login });
        const code = await w.codeTo(login);
        return async () =>
          (await w.door('password/reset/complete', { resetToken: body['resetToken'], code, password: NEXT })).status === 200;
      },
    },
    'an organisation that is to be chosen': {
      async begin(person) {
        const { giveRole } = await import('#test/support/roles.ts');
        for (const { id } of [w.tenancy.one, w.tenancy.two]) await giveRole(w.site.app.owner, id, person.id, 'member');
        const { page } = await w.tenancy.begin(person.browser, w.tenancy.app, person);
        assert.ok(isChooser(page));
        return async () => isIn(await submit(person.browser, page, { tenant: w.tenancy.one.id }));
      },
    },
    'a consent that is to be given': {
      async begin({ browser, login, password }) {
        const { page } = await submit(browser, await w.enter(browser, third), { login, password });
        assert.match(page?.text ?? '', /value="allow"/);
        return async () => isIn(await submit(browser, page!, { decision: 'allow' }));
      },
    },
  };

  for (const [name, flow] of Object.entries(flows)) {
    const but = flow.provenAfterwards === undefined ? '' : `; else ${flow.provenAfterwards}`;
    it(`is ended by disabling or deleting its person, or ending all access: ${name}${but}`, () => w.tryAll(flow));
  }
});
