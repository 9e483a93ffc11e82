import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';
import { readLogin } from '#src/login/identifiers.ts';
import type { Account } from '#src/login/method.ts';
import { findAttempt } from '#src/login/store.ts';
import type { ApiAnswer, ApiHarness, CallOptions, Loose } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { startUsers } from './start.ts';

describe('people', () => {
  let api: ApiHarness;
  let root: string;
  let tenant: string;

  before(async function () {
    this.timeout(60_000);
    api = await startUsers();
    root = api.tokenOf({ tenantId: api.rootTenantId });
    tenant = api.tokenOf({ tenantId: api.tenants[0] });
  });
  after(() => api?.close());

  const call = (signature: string, body?: unknown, as = root, options: CallOptions = {}): Promise<ApiAnswer> =>
    api.call(as, signature, { ...options, ...(body === undefined ? {} : { body }) });
  const create = async (body: Record<string, unknown>, as = root): Promise<Loose & { id: string }> => {
    const made = await call('POST /api/users', body, as);
    assert.equal(made.status, 201, made.text);
    return { ...made.body, id: String(made.body['id']) } as unknown as Loose & { id: string };
  };
  const code = (answer: ApiAnswer): string => `${answer.status} ${answer.body['code']}`;
  const one = async (text: string, values: unknown[]): Promise<Record<string, unknown> | undefined> =>
    (await api.owner.query(text, values)).rows[0];
  /** Whom sign-in takes this for. */
  const signingIn = async (login: string): Promise<Account | undefined> => {
    const by = { journeyId: newId(), claimed: readLogin(login).keys, tenantId: api.rootTenantId, now: new Date() };
    return (await findAttempt(api.db, by)).account;
  };
  const makeAdministrator = (id: string): Promise<unknown> => giveRole(api.owner, api.rootTenantId, id, 'administrator');

  it('says that passwordMustChange means nothing without a password', async () => {
    const alone = { username: 'alone', passwordMustChange: true };
    assert.equal(code(await call('POST /api/users', alone)), '422 input.invalid');
    const { id } = await create({ username: 'alone' });
    for (const method of ['PUT', 'PATCH'])
      assert.equal(code(await call(`${method} /api/users/${id}`, { passwordMustChange: true })), '422 input.invalid', method);
  });

  it('finds one address under every case, and nobody under look-alikes', async () => {
    const { id } = await create({ email: 'Mike@Corp.Test', username: 'Mike.Smith', phone: '+66 81 234-5678', phoneVerified: true });
    for (const login of [
      'mike@corp.test',
      'MIKE@CORP.TEST',
      'mike.smith',
      'MIKE.SMITH',
      'ｍｉｋｅ.smith',
      '+66812345678',
      '+66 (81) 2345678',
      ' mike@corp.test ',
    ])
      assert.equal((await signingIn(login))?.id, id, login);
    const strangers = [
      'mıke@corp.test',
      'mi\u212ae@corp.test',
      'mike@cor\u0440.test',
      'ｍｉｋｅ@corp.test',
      '"mike"@corp.test',
      'mike@corp.test\0',
      '',
      '@',
      '66812345678',
      'x'.repeat(5000),
    ];
    for (const login of strangers) assert.equal(await signingIn(login), undefined, login);
    assert.equal(code(await call('POST /api/users', { email: 'MIKE@corp.test' })), '409 user.email_taken');
    assert.equal(code(await call('POST /api/users', { username: 'MIKE.smith' })), '409 user.username_taken');
    const said = { username: 'mike-2', phone: '+66812345678' };
    assert.equal(code(await call('POST /api/users', { ...said, phoneVerified: true })), '409 user.phone_taken');
    const { id: other } = await create(said);
    assert.equal(code(await call(`PATCH /api/users/${other}`, { phoneVerified: true })), '409 user.phone_taken');
    assert.equal((await signingIn('+66812345678'))?.id, id, 'a number is whose it is proven to be');
    assert.equal((await call('GET /api/users?email=MIKE@CORP.test')).body['items']?.['length'], 1 as never);
  });

  it('refuses addresses that two readers would read differently', async () => {
    const bad = [
      '"a@evil.test x"@corp.test',
      'a@corp.test(x)evil.test',
      'a@b@c.test',
      'a@corp.test\r\nBcc: x@evil.test',
      'a@xn--',
      'mike@gmaíl.test',
      'a@-b.test',
      ' a@b.test',
      'a,b@c.test',
      '<a@b.test>',
    ];
    for (const email of bad) assert.equal(code(await call('POST /api/users', { email })), '422 input.invalid', email);
    assert.equal((await call('POST /api/users', { email: 'mike@xn--gmal-spa.test' })).status, 201);
  });

  it('finds whoever signs in, with the password, by one statement whether known or not', async () => {
    await create({ username: 'signer', password: 'correct horse battery' });
    const count = async (login: string): Promise<[number, unknown]> => {
      const before = api.db.statements.count;
      const account = await signingIn(login);
      return [api.db.statements.count - before, account?.credentials.find(({ type }) => type === 'password')?.data];
    };
    const [known, password] = await count('signer');
    const [unknown] = await count('nobody-here');
    assert.deepEqual([known, unknown], [1, 1]);
    assert.ok(await createPasswordHasher().verify((password as { hash: string }).hash, 'correct horse battery'));
  });

  it('never shows a password or its hash, and records names of fields only', async () => {
    const { id } = await create({ username: 'secretive', password: 'correct horse battery', givenName: 'Zaphod' });
    const read = await call(`GET /api/users/${id}`);
    assert.doesNotMatch(read.text, /password|argon2|hash/i);
    await call(`PATCH /api/users/${id}`, { givenName: 'Trillian', attributes: { department: 'Bridge' } });
    const { rows } = await api.owner.query('select type, data from audit_events where target_id = $1 order by at', [id]);
    assert.deepEqual(rows.map(({ type }) => type).sort(), ['password.set', 'user.created', 'user.updated']);
    assert.deepEqual(rows.find(({ type }) => type === 'user.updated').data, { fields: ['givenName', 'attributes'] });
    assert.doesNotMatch(JSON.stringify(rows), /Zaphod|Trillian|Bridge|horse/);
  });

  it('changes by PUT what is named, clears by null, merges attributes by PATCH only', async () => {
    const { id } = await create({ username: 'changer', givenName: 'A', familyName: 'B', attributes: { a: 1, b: [true, 'x'] } });
    const put = await call(`PUT /api/users/${id}`, { givenName: null });
    assert.deepEqual([put.body['givenName'], put.body['familyName'], put.body['attributes']], [null, 'B', { a: 1, b: [true, 'x'] }]);
    assert.deepEqual((await call(`PATCH /api/users/${id}`, { attributes: { a: null, c: 'new' } })).body['attributes'], {
      b: [true, 'x'],
      c: 'new',
    });
    assert.deepEqual((await call(`PUT /api/users/${id}`, { attributes: { d: 1 } })).body['attributes'], { d: 1 });
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`n${index}`, index]));
    assert.equal(code(await call(`PATCH /api/users/${id}`, { attributes: many })), '422 input.invalid');
    assert.equal(code(await call(`PATCH /api/users/${id}`, { username: null })), '422 input.invalid');
  });

  it('takes the verification away with the address it was of', async () => {
    const { id } = await create({ email: 'first@corp.test', emailVerified: true });
    assert.equal((await call(`PATCH /api/users/${id}`, { email: 'FIRST@corp.test' })).body['emailVerified'], true as never);
    assert.equal((await call(`PATCH /api/users/${id}`, { email: 'second@corp.test' })).body['emailVerified'], false as never);
    assert.equal(
      (await call(`PATCH /api/users/${id}`, { email: 'third@corp.test', emailVerified: true })).body['emailVerified'],
      true as never,
    );
    assert.equal(code(await call('POST /api/users', { username: 'no-address', emailVerified: true })), '422 input.invalid');
  });

  it('makes whoever a tenant creates a member of it, and of the root tenant nobody with rights', async () => {
    const member = await create({ username: 'member-of-a', roles: ['member'] }, tenant);
    assert.ok(await one('select 1 from memberships where tenant_id = $1 and user_id = $2', [api.tenants[0], member.id]));
    assert.ok(await one('select 1 from role_assignments where tenant_id = $1 and user_id = $2', [api.tenants[0], member.id]));
    const inRoot = await create({ username: 'of-root' });
    assert.ok(await one('select 1 from memberships where user_id = $1', [inRoot.id]));
    assert.equal(
      await one('select 1 from role_assignments where user_id = $1', [inRoot.id]),
      undefined,
      'who has a role in the root tenant runs the installation',
    );
  });

  it('ends all access with disabling, a new password and deletion, in the same transaction', async () => {
    const { id } = await create({ username: 'signed-in', password: 'correct horse battery' });
    const journey = (): Promise<unknown> =>
      api.owner.query(
        `insert into journeys (id, kind, user_id, state, expires_at) values ($1, 'login', $2, '{}', now() + interval '1 hour')`,
        [newId(), id],
      );
    const left = async (): Promise<unknown> =>
      (await one('select count(*)::int as count from journeys where user_id = $1', [id]))?.['count'];
    await journey();
    await call(`PATCH /api/users/${id}`, { givenName: 'Still' });
    assert.equal(await left(), 1);
    assert.equal((await call(`PATCH /api/users/${id}`, { status: 'disabled' })).status, 200);
    assert.equal(await left(), 0);
    await call(`PATCH /api/users/${id}`, { status: 'active' });
    await journey();
    assert.equal((await call(`PUT /api/users/${id}`, { password: 'another horse battery' })).status, 200);
    assert.equal(await left(), 0);
    const { rows } = await api.owner.query('select type from audit_events where target_id = $1', [id]);
    const expected = ['password.set', 'password.set', 'user.created', 'user.disabled', 'user.enabled', 'user.updated'];
    assert.deepEqual(rows.map(({ type }) => type).sort(), expected);
    await journey();
    assert.equal((await call(`DELETE /api/users/${id}`)).status, 200);
    assert.equal(await left(), 0);
  });

  it('destroys the key of whoever is deleted, so that the log tells of nobody', async () => {
    const { id } = await create({ username: 'leaver' });
    const person = api.tokenOf({ tenantId: api.rootTenantId, actor: { type: 'user', id }, permissions: ['account'] });
    await call('PATCH /api/me', { givenName: 'L' }, person, { headers: { 'user-agent': 'Secret Device 9' } });
    const event = async () =>
      (await one(`select id, person_id, sealed from audit_events where actor_id = $1 and sealed is not null`, [id])) as {
        id: string;
        person_id: string;
        sealed: Buffer;
      };
    assert.equal((await api.openPersonal(await event())).device, 'Secret Device 9');
    assert.equal((await call(`DELETE /api/users/${id}`)).status, 200);
    assert.deepEqual(await api.openPersonal(await event()), {});
    assert.equal((await one('select length(sealed) as length from person_keys where user_id = $1', [id]))?.['length'], 0);
  });

  it('keeps the last administrator, also when two go at once', async () => {
    const [first, second] = [await create({ username: 'admin-1' }), await create({ username: 'admin-2' })];
    await makeAdministrator(first.id);
    await makeAdministrator(second.id);
    const answers = await Promise.all([
      call(`DELETE /api/users/${first.id}`),
      call(`PATCH /api/users/${second.id}`, { status: 'disabled' }),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    assert.ok(answers.some((answer) => code(answer) === '409 user.last_administrator'));
  });

  it('lets nobody change a person with more rights, say by a new password', async () => {
    const { id } = await create({ username: 'powerful' });
    await makeAdministrator(id);
    const clerk = api.tokenOf({ tenantId: api.rootTenantId, permissions: ['users.read', 'users.write'] });
    for (const body of [{ password: 'correct horse battery' }, { email: 'clerk@corp.test' }, { status: 'disabled' }])
      assert.equal(code(await call(`PATCH /api/users/${id}`, body, clerk)), '403 user.higher_rights');
    assert.equal(code(await call(`DELETE /api/users/${id}`, undefined, clerk)), '403 user.higher_rights');
    assert.equal((await call(`PATCH /api/users/${id}`, { email: 'admin@corp.test' })).status, 200);
  });

  it('searches by what a name begins with, taking signs of SQL as they are', async () => {
    await create({ username: 'search-one', givenName: 'Łucja' });
    await create({ username: 'search_two' });
    const found = async (query: string): Promise<unknown[]> =>
      ((await call(`GET /api/users?${query}`)).body['items'] as unknown as { username: string }[]).map(({ username }) => username);
    assert.deepEqual(await found('q=search&sort=-createdAt'), ['search_two', 'search-one']);
    assert.deepEqual(await found('q=SEARCH_'), ['search_two']);
    assert.deepEqual(await found('q=%25'), []);
    assert.deepEqual(await found(`q=${encodeURIComponent('łuc')}`), ['search-one']);
    assert.deepEqual(await found('username=Search-One&status=active'), ['search-one']);
    assert.deepEqual(await found('q=search&status=disabled'), []);
    assert.equal(code(await call('GET /api/users?attribute=1')), '422 input.invalid');
  });

  it('shows and changes their own account to people with scope account, and to nobody else', async () => {
    const { id } = await create({ username: 'own-account', email: 'own@corp.test' });
    const me = api.tokenOf({ tenantId: api.rootTenantId, actor: { type: 'user', id }, permissions: ['account'], platform: false });
    const read = await call('GET /api/me', undefined, me);
    assert.deepEqual([read.status, read.body['id'], read.body['email']], [200, id, 'own@corp.test']);
    const changed = await call('PATCH /api/me', { givenName: 'Own', locale: 'th-TH' }, me, {
      headers: { 'if-match': read.headers.get('etag')! },
    });
    assert.deepEqual([changed.status, changed.body['givenName'], changed.body['locale']], [200, 'Own', 'th-TH']);
    assert.equal(
      (await call('PATCH /api/me', { givenName: 'Late' }, me, { headers: { 'if-match': read.headers.get('etag')! } })).status,
      412,
    );
    for (const body of [{ email: 'x@corp.test' }, { status: 'disabled' }, { emailVerified: true }, { attributes: {} }])
      assert.equal((await call('PATCH /api/me', body, me)).status, 422);
    assert.equal((await call('GET /api/users', undefined, me)).status, 403);
    assert.equal((await call('GET /api/me')).status, 403, 'a client is nobody with an account');
  });

  it('changes profile and settings by what is named, under the version of the person', async () => {
    const { id } = await create({ username: 'profiled', givenName: 'A', familyName: 'B' });
    const path = `/api/users/${id}`;
    const profile = await call(`PUT ${path}/profile`, { givenName: 'C', familyName: null });
    assert.deepEqual([profile.status, profile.body], [200, { givenName: 'C', familyName: null, locale: null }]);
    assert.equal(profile.headers.get('etag'), (await call(`GET ${path}`)).headers.get('etag'));
    assert.deepEqual((await call(`PUT ${path}/settings`, { theme: 'dark', mail: ['news'] })).body, { theme: 'dark', mail: ['news'] });
    assert.deepEqual((await call(`PUT ${path}/settings`, { theme: null, size: 2 })).body, { mail: ['news'], size: 2 });
    assert.deepEqual((await call(`GET ${path}/settings`)).body, { mail: ['news'], size: 2 });
    for (const wrong of [{ deep: { er: 1 } }, { notifications: { a: { b: { c: 1 } } } }, { notifications: 'all' }])
      assert.equal(code(await call(`PUT ${path}/settings`, wrong)), '422 input.invalid', JSON.stringify(wrong));
    await call(`PUT ${path}/settings`, { notifications: { email: { news: true, offers: true }, quiet: ['22:00', '07:00'] } });
    assert.deepEqual((await call(`PUT ${path}/settings`, { notifications: { email: { offers: false } } })).body, {
      mail: ['news'],
      size: 2,
      notifications: { email: { news: true, offers: false }, quiet: ['22:00', '07:00'] },
    });
    assert.deepEqual((await call(`PUT ${path}/settings`, { notifications: null })).body, { mail: ['news'], size: 2 });
    assert.equal(code(await call(`PUT ${path}/profile`, { email: 'x@corp.test' })), '422 input.invalid');
    assert.equal(
      code(await call(`PUT ${path}/profile`, { givenName: 'D' }, root, { headers: { 'if-match': '"1"' } })),
      '412 precondition.failed',
    );
    assert.equal(code(await call(`GET ${path}/settings`, undefined, tenant)), '404 user.not_found');
    const me = api.tokenOf({ tenantId: api.rootTenantId, actor: { type: 'user', id }, permissions: ['account'], platform: false });
    assert.deepEqual((await call('PUT /api/me/profile', { locale: 'de' }, me)).body, { givenName: 'C', familyName: null, locale: 'de' });
    assert.deepEqual((await call('GET /api/me/profile', undefined, me)).body, { givenName: 'C', familyName: null, locale: 'de' });
  });
});
