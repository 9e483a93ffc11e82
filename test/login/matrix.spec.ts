/** Every way in against every control: each cell is tried, or says why there is nothing to try. The table is printed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { generate, generateSecret } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { passkeyEnrolment } from '#src/login/enrol/passkey.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';
import { type FakeSecondFactor, startSecondFactorService } from '#test/support/second-factor-service.ts';
import { CLIENT_ID, CLIENT_SECRET } from '#test/support/upstream.ts';
import { type Landing, PASSWORD, startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey } from '#test/support/webauthn.ts';

const NEXT = 'amber lantern walrus piano';
const SOCIAL = ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple'] as const;
const CONTROLS = ['second factor', 'soft lock', 'disabled', 'methods of the tenant', 'rate limit', 'one audit event'] as const;
type Control = (typeof CONTROLS)[number];

interface Subject {
  id: string;
  login: string;
  phone?: string;
  passkey?: Passkey;
  sub?: string;
  /** Where they are at home; the root tenant where nothing is said. */
  tenantId?: string;
}

interface Pathway {
  make(): Promise<Subject>;
  /** With everything that is right, up to where it leads. */
  enter(browser: Browser, subject: Subject): Promise<Landing>;
  /** One attempt with something wrong. */
  wrong?(browser: Browser, subject: Subject): Promise<unknown>;
  /** Uses up what an address may do. */
  exhaust?(browser: Browser): Promise<unknown>;
  /** The event of success; `login.succeeded` where nothing is said. */
  event?: string;
  /** How many proofs it takes, each with an event of its own; one where nothing is said. */
  proofs?: number;
  /** Why a control has nothing to do here. */
  reasons?: Partial<Record<Control, string>>;
}

