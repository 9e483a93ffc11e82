/** What may happen once, or so many times, happens so often, however many ask at once, at two nodes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { signInDirect } from '#test/support/two-tenants.ts';
import { bearer, codeOf, done, itemsOf, PASSWORD, tokenOf } from './scene.ts';

describe('races between two nodes', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let elsewhere: RunningApp;
  let made = 0;

  before(async () => {
    const env = { ENCRYPTION_KEY: randomBytes(32).toString('base64'), COOKIE_KEYS: randomBytes(32).toString('base64url') };
    app = await startTestApp({ env });
    elsewhere = await startTestApp({ env: { ...env, ISSUER: app.issuer }, databaseUrl: app.databaseUrl });
  });
  after(async () => {
    await elsewhere?.close();
    await app?.close();
  });

  const node = (at: number): RunningApp => (at % 2 === 0 ? app : elsewhere);
  const inside = (tenantId: string): Record<string, string> => ({ 'x-tenant-id': tenantId });
  async function tenant(): Promise<{ id: string; slug: string }> {
    made += 1;
    const slug = `race-${made}-${randomBytes(3).toString('hex')}`;
    return { id: String((await done(app.api('POST', '/api/tenants', { name: slug, slug, type: 'enterprise' }), 201))['id']), slug };
  }
  async function person(tenantId?: string): Promise<{ id: string; login: string; email: string; password: string }> {
    made += 1;
    const [login, email] = [`racer-${made}`, `racer-${made}@race.test`];
    const input = { username: login, email, emailVerified: true, password: PASSWORD };
    const { id } = await done(app.api('POST', '/api/users', input, tenantId === undefined ? {} : inside(tenantId)), 201);
    return { id: String(id), login, email, password: PASSWORD };
  }
  const roleId = async (tenantId: string, name: string): Promise<string> =>
    String(itemsOf(await app.api('GET', `/api/roles?roleName=${name}`, undefined, inside(tenantId)))[0]?.['id']);
  /** Calls at once, one node after the other. */
  const atOnce = (count: number, act: (node: RunningApp, n: number) => Promise<Reply>): Promise<Reply[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => act(node(n), n)));
  function tally(answers: readonly Reply[]): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const answer of answers) {
      assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
      counts[codeOf(answer).trim()] = (counts[codeOf(answer).trim()] ?? 0) + 1;
    }
    return counts;
  }
  const count = async (text: string, values: unknown[]): Promise<number> =>
    Number((await app.owner.query<{ n: string }>(`select count(*) as n from ${text}`, values)).rows[0]?.n);

  it('of forty accepts of one invitation one is recorded, and one membership there is', async () => {
    const { id } = await tenant();
    const guest = await person();
    const invitation = await done(app.api('POST', `/api/tenants/${id}/invitations`, { email: guest.email, roles: ['administrator'] }), 201);
    const token = await tokenOf(app, guest);
    const answers = await atOnce(40, (at) => at.api('POST', `/api/me/invitations/${String(invitation['id'])}/accept`, {}, bearer(token)));
    const counts = tally(answers);
    assert.ok((counts['200'] ?? 0) >= 1, JSON.stringify(counts));
    assert.equal(await count(`memberships where tenant_id = $1 and user_id = $2`, [id, guest.id]), 1);
    assert.equal(await count(`role_assignments where tenant_id = $1 and user_id = $2`, [id, guest.id]), 1);
    assert.equal(await count(`audit_events where tenant_id = $1 and type = 'invitation.accepted'`, [id]), 1);
  });

  for (const [metric, most] of [
    ['members', 5],
    ['invitations', 5],
    ['apiKeys', 5],
  ] as const)
    it(`of thirty that would be one of ${most} ${metric} at two nodes, ${most} are`, async () => {
      const { id } = await tenant();
      await done(app.api('PUT', `/api/tenants/${id}/limits`, { limits: { [metric]: most } }));
      const create = (at: RunningApp, n: number): Promise<Reply> =>
        metric === 'members'
          ? at.api('POST', '/api/users', { username: `limited-${id.slice(-6)}-${n}` }, inside(id))
          : metric === 'invitations'
            ? at.api('POST', `/api/tenants/${id}/invitations`, { email: `limited-${n}@race.test` })
            : at.api('POST', '/api/api-keys', { name: `limited ${n}`, permissions: ['users.read'] }, inside(id));
      assert.deepEqual(tally(await atOnce(30, create)), { '201': most, '409 limit.reached': 30 - most });
      const usage = (await app.api('GET', `/api/tenants/${id}/usage`)).body['metrics'] as Record<string, unknown>;
      assert.deepEqual(usage[metric], { used: most, limit: most });
    });

  it('members that come by every door at once stay within the limit', async () => {
    const { id } = await tenant();
    const guests = await Promise.all(Array.from({ length: 6 }, () => person()));
    const tokens = await Promise.all(guests.map((guest) => tokenOf(app, guest)));
    const invitations = await Promise.all(
      guests
        .slice(0, 3)
        .map(async ({ email }) => String((await done(app.api('POST', `/api/tenants/${id}/invitations`, { email }), 201))['id'])),
    );
    await done(app.api('PUT', `/api/tenants/${id}/limits`, { limits: { members: 4 } }));
    const answers = await Promise.all([
      ...invitations.map((invitation, n) => node(n).api('POST', `/api/me/invitations/${invitation}/accept`, {}, bearer(tokens[n]!))),
      ...guests.slice(3).map(({ id: userId }, n) => node(n).api('POST', `/api/tenants/${id}/members`, { userId })),
      ...[0, 1, 2].map((n) => node(n).api('POST', '/api/users', { username: `mixed-${id.slice(-6)}-${n}` }, inside(id))),
      ...[0, 1].map((n) =>
        node(n).api('POST', '/api/users/import', `{"username":"mixed-import-${id.slice(-6)}-${n}"}`, {
          ...inside(id),
          'content-type': 'application/x-ndjson',
        }),
      ),
    ]);
    tally(answers);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await count('memberships where tenant_id = $1', [id]), 4);
  });

  it('of the last two owners one stays, in whatever ways they are taken away at once', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { id } = await tenant();
      const owner = await roleId(id, 'owner');
      // One at home in the tenant, who can be disabled and deleted; one from elsewhere, who can be removed and leave.
      const [home, guest] = [await person(id), await person()];
      await done(app.api('POST', `/api/tenants/${id}/members`, { userId: guest.id }), 201);
      await done(app.api('POST', `/api/roles/${owner}/assign`, { userIds: [home.id, guest.id] }, inside(id)));
      const own = bearer(await tokenOf(app, guest));
      const ways: ((at: RunningApp) => Promise<Reply>)[] = [
        (at) => at.api('POST', `/api/roles/${owner}/revoke`, { userId: home.id }, inside(id)),
        (at) => at.api('POST', `/api/roles/${owner}/revoke`, { userId: guest.id }, inside(id)),
        (at) => at.api('PATCH', `/api/tenants/${id}/members/${home.id}`, { roles: ['member'] }),
        (at) => at.api('PATCH', `/api/tenants/${id}/members/${guest.id}`, { roles: [] }),
        (at) => at.api('DELETE', `/api/tenants/${id}/members/${guest.id}`),
        (at) => at.api('PATCH', `/api/users/${home.id}`, { status: 'disabled' }, inside(id)),
        (at) => at.api('DELETE', `/api/users/${home.id}`, undefined, inside(id)),
        (at) => at.api('DELETE', `/api/users/${guest.id}/tenants/${id}`, undefined, inside(id)),
        (at) => at.api('DELETE', `/api/me/tenants/${id}`, undefined, own),
        (at) => at.api('DELETE', `/api/users/${guest.id}`, undefined, inside(id)),
      ];
      const answers = await Promise.all([...ways, ...ways].map((way, n) => way(node(n + round))));
      tally(answers);
      const active = await count(
        `role_assignments a join roles r on r.id = a.role_id join users u on u.id = a.user_id
         where a.tenant_id = $1 and r.built_in = 'owner' and u.status = 'active'`,
        [id],
      );
      assert.ok(active >= 1, `round ${round}: nobody owns it any more: ${answers.map(codeOf).join(', ')}`);
    }
  });

  it('two owners who remove each other leave one', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id, slug } = await tenant();
      const owner = await roleId(id, 'owner');
      const two = [await person(id), await person(id)];
      await done(app.api('POST', `/api/roles/${owner}/assign`, { userIds: two.map((one) => one.id) }, inside(id)));
      const tokens = await Promise.all(two.map((one) => tokenOf(app, one, slug)));
      const answers = await Promise.all(
        two.map((_one, n) =>
          round % 2 === 0
            ? node(n).api('DELETE', `/api/users/${two[1 - n]!.id}`, undefined, bearer(tokens[n]!))
            : node(n).api('POST', `/api/roles/${owner}/revoke`, { userId: two[1 - n]!.id }, bearer(tokens[n]!)),
        ),
      );
      tally(answers);
      assert.equal(await count(`role_assignments where tenant_id = $1 and role_id = $2`, [id, owner]), 1, answers.map(codeOf).join(', '));
    }
  });

  it('sign-ins while a tenant is suspended and restored get in or are refused, and nobody is in once it is suspended for good', async () => {
    const { id, slug } = await tenant();
    const someone = await person(id);
    await done(signInDirect(app, someone, slug));
    let over = false;
    const tokens: string[] = [];
    const signingIn = [app, elsewhere, app].map(async () => {
      while (!over) {
        const answer = await signInDirect(app, someone, slug);
        assert.ok(answer.status < 500 && answer.status !== 429, answer.text);
        if (answer.status === 200) tokens.push(String(answer.body['access_token']));
      }
    });
    for (let round = 0; round < 8; round += 1)
      tally(
        await Promise.all([
          node(round).api('POST', `/api/tenants/${id}/suspend`, {}),
          node(round + 1).api('POST', `/api/tenants/${id}/restore`),
        ]),
      );
    await done(app.api('POST', `/api/tenants/${id}/suspend`, { reason: 'for good' }));
    over = true;
    await Promise.all(signingIn);
    for (const token of tokens.slice(-5))
      for (const at of [app, elsewhere]) assert.equal((await at.api('GET', '/api/me', undefined, bearer(token))).status, 401);
    assert.notEqual((await signInDirect(app, someone, slug)).status, 200);
  });

  it('of a slug, a domain and an address that many want at once, one tenant or person gets it', async () => {
    const tenants = await Promise.all(Array.from({ length: 10 }, tenant));
    const slug = `wanted-${randomBytes(4).toString('hex')}`;
    const slugs = tally(await atOnce(10, (at, n) => at.api('PATCH', `/api/tenants/${tenants[n]!.id}`, { slug })));
    assert.deepEqual(slugs, { '200': 1, '409 tenant.slug_taken': 9 });
    const born = tally(await atOnce(10, (at) => at.api('POST', '/api/tenants', { name: 'Born', slug: `${slug}-new` })));
    assert.deepEqual(born, { '201': 1, '409 tenant.slug_taken': 9 });
    const domain = `${slug}.example`;
    const domains = await atOnce(10, (at, n) => at.api('POST', `/api/tenants/${tenants[n]!.id}/domains`, { domain, verified: true }));
    assert.equal(tally(domains)['201'], 1, domains.map(codeOf).join(', '));
    assert.equal(await count(`tenant_domains where domain = $1 and verified_at is not null`, [domain]), 1);
    const phone = `+668${String(Date.now()).slice(-8)}`;
    const numbers = tally(
      await atOnce(10, (at, n) =>
        at.api('POST', '/api/users', { username: `${slug}-${n}`, phone, phoneVerified: true }, inside(tenants[n]!.id)),
      ),
    );
    assert.deepEqual(numbers, { '201': 1, '409 user.phone_taken': 9 });
  });

  it('a tenant that is deleted and restored at once is one or the other, and says so at both nodes', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { id } = await tenant();
      const answers = await atOnce(20, (at, n) =>
        n % 3 === 0
          ? at.api('POST', `/api/tenants/${id}/restore`)
          : n % 3 === 1
            ? at.api('DELETE', `/api/tenants/${id}`)
            : at.api('POST', `/api/tenants/${id}/suspend`, {}),
      );
      tally(answers);
      const states = await Promise.all([app, elsewhere].map(async (at) => (await at.api('GET', `/api/tenants/${id}`)).body['status']));
      assert.equal(states[0], states[1]);
      assert.ok(['active', 'suspended', 'deleted'].includes(String(states[0])));
    }
  });

  it('roles, groups and their members change at once without a deadlock and without a loop', async () => {
    const { id } = await tenant();
    const members = await Promise.all(Array.from({ length: 4 }, () => person(id)));
    const roles: string[] = [];
    for (const name of ['one', 'two', 'three'])
      roles.push(
        String((await done(app.api('POST', '/api/roles', { roleName: name, permissions: ['users.read'] }, inside(id)), 201))['id']),
      );
    const group = String((await done(app.api('POST', '/api/groups', { name: 'g' }, inside(id)), 201))['id']);
    const answers = await atOnce(48, (at, n) => {
      const headers = { ...inside(id), 'x-forwarded-for': newAddress() };
      const [who, role] = [members[n % 4]!.id, roles[n % 3]!];
      if (n % 6 === 0) return at.api('PATCH', `/api/roles/${role}`, { parents: [roles[(n + 1) % 3]!] }, headers);
      if (n % 6 === 1) return at.api('POST', `/api/roles/${role}/assign`, { userIds: members.map((one) => one.id).reverse() }, headers);
      if (n % 6 === 2) return at.api('POST', `/api/roles/${role}/revoke`, { userIds: members.map((one) => one.id) }, headers);
      if (n % 6 === 3) return at.api('POST', `/api/groups/${group}/members`, { userIds: members.map((one) => one.id) }, headers);
      if (n % 6 === 4) return at.api('DELETE', `/api/groups/${group}/members/${who}`, undefined, headers);
      return at.api('PATCH', `/api/tenants/${id}/members/${who}`, { roles: [role] }, headers);
    });
    tally(answers);
    const { rows } = await app.owner.query<{ loop: boolean }>(
      `with recursive up(id, parent) as (select role_id, parent_id from role_parents where tenant_id = $1
         union select u.id, p.parent_id from up u join role_parents p on p.role_id = u.parent) select exists (select from up where id = parent) as loop`,
      [id],
    );
    assert.equal(rows[0]?.loop, false);
  });
});
