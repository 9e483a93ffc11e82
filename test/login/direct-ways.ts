/** Each way to sign in by the API, up to its last call: with codes from the mailbox, an authenticator that signs, a provider and a service that answer. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { generate } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { hashRecoveryCodes, makeRecoveryCodes } from '#src/features/factors/recovery-codes.ts';
import { passkeyEnrolment } from '#src/login/enrol/passkey.ts';
import { type AppSettings, basicAuth } from '#test/support/app.ts';
import { type HalfWay, startHalfWay } from '#test/support/half-way.ts';
import { type FakeSecondFactor, startSecondFactorService } from '#test/support/second-factor-service.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey } from '#test/support/webauthn.ts';
import type { Call, DirectMethod, LastCall, Somebody } from '../contract/direct-method.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEXT = 'seven otters four lanterns';
const [ONE, TWO, STRONG] = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr'];

export interface DirectWays {
  readonly w: HalfWay;
  methods: readonly DirectMethod[];
  start(settings?: Omit<AppSettings, 'env'>): Promise<void>;
  close(): Promise<void>;
}

export function directWays(): DirectWays {
  let w: HalfWay;
  let outside: FakeSecondFactor;
  let guarded: string;
  let phones = 0;

  const wrongOf = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0');
  const someone = async (): Promise<Somebody> => w.newPerson();
  const withPhone = async (): Promise<Somebody & { phone: string }> => {
    phones += 1;
    const [person, phone] = [await w.newPerson(), `+6681234${String(2000 + phones)}`];
    const set = await w.site.app.api('PATCH', `/api/users/${person.id}`, { phone, phoneVerified: true });
    assert.equal(set.status, 200, set.text);
    return { ...person, phone };
  };
  const phoneOf = async ({ id }: Somebody): Promise<string> =>
    (await w.site.app.owner.query<{ phone: string }>('select phone from users where id = $1', [id])).rows[0]!.phone;
  const accepted = async (call: Call, path: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await call(path, body);
    assert.equal(answer.status, 202, answer.text);
    return answer.body;
  };
  const nobody = (): string => `nobody-${randomUUID()}@example.test`;
  /** The newest code of those that were sent to the address since. */
  const freshCode = async (to: string, ask: () => Promise<unknown>): Promise<string> => {
    const sent = async () =>
      ((await (await fetch(`${w.site.app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[]).filter(
        (one) => one.to === to,
      );
    const before = (await sent()).length;
    await ask();
    for (let round = 0; round < 200; round += 1) {
      const all = await sent();
      const code = all.length > before ? /\b(\d{6})\b/.exec(all[0]!.text)?.[1] : undefined;
      if (code !== undefined) return code;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return assert.fail(`nothing for ${to}`);
  };

  /** By a code to an address: what asks for it, and the last call. */
  const byCode =
    (channel: 'email' | 'sms', field: string, path: string) =>
    async (to: string, call: Call): Promise<LastCall> => {
      const otp = await freshCode(to, () => accepted(call, 'otp', { channel, to }));
      return { path, right: { [field]: to, otp }, wrong: { [field]: to, otp: wrongOf(otp) } };
    };
  const byMail = byCode('email', 'email', 'login/email');
  const byText = byCode('sms', 'mobile', 'login/mobile');

  const keys = new Map<string, Passkey>();
  const withPasskey =
    (verified = true) =>
    async (): Promise<Somebody> => {
      const person = await w.newPerson();
      const [who, place] = [
        { id: person.id, login: person.login, name: 'Ada', passkeys: [] },
        { issuer: w.site.app.issuer, name: 'Acme' },
      ];
      const state = await passkeyEnrolment.start(who, place);
      const options = (await passkeyEnrolment.show(state, who, place)) as CreationOptions;
      const { passkey, credential } = createPasskey(options, place.issuer, { verified });
      const names = { totp: 'App', passkey: 'Key' };
      const answer = { credential: credential as never };
      const factor = await passkeyEnrolment.finish(state, answer, { now: new Date(), issuer: place.issuer, names });
      assert.ok(factor);
      const text = `insert into credentials (id, user_id, type, name, data, lookup) values ($1, $2, 'passkey', $3, $4::jsonb, $5)`;
      await w.site.app.owner.query(text, [newId(), person.id, factor.name, JSON.stringify(factor.data), factor.lookup]);
      keys.set(person.id, passkey);
      return person;
    };
  const signed = async ({ id }: Somebody, call: Call, issuer: string, asked: object, verified = true): Promise<LastCall> => {
    const options = await call('passkey/options', asked);
    assert.equal(options.status, 200, options.text);
    const token = options.body['passkeyToken'] === undefined ? asked : { passkeyToken: options.body['passkeyToken'] };
    const publicKey = options.body['publicKey'] as RequestOptions;
    const by = (origin: string): object => ({ ...token, credential: usePasskey(keys.get(id)!, publicKey, origin, { verified }) });
    const wrong = by('https://evil.test');
    return { path: 'login/passkey', wrong, right: by(issuer) } as LastCall;
  };

  /** The password first, and what is asked for then. */
  const due = async ({ login }: Somebody, call: Call, method: string): Promise<string> => {
    const answer = await call('login', { username: login, password: PASSWORD });
    assert.deepEqual([answer.status, answer.body['code']], [401, 'auth.mfa_required'], answer.text);
    assert.ok((answer.body['methods'] as string[]).includes(method), answer.text);
    return String(answer.body['mfaToken']);
  };
  const second = (mfaToken: string, method: string, code: string, wrong: string): LastCall => ({
    path: 'login/2fa',
    right: { mfaToken, method, code },
    wrong: { mfaToken, method, code: wrong },
  });
  const secondByCode =
    (channel: 'email' | 'sms', method: string, addressOf: (of: Somebody) => string | Promise<string>) =>
    async (of: Somebody, call: Call): Promise<LastCall> => {
      const mfaToken = await due(of, call, method);
      const code = await freshCode(await addressOf(of), () => accepted(call, 'otp', { channel, mfaToken }));
      return second(mfaToken, method, code, wrongOf(code));
    };
  const secrets = new Map<string, string>();
  const asking = { metadata: { require_second_factor: true } };

  const methods: DirectMethod[] = [
    {
      name: 'a password',
      make: someone,
      ready: async ({ login }) => ({
        path: 'login',
        right: { username: login, password: PASSWORD },
        wrong: { username: login, password: NEXT },
      }),
      unknown: async () => ({ path: 'login', right: {}, wrong: { username: nobody(), password: NEXT } }),
      acr: ONE!,
      lasting: 'a password is right as often as it is typed',
    },
    {
      name: 'a code by mail',
      make: someone,
      ready: ({ login }, call) => byMail(login, call),
      async unknown(call) {
        const email = nobody();
        await accepted(call, 'otp', { channel: 'email', to: email });
        return { path: 'login/email', right: {}, wrong: { email, otp: '000000' } };
      },
      acr: ONE!,
    },
    {
      name: 'a code by text message',
      make: withPhone,
      ready: async (of, call) => byText(await phoneOf(of), call),
      async unknown(call) {
        phones += 1;
        const mobile = `+6681239${String(2000 + phones)}`;
        await accepted(call, 'otp', { channel: 'sms', to: mobile });
        return { path: 'login/mobile', right: {}, wrong: { mobile, otp: '000000' } };
      },
      acr: ONE!,
    },
    {
      name: 'a passkey',
      make: withPasskey(),
      ready: (of, call, issuer) => signed(of, call, issuer, {}),
      acr: STRONG!,
    },
    {
      name: 'another provider',
      async make() {
        Object.assign(w.site.fake.someone, { sub: randomUUID(), email: `up-${randomUUID()}@example.test` });
        const client = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
        const body = { provider: 'google', id_token: await w.site.fake.idToken('google') };
        const made = await w.site.app.api('POST', '/api/auth/login/social', body, basicAuth(client));
        assert.equal(made.status, 200, made.text);
        const { sub } = JSON.parse(Buffer.from(String(made.body['id_token']).split('.')[1]!, 'base64url').toString()) as { sub: string };
        await w.site.app.owner.query('delete from oidc_sessions where user_id = $1', [sub]);
        return { id: sub, login: '' };
      },
      ready: async () => ({
        path: 'login/social',
        right: { provider: 'google', id_token: await w.site.fake.idToken('google') },
        wrong: { provider: 'google', id_token: await w.site.fake.idToken('google', undefined, 'another-app') },
      }),
      acr: ONE!,
      foreign: '401 auth.invalid_credentials',
      lasting: 'what the provider signed is good for as long as it says',
    },
    {
      name: 'a registration',
      make: async () => ({ id: '', login: `new-${randomUUID()}@example.test` }),
      async ready({ login }, call) {
        let token: unknown;
        const code = await freshCode(login, async () => {
          token = (await accepted(call, 'register', { email: login, password: PASSWORD, givenName: 'N', familyName: 'N' }))[
            'registrationToken'
          ];
        });
        return { path: 'verify', right: { registrationToken: token, code }, wrong: { registrationToken: token, code: wrongOf(code) } };
      },
      acr: ONE!,
      events: ['user.registered', 'registration.refused'],
      makesPerson: true,
    },
    {
      name: 'a reset',
      make: someone,
      async ready({ login }, call) {
        let resetToken: unknown;
        const code = await freshCode(login, async () => {
          resetToken = (await accepted(call, 'password/reset', { email: login }))['resetToken'];
        });
        const call_ = { resetToken, password: NEXT };
        return { path: 'password/reset/complete', right: { ...call_, code }, wrong: { ...call_, code: wrongOf(code) } };
      },
      async unknown(call) {
        const { resetToken } = await accepted(call, 'password/reset', { email: nobody() });
        return { path: 'password/reset/complete', right: {}, wrong: { resetToken, code: '000000', password: NEXT } };
      },
      acr: ONE!,
      events: ['password_reset.completed', 'password_reset.refused'],
    },
    {
      name: 'an authenticator app after the password',
      async make() {
        const person = await w.newPerson();
        secrets.set(person.id, await w.addTotp(person));
        return person;
      },
      async ready(of, call) {
        const mfaToken = await due(of, call, 'totp');
        const code = await generate({ secret: secrets.get(of.id)! });
        return second(mfaToken, 'totp', code, wrongOf(code));
      },
      renewed: async ({ id }, right) => ({ ...right, code: await generate({ secret: secrets.get(id)! }) }),
      acr: TWO!,
    },
    {
      name: 'a recovery code after the password',
      async make() {
        const person = await w.newPerson();
        await w.addTotp(person);
        const codes = makeRecoveryCodes();
        const text = `insert into credentials (id, user_id, type, data) values ($1, $2, 'recovery-code', $3::jsonb)`;
        await w.site.app.owner.query(text, [newId(), person.id, JSON.stringify(hashRecoveryCodes(w.box, person.id, codes))]);
        secrets.set(person.id, codes[0]!);
        return person;
      },
      ready: async (of, call) =>
        second(await due(of, call, 'recovery-code'), 'recovery-code', secrets.get(of.id)!, makeRecoveryCodes()[0]!),
      acr: TWO!,
    },
    {
      name: 'a code by mail after the password',
      make: someone,
      ready: secondByCode('email', 'email-otp', ({ login }) => login),
      acr: TWO!,
      ...asking,
    },
    {
      name: 'a code by text message after the password',
      make: withPhone,
      ready: secondByCode('sms', 'sms-otp', phoneOf),
      acr: TWO!,
      ...asking,
    },
    {
      name: 'a security key after the password',
      make: withPasskey(false),
      async ready(of, call, issuer) {
        return signed(of, call, issuer, { mfaToken: await due(of, call, 'passkey') }, false);
      },
      acr: TWO!,
    },
    {
      name: 'the tenant’s own second factor after the password',
      async make() {
        const login = `worker-${randomUUID()}`;
        const made = await w.site.app.api('POST', '/api/users', { username: login, password: PASSWORD }, { 'x-tenant-id': guarded });
        assert.equal(made.status, 201, made.text);
        return { id: String(made.body['id']), login, tenantId: guarded };
      },
      async ready(of, call) {
        const mfaToken = await due(of, call, 'external-2fa');
        await accepted(call, 'otp', { channel: 'external', mfaToken });
        return second(mfaToken, 'external-2fa', outside.codeFor(of.id), 'another');
      },
      acr: TWO!,
    },
  ];
  return {
    get w() {
      return w;
    },
    methods,
    async start(settings) {
      outside = await startSecondFactorService();
      w = await startHalfWay({ OUTBOUND_ALLOW_HOSTS: outside.host }, settings);
      await w.site.connect('google');
      guarded = (await w.tenancy.addTenant('guarded')).id;
      const service = { url: outside.url('/2fa'), token: outside.token };
      const served = await w.site.app.api('PUT', `/api/tenants/${guarded}/second-factor-service`, service);
      assert.equal(served.status, 200, served.text);
    },
    async close() {
      await w?.close();
      await outside?.close();
    },
  };
}