describe('pathways and controls', function () {
  this.timeout(120_000);
  const key = randomBytes(32);
  const box = createSecretBox([key]);
  const table: string[][] = [['pathway', ...CONTROLS]];
  const notes = new Set<string>();
  let site: UpstreamSite;
  let service: FakeSecondFactor;
  let count = 0;
  /** How often a message is looked for; less where none is to come. */
  let patience = 100;

  before(async () => {
    service = await startSecondFactorService();
    site = await startUpstreamSite({ env: { ENCRYPTION_KEY: key.toString('base64'), OUTBOUND_ALLOW_HOSTS: service.host } });
    for (const kind of SOCIAL) await site.connect(kind, { key: kind });
  });
  after(async () => {
    await site?.close();
    await service?.close();
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
    for (const row of table) console.log(`      ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
    for (const note of notes) console.log(`      ${note}`);
  });

  const settings = async (changes: object): Promise<void> => {
    const answer = await site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: changes });
    assert.equal(answer.status, 200, answer.text);
  };
  const fresh = async (): Promise<void> => {
    patience = 100;
    await settings({ methods: [...ALL], secondFactor: null });
    await site.app.owner.query('delete from rate_limits');
  };
  const ALL = [
    'password',
    'email-otp',
    'sms-otp',
    'magic-link',
    'passkey',
    'totp',
    'recovery-code',
    ...SOCIAL.map((kind) => `social:${kind}`),
  ];
  const enter = async (browser: Browser): Promise<Page> =>
    (await browser.go(authorization(site.client.id, { scope: 'openid' }).path)).page ?? assert.fail('no page to sign in at');
  /** What a step of the test's own could not find; anything else is a fault. */
  const notLetOn = (error: unknown): Landing => {
    if (error instanceof assert.AssertionError) return {};
    throw error;
  };
  const isIn = ({ location }: Landing): boolean => location?.searchParams.has('code') ?? false;
  const person = async (more: object = {}): Promise<Subject> => {
    count += 1;
    const login = `matrix${count}@example.test`;
    return { login, id: await site.addPerson({ email: login, emailVerified: true, ...more }) };
  };
  const messageTo = async (to: string, about: RegExp, newerThan = 0): Promise<string> => {
    for (let round = 0; round < patience; round += 1) {
      const all = (await (await fetch(`${site.app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
      const found = all.filter((message) => message.to === to && about.test(message.text));
      if (found.length > newerThan) return about.exec(found[0]!.text)![1]!;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`nothing for ${to}`);
  };
  const CODE = /(?:^|\D)(\d{6})(?:\D|$)/;
  const notThat = (code: string): string => (code === '000000' ? '000001' : '000000');
  const ended = (page: Page | undefined): Landing => (page ? { page } : {});

  /** Whoever asks for a code and sends it, or another one. */
  const byCode = (method: string, to: (subject: Subject) => string, about: RegExp = CODE) => {
    const asked = async (browser: Browser, subject: Subject): Promise<Page | undefined> =>
      (await submit(browser, await enter(browser), { login: to(subject), method })).page;
    return {
      async enter(browser: Browser, subject: Subject): Promise<Landing> {
        const page = await asked(browser, subject);
        if (!page?.text.includes('name="code"') && method !== 'magic-link') return ended(page);
        const found = await messageTo(to(subject), about);
        if (method !== 'magic-link') return submit(browser, page!, { code: found });
        const { page: opened } = await browser.go(found);
        return opened?.text.includes('name="code"') ? submit(browser, opened, {}) : ended(opened);
      },
      async wrong(browser: Browser, subject: Subject): Promise<unknown> {
        const page = await asked(browser, subject);
        // Held back from asking for another.
        if (!page?.text.includes('<form') || page.status === 429) return;
        if (method !== 'magic-link') return submit(browser, page, { code: notThat(await messageTo(to(subject), about)) });
        const link = await messageTo(to(subject), about);
        const { page: opened } = await browser.go(link.replace(/\d{6}/, notThat));
        return opened?.text.includes('name="code"') ? submit(browser, opened, {}) : undefined;
      },
    };
  };
  const wrongPasswords = async (browser: Browser, times: number): Promise<void> => {
    const page = await enter(browser);
    for (let n = 0; n < times; n += 1) await submit(browser, page, { login: `nobody${n}@example.test`, password: 'wrong' });
  };
  const flood = (browser: Browser): Promise<void> => wrongPasswords(browser, 32);

  const NOTHING_TO_GUESS = 'nothing can be guessed: the other side signs what it says, and a wrong answer is counted by address';
  const IS_SECOND = 'it is the second factor: no other is asked for beside it';
  const NO_CHOICE = 'the service is a setting of its own, asked for behind whichever first step is offered';
  const pathways: Record<string, Pathway> = {
    password: {
      make: () => person(),
      enter: async (browser, { login }) => submit(browser, await enter(browser), { login, password: PASSWORD }),
      wrong: async (browser, { login }) => submit(browser, await enter(browser), { login, password: 'wrong' }),
    },
    'email-otp': { make: () => person(), ...byCode('email-otp', ({ login }) => login) },
    'sms-otp': {
      make: async () => {
        const made = await person();
        const phone = `+49309018${String(2000 + count)}`;
        await site.app.owner.query('update users set phone = $2, phone_verified_at = now() where id = $1', [made.id, phone]);
        return { ...made, phone };
      },
      ...byCode('sms-otp', ({ phone = '' }) => phone),
    },
    'magic-link': { make: () => person(), ...byCode('magic-link', ({ login }) => login, /(http\S+\/link\?\S+)/) },
    passkey: {
      async make() {
        const made = await person();
        const who = { id: made.id, login: made.login, name: 'Ada', passkeys: [] };
        const place = { issuer: site.app.issuer, name: 'Acme' };
        const state = await passkeyEnrolment.start(who, place);
        const options = (await passkeyEnrolment.show(state, who, place)) as CreationOptions;
        const { passkey, credential } = createPasskey(options, site.app.issuer);
        const names = { totp: 'App', passkey: 'Key' };
        const factor = await passkeyEnrolment.finish(
          state,
          { credential: credential as never },
          { now: new Date(), issuer: place.issuer, names },
        );
        assert.ok(factor);
        await site.app.owner.query(
          `insert into credentials (id, user_id, type, name, data, lookup) values ($1, $2, 'passkey', $3, $4::jsonb, $5)`,
          [newId(), made.id, factor.name, JSON.stringify(factor.data), factor.lookup],
        );
        return { ...made, passkey };
      },
      enter: (browser, { passkey }) => byPasskey(browser, passkey!, false),
      wrong: (browser, { passkey }) => byPasskey(browser, passkey!, true),
      reasons: { 'second factor': 'a passkey that verified its person is two factors by itself, and phishing resistant' },
    },
    ...Object.fromEntries(
      SOCIAL.map((kind): [string, Pathway] => [
        `social: ${kind}`,
        {
          async make() {
            count += 1;
            const made: Subject = {
              id: '',
              login: `matrix${count}@upstream.test`,
              sub: `${kind === 'github' ? '' : 'sub-'}${4000 + count}`,
            };
            const { sub } = await site.subjectOf(await bySocial(site.app.browser(), kind, made));
            return { ...made, id: sub };
          },
          enter: (browser, subject) => bySocial(browser, kind, subject),
          reasons: { 'soft lock': NOTHING_TO_GUESS },
        },
      ]),
    ),
    'password, external-2fa': {
      make: () => asked('by-http', { url: service.url(), token: service.token }),
      enter: (browser, subject) => byService(browser, subject, () => service.codeFor(subject.id)),
      wrong: (browser, subject) => byService(browser, subject, () => 'ok-1'),
      proofs: 2,
      reasons: { 'second factor': IS_SECOND, 'methods of the tenant': NO_CHOICE },
    },
    'password, external-oidc': {
      make: () => asked('by-oidc', { kind: 'oidc', issuer: site.fake.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET }),
      enter: (browser, subject) => byProvider(browser, subject, subject.id),
      wrong: (browser, subject) => byProvider(browser, subject, 'somebody-else'),
      proofs: 2,
      reasons: { 'second factor': IS_SECOND, 'methods of the tenant': NO_CHOICE },
    },
    reset: {
      make: () => person(),
      async enter(browser, { login }) {
        const page = await askedReset(browser, login);
        if (!page?.text.includes('name="new_password"')) return ended(page);
        return submit(browser, page, { code: await messageTo(login, CODE), new_password: NEXT });
      },
      async wrong(browser, { login }) {
        const page = await askedReset(browser, login);
        if (page?.text.includes('name="new_password"'))
          await submit(browser, page, { code: notThat(await messageTo(login, CODE)), new_password: NEXT });
      },
      async exhaust(browser) {
        for (let n = 0; n < 21; n += 1) await askedReset(browser, `nobody${n}@example.test`);
      },
      event: 'password_reset.completed',
    },
    registration: {
      async make() {
        count += 1;
        return { id: '', login: `newcomer${count}@example.test` };
      },
      async enter(browser, { login }) {
        const page = await askedAccount(browser, login);
        if (!page?.text.includes('name="code"')) return ended(page);
        return submit(browser, page, { code: await messageTo(login, CODE) });
      },
      async wrong(browser, { login }) {
        const page = await askedAccount(browser, login);
        if (page?.text.includes('name="code"')) await submit(browser, page, { code: notThat(await messageTo(login, CODE)) });
      },
      async exhaust(browser) {
        for (let n = 0; n < 21; n += 1) await askedAccount(browser, `stranger${count}.${n}@example.test`);
      },
      event: 'user.registered',
      reasons: { disabled: 'nobody is there yet; the address of a disabled person makes no second account' },
    },
  };

  const homeOf = ({ tenantId }: Subject): Record<string, string> => (tenantId === undefined ? {} : { 'x-tenant-id': tenantId });
  /** Somebody at home where the second factor is proven at a service of the tenant's own. */
  async function asked(slug: string, how: object): Promise<Subject> {
    const { app } = site;
    const found = await app.owner.query<{ id: string }>('select id from tenants where slug = $1', [slug]);
    const made = found.rows[0] ? undefined : await app.api('POST', '/api/tenants', { name: slug, slug, type: 'enterprise' });
    const tenantId = found.rows[0]?.id ?? String(made?.body['id']);
    // Again each time: what one trial broke is not left alone in the next.
    const set = await app.api('PUT', `/api/tenants/${tenantId}/second-factor-service`, how);
    assert.equal(set.status, 200, set.text);
    count += 1;
    const login = `matrix${count}@example.test`;
    const body = { email: login, emailVerified: true, password: PASSWORD };
    const person = await app.api('POST', '/api/users', body, { 'x-tenant-id': tenantId });
    assert.equal(person.status, 201, person.text);
    return { id: String(person.body['id']), login, tenantId };
  }
  /** The page behind the password, where that is taken. */
  async function behindPassword(browser: Browser, { login }: Subject): Promise<Page | undefined> {
    const { page } = await submit(browser, await enter(browser), { login, password: PASSWORD });
    return page?.text.includes('value="external-') ? page : undefined;
  }
  async function byService(browser: Browser, subject: Subject, code: () => string): Promise<Landing> {
    const choose = await behindPassword(browser, subject);
    const { page } = choose ? await submit(browser, choose, { method: 'external-2fa' }) : {};
    return page?.text.includes('name="code"') ? submit(browser, page, { code: code() }) : ended(page);
  }
  async function byProvider(browser: Browser, subject: Subject, sub: string): Promise<Landing> {
    const choose = await behindPassword(browser, subject);
    const { page } = choose ? await submit(browser, choose, { method: 'external-oidc' }) : {};
    const [, url] = /^0; url=(.+)$/.exec(page?.headers.get('refresh') ?? '') ?? [];
    if (url === undefined) return ended(page);
    site.fake.someone = { sub, more: { auth_time: Math.floor(Date.now() / 1000) } };
    return site.comeBack(browser, await site.fake.authorize(url));
  }

  async function byPasskey(browser: Browser, passkey: Passkey, isWrong: boolean): Promise<Landing> {
    const page = await enter(browser);
    const { action, fields } = formOf(page);
    const script = browser.clone();
    Object.assign(script.headers, { accept: 'application/json' });
    const answer = await script.post(action, { ...fields, method: 'passkey' });
    const text = await answer.text();
    if (answer.status !== 200) return ended({ url: action, status: answer.status, text, headers: answer.headers });
    const { challenge } = JSON.parse(text) as { challenge: RequestOptions };
    const signed = usePasskey(passkey, challenge, isWrong ? 'https://evil.test' : site.app.issuer);
    return submit(browser, page, { method: 'passkey', passkey: JSON.stringify(signed) });
  }
  const bySocial = (browser: Browser, kind: string, { login, sub }: Subject): Promise<Landing> =>
    site.signIn(browser, kind, { sub: sub ?? '', email: login, emailVerified: true });
  const askedReset = async (browser: Browser, email: string): Promise<Page | undefined> => {
    const { page } = await browser.go(`${(await enter(browser)).url}/reset`);
    return (await submit(browser, page!, { email })).page;
  };
  const askedAccount = async (browser: Browser, email: string): Promise<Page | undefined> => {
    const { page } = await browser.go(`${(await enter(browser)).url}/register`);
    return (await submit(browser, page!, { email, given_name: 'N', family_name: 'N', new_password: PASSWORD })).page;
  };
  const addTotp = async (id: string): Promise<string> => {
    const [secret, credential] = [generateSecret(), newId()];
    await site.app.owner.query(`insert into credentials (id, user_id, type, data, sealed) values ($1, $2, 'totp', '{"lastStep": 0}', $3)`, [
      credential,
      id,
      box.seal(secret, `credential:${credential}`),
    ]);
    return secret;
  };
  const eventsSince = async (from: string): Promise<{ type: string; outcome: string }[]> =>
    (
      await site.app.owner.query<{ type: string; outcome: string }>(
        `select type, outcome from audit_events where id > $1::uuid and type ~ '^(login\\.|password_reset\\.(completed|refused)|user\\.registered|registration\\.refused)'`,
        [from],
      )
    ).rows;
  const lastEvent = async (): Promise<string> =>
    (await site.app.owner.query<{ id: string }>('select id from audit_events order by id desc limit 1')).rows[0]!.id;

  /** Each answers what the table says. */
  const trials: Record<Control, (pathway: Pathway, name: string) => Promise<string>> = {
    async 'second factor'(pathway, name) {
      const subject = await pathway.make();
      if (name === 'registration') {
        await settings({ secondFactor: 'required' });
        assert.ok(!isIn(await pathway.enter(site.app.browser(), subject)));
        return 'asked for';
      }
      const secret = await addTotp(subject.id);
      const browser = site.app.browser();
      const landed = await pathway.enter(browser, subject);
      assert.ok(!isIn(landed), 'let in without it');
      assert.ok(landed.page?.text.includes('name="code"'), landed.page?.text);
      const done = await submit(browser, landed.page!, { code: await generate({ secret }) });
      assert.ok(isIn(done), done.page?.text);
      return 'asked for';
    },
    async 'soft lock'(pathway) {
      const subject = await pathway.make();
      for (let n = 0; n < 11; n += 1) await pathway.wrong?.(site.app.browser(), subject);
      await site.app.owner.query(`delete from rate_limits where key like 'codeSend%' or key like 'registerBy%' or key like 'resetBy%'`);
      assert.ok(!isIn(await pathway.enter(site.app.browser(), subject)), 'let in after eleven wrong ones');
      return 'held';
    },
    async disabled(pathway) {
      const subject = await pathway.make();
      const answer = await site.app.api('PATCH', `/api/users/${subject.id}`, { status: 'disabled' }, homeOf(subject));
      assert.equal(answer.status, 200, answer.text);
      const browser = site.app.browser();
      patience = 20;
      assert.ok(!isIn(await pathway.enter(browser, subject).catch(notLetOn)), 'let in');
      return 'shut out';
    },
    async 'methods of the tenant'(pathway, name) {
      const subject = await pathway.make();
      await settings({ methods: [name === 'passkey' ? 'password' : 'passkey'] });
      assert.ok(!isIn(await pathway.enter(site.app.browser(), subject).catch(notLetOn)), 'let in by a way that is not offered');
      return 'not offered';
    },
    async 'rate limit'(pathway) {
      const subject = await pathway.make();
      count += 1;
      const browser = site.app.browser({ 'x-forwarded-for': `12.7.${count >> 8}.${count & 255}` });
      await (pathway.exhaust ?? flood)(browser);
      assert.ok(!isIn(await pathway.enter(browser.clone(), subject).catch(notLetOn)), 'let in');
      return 'held';
    },
    async 'one audit event'(pathway) {
      const subject = await pathway.make();
      const before = await lastEvent();
      const landed = await pathway.enter(site.app.browser(), subject);
      assert.ok(isIn(landed), landed.page?.text ?? landed.location?.href);
      const right = await eventsSince(before);
      const { proofs = 1 } = pathway;
      assert.deepEqual(right, Array(proofs).fill({ type: pathway.event ?? 'login.succeeded', outcome: 'success' }));
      if (!pathway.wrong) return 'one';
      const other = await pathway.make();
      const between = await lastEvent();
      await pathway.wrong(site.app.browser(), other);
      const wrong = await eventsSince(between);
      assert.deepEqual(
        wrong.map(({ outcome }) => outcome).sort(),
        ['failure', ...Array<string>(proofs - 1).fill('success')],
        JSON.stringify(wrong),
      );
      return 'one';
    },
  };

  for (const [name, pathway] of Object.entries(pathways)) {
    const row = [name, ...CONTROLS.map(() => '')];
    table.push(row);
    for (const [column, control] of CONTROLS.entries()) {
      const reason = pathway.reasons?.[control];
      if (reason !== undefined) {
        notes.add(`-  ${control} at ${name.replace(/: .*/, '')}: ${reason}`);
        row[column + 1] = '-';
        continue;
      }
      it(`${name}, ${control}`, async () => {
        await fresh();
        row[column + 1] = await trials[control](pathway, name);
      });
    }
  }

  it('an invitation lets nobody in by itself: it leads to one of the ways above', async () => {
    await fresh();
    const email = 'invited@example.test';
    const made = await site.app.api('POST', `/api/tenants/${site.app.rootTenantId}/invitations`, { email });
    assert.equal(made.status, 201, made.text);
    const link = await messageTo(email, /(http\S+\/account\/invitations\/\S+)/);
    const browser = site.app.browser();
    await browser.go(link);
    const { location } = await browser.go(authorization(site.client.id, { scope: 'openid', prompt: 'none' }).path);
    assert.equal(location?.searchParams.get('error'), 'login_required');
    notes.add(
      '-  every control at invitation: it proves no more than that a link was opened; the sign-in or registration it leads to is a row of its own',
    );
    table.push(['invitation', ...CONTROLS.map(() => '-')]);
  });

  it('no cell is empty', () => {
    for (const row of table)
      assert.deepEqual(
        row.filter((cell) => cell === ''),
        [],
        row[0],
      );
    assert.equal(table.length, 2 + Object.keys(pathways).length);
  });
});
