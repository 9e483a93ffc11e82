/** What an administrator of one tenant, with every right in it, can do to people of another, and learn of them: nothing. */
import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import type { ApiAnswer, ApiHarness, CallOptions } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { startUsers } from './start.ts';

describe('people and other tenants', () => {
  let api: ApiHarness;
  let root: string;
  let a: string;
  let b: string;
  let member: string;
  let stranger: string;

  const call = (as: string, signature: string, body?: unknown, options: CallOptions = {}): Promise<ApiAnswer> =>
    api.call(as, signature, { ...options, ...(body === undefined ? {} : { body }) });
  const code = (answer: ApiAnswer): string => `${answer.status} ${answer.body['code']}`;
  const create = async (as: string, body: object): Promise<string> => {
    const made = await call(as, 'POST /api/users', body);
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  const bytes = ({ status, text }: ApiAnswer): string => `${status} ${text.replaceAll(/"requestId":"[^"]*"/g, '')}`;
  const rowOf = async (id: string): Promise<unknown> =>
    (
      await api.owner.query(
        `select u.*, (select jsonb_agg(c order by c.id) from credentials c where c.user_id = u.id) as credentials,
           (select attributes from memberships m where m.user_id = u.id and m.tenant_id = u.home_tenant_id) as attributes from users u where u.id = $1`,
        [id],
      )
    ).rows[0];

  before(async function () {
    this.timeout(60_000);
    api = await startUsers();
    const [tenantA, tenantB] = api.tenants;
    root = api.tokenOf({ tenantId: api.rootTenantId });
    a = api.tokenOf({ tenantId: tenantA });
    b = api.tokenOf({ tenantId: tenantB });
    await api.owner.query(
      `insert into tenant_domains (id, tenant_id, domain, challenge, verified_at) values ($1, $2, 'a.test', 'x', now()), ($3, $4, 'b.test', 'x', now())`,
      [newId(), tenantA, newId(), tenantB],
    );
    const secret = { password: 'correct horse battery', phone: '+66811112222', familyName: 'Of B', attributes: { badge: 7 } };
    stranger = await create(b, { username: 'stranger', email: 'stranger@b.test', emailVerified: true, ...secret });
    member = await create(b, { username: 'both', email: 'both@b.test', ...secret, phone: '+66811113333', locale: 'th' });
    await api.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2)', [tenantA, member]);
  });
  after(() => api?.close());

  const takeovers = (id: string): [string, unknown?][] => [
    [`PATCH /api/users/${id}`, { password: 'another horse battery' }],
    [`PUT /api/users/${id}`, { email: 'mine@a.test', emailVerified: true }],
    [`PATCH /api/users/${id}`, { phone: '+66899999999' }],
    [`PATCH /api/users/${id}`, { username: 'mine' }],
    [`PATCH /api/users/${id}`, { status: 'disabled' }],
    [`PATCH /api/users/${id}`, { verification: null }],
    [`PATCH /api/users/${id}`, { attributes: { badge: 1 }, givenName: 'X' }],
    [`PUT /api/users/${id}/profile`, { givenName: 'X' }],
    [`PUT /api/users/${id}/settings`, { theme: 'x' }],
    [`GET /api/users/${id}/settings`],
    [`GET /api/users/${id}/factors`],
    [`DELETE /api/users/${id}/factors`],
    [`DELETE /api/users/${id}/factors/${newId()}`],
  ];
  const lookups = (id: string): [string, unknown?][] => [
    ...takeovers(id),
    [`GET /api/users/${id}`],
    [`PATCH /api/users/${id}`, { attributes: { badge: 1 } }],
    [`DELETE /api/users/${id}`],
    [`GET /api/users/${id}/attempts`],
    [`GET /api/users/${id}/tenants`],
    [`DELETE /api/users/${id}/tenants`],
    [`DELETE /api/users/${id}/tenants/${api.tenants[1]}`],
  ];

  it('answers the same bytes for a person of another tenant as for nobody, whatever is asked (takeover by id)', async () => {
    const before = await rowOf(stranger);
    const nobody = newId();
    const known = lookups(stranger);
    for (const [at, [signature, body]] of lookups(nobody).entries()) {
      const [theirs, unknown] = [await call(a, known[at]![0], body), await call(a, signature, body)];
      assert.equal(theirs.status, 404, `${signature} ${theirs.text}`);
      assert.equal(bytes(theirs), bytes(unknown), signature);
    }
    assert.deepEqual(await rowOf(stranger), before);
  });

  it('lets a tenant that a person only belongs to change nothing that is theirs (takeover of a member)', async () => {
    const before = await rowOf(member);
    for (const [signature, body] of takeovers(member)) {
      const answer = await call(a, signature, body);
      assert.ok(['403 user.not_home', '404 user.not_found'].includes(code(answer)), `${signature} ${answer.text}`);
    }
    assert.deepEqual(await rowOf(member), before);
  });

  it('keeps to each tenant what it keeps of a member', async () => {
    const change = await call(a, `PATCH /api/users/${member}`, { attributes: { desk: 'A1' } });
    assert.deepEqual([change.status, change.body['attributes']], [200, { desk: 'A1' }]);
    assert.deepEqual((await call(b, `GET /api/users/${member}`)).body['attributes'], { badge: 7 });
    const stale = await call(a, `PATCH /api/users/${member}`, { attributes: { desk: 'A2' } }, { headers: { 'if-match': '"1.1"' } });
    assert.equal(code(stale), '412 precondition.failed');
  });

  it('shows other tenants a member sparingly, and lets them search for no more than they see', async () => {
    const seen = (await call(a, `GET /api/users/${member}`)).body;
    assert.deepEqual(
      [seen['username'], seen['email'], seen['familyName'], seen['phone'], seen['locale'], seen['homeTenantId'], seen['lastLoginAt']],
      ['both', 'both@b.test', 'Of B', null, null, null, null],
    );
    const count = async (as: string, query: string): Promise<number> =>
      ((await call(as, `GET /api/users?${query}`)).body['items'] as unknown as unknown[]).length;
    assert.deepEqual([await count(a, 'q=both'), await count(b, 'q=both')], [1, 1]);
    for (const query of ['q=%2B6681111', 'phone=%2B66811113333'])
      assert.deepEqual([await count(a, query), (await count(b, query)) > 0], [0, true], query);
    assert.deepEqual(
      [await count(a, 'q=stranger'), await count(a, 'email=stranger@b.test'), await count(a, 'username=stranger')],
      [0, 0, 0],
    );
    const exported = await (await fetch(`${api.url}/api/users/export`, { headers: { authorization: `Bearer ${a}` } })).text();
    assert.ok(exported.includes('both@b.test'));
    assert.doesNotMatch(exported, /\+66811113333|stranger/);
  });

  it('invites every address outside the verified domains, known or not, with the same answer (G19)', async () => {
    const answers = [];
    for (const email of ['stranger@b.test', 'nobody@b.test', 'nobody@sub.a.test', 'stranger@b.test']) {
      const answer = await call(a, 'POST /api/users', { email, givenName: 'X', password: 'correct horse battery', roles: ['member'] });
      assert.equal(answer.status, 202, answer.text);
      assert.equal(answer.body['email'], email as never);
      answers.push(Object.keys(answer.body));
      assert.deepEqual(answer.body['roles'], ['member']);
    }
    assert.deepEqual(answers, Array(4).fill(answers[0]));
    assert.equal((await api.owner.query(`select 1 from users where email_key like 'nobody@%'`)).rowCount, 0);
    assert.equal((await api.owner.query(`select 1 from invitations where email_key = 'stranger@b.test'`)).rowCount, 1);
    assert.equal(
      code(await call(a, 'POST /api/users', { email: 'nobody@b.test', emailVerified: true })),
      '403 user.verification_forbidden',
    );
  });

  it('lets a tenant create and verify in its own domains only, and learn nothing by a change of address', async () => {
    const made = await call(a, 'POST /api/users', { email: 'New@a.test', emailVerified: true });
    assert.deepEqual([made.status, made.body['emailVerified']], [201, true], made.text);
    assert.equal(code(await call(a, 'POST /api/users', { email: 'new@A.test' })), '409 user.email_taken');
    const id = String(made.body['id']);
    const tries = [];
    for (const email of ['stranger@b.test', 'nobody-yet@b.test']) tries.push(bytes(await call(a, `PATCH /api/users/${id}`, { email })));
    assert.match(tries[0]!, /^422 .*user\.address_not_ours/);
    assert.equal(tries[0], tries[1]);
    assert.equal((await call(a, `PATCH /api/users/${id}`, { email: 'newer@a.test', emailVerified: true })).status, 200);
    for (const body of [
      { username: 'x9', phoneVerified: true, phone: '+66822222222' },
      { username: 'x8', email: 'x@c.test', emailVerified: true },
    ])
      assert.equal(code(await call(a, 'POST /api/users', body)), '403 user.verification_forbidden');
  });

  it('takes no member that is not the caller’s to set (G6, mass assignment)', async () => {
    for (const extra of [
      { homeTenantId: api.tenants[1] },
      { id: newId() },
      { version: 9 },
      { platform: true },
      { permissions: ['users.read'] },
      { lastLoginAt: '2020-01-01T00:00:00Z' },
      { tenantId: api.rootTenantId },
      { settings: {} },
    ]) {
      assert.equal(code(await call(a, 'POST /api/users', { username: 'mass', ...extra })), '422 input.invalid', JSON.stringify(extra));
      assert.equal(code(await call(b, `PATCH /api/users/${stranger}`, extra)), '422 input.invalid', JSON.stringify(extra));
    }
    assert.equal(code(await call(b, `PATCH /api/users/${stranger}`, { roles: ['owner'] })), '422 input.invalid');
  });

  it('grants with a new person no more than whoever creates them has', async () => {
    const clerk = api.tokenOf({ tenantId: api.tenants[0], permissions: ['users.read', 'users.write'] });
    assert.equal(code(await call(clerk, 'POST /api/users', { username: 'up', roles: ['administrator'] })), '403 permission.missing');
    assert.equal(code(await call(a, 'POST /api/users', { username: 'up', roles: ['owner'] })), '403 role.owners_only');
    assert.equal(code(await call(a, 'POST /api/users', { username: 'up', roles: ['no-such'] })), '422 input.invalid');
    assert.equal(code(await call(clerk, 'POST /api/users', { email: 'up@b.test', roles: ['administrator'] })), '403 permission.missing');
    assert.equal((await call(clerk, 'POST /api/users', { username: 'up', roles: ['member'] })).status, 201);
  });

  it('shows all memberships to the home tenant, its own to another, and lets each end what is theirs', async () => {
    const names = async (as: string): Promise<unknown[]> =>
      ((await call(as, `GET /api/users/${member}/tenants`)).body['items'] as unknown as { slug: string }[]).map(({ slug }) => slug).sort();
    assert.deepEqual([await names(a), await names(b)], [['tenant-a'], ['tenant-a', 'tenant-b']]);
    const end = (as: string, tenantId: string): Promise<ApiAnswer> => call(as, `DELETE /api/users/${member}/tenants/${tenantId}`);
    const [tenantA, tenantB] = api.tenants;
    assert.equal(bytes(await end(a, tenantB)), bytes(await end(a, newId())));
    assert.equal(code(await end(b, tenantB)), '409 user.home_membership');
    await giveRole(api.owner, tenantA, member, 'owner');
    assert.equal(code(await call(a, `DELETE /api/users/${member}`)), '403 user.higher_rights');
    assert.equal(
      code(await call(root, `DELETE /api/users/${member}/tenants/${tenantA}`, undefined, { headers: { 'x-tenant-id': tenantA } })),
      '409 user.last_owner',
    );
    await api.owner.query('delete from role_assignments where user_id = $1', [member]);
    assert.equal((await end(b, tenantA)).status, 200);
    assert.deepEqual(await names(b), ['tenant-b']);
    assert.equal(code(await call(a, `GET /api/users/${member}`)), '404 user.not_found');
  });
});
