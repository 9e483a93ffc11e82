/** Tenants over the whole server: made from a template, suspended, restored, deleted, and gone. */
import assert from 'node:assert/strict';
import { basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';

describe('the life of a tenant', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  const api = async (signature: string, body?: object, headers?: Record<string, string>) => {
    const [method, path] = signature.split(' ');
    return app.api(method!, path!, body, headers);
  };
  const make = async (body: object): Promise<string> => {
    const made = await api('POST /api/tenants', body);
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  /** A service of the tenant, with its own token for our API. */
  const service = async (tenantId: string, permissions: string[] = ['tenants.read', 'tenants.write', 'members.read', 'users.read']) => {
    const made = await api(
      'POST /api/clients',
      { client_name: 'Service', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], permissions },
      { 'x-tenant-id': tenantId },
    );
    assert.equal(made.status, 201, made.text);
    const client = { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
    const tokenNow = () => app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, client);
    const first = await tokenNow();
    assert.equal(first.status, 200, first.text);
    return { client, tokenNow, headers: { authorization: `Bearer ${String(first.body['access_token'])}` } };
  };

  it('begins with what its template says', async () => {
    const template = await api('POST /api/tenant-templates', {
      name: 'School',
      type: 'enterprise',
      roles: [{ roleName: 'teacher', permissions: ['users.read'], parents: ['pupil'] }, { roleName: 'pupil' }],
      attributeDefinitions: [{ path: 'user.form', type: 'string' }],
      settings: { signUp: 'closed', branding: { displayName: 'School', primaryColor: '#112233' } },
      limits: { members: 3 },
    });
    assert.equal(template.status, 201, template.text);
    const id = await make({
      name: 'École Élémentaire',
      templateId: template.body['id'],
      settings: { branding: { primaryColor: '#445566' } },
    });
    const { body } = await api(`GET /api/tenants/${id}`);
    assert.deepEqual([body['slug'], body['type']], ['ecole-elementaire', 'enterprise']);
    const settings = body['settings'] as Record<string, unknown>;
    assert.deepEqual([settings['signUp'], settings['branding']], ['closed', { displayName: 'School', primaryColor: '#445566' }]);
    const inside = { 'x-tenant-id': id };
    const roles = (await api('GET /api/roles', undefined, inside)).body['items'] as { roleName: string; parents: string[] }[];
    assert.deepEqual(roles.map(({ roleName, parents }) => [roleName, ...parents]).sort(), [
      ['administrator'],
      ['member'],
      ['owner'],
      ['pupil'],
      ['teacher', 'pupil'],
    ]);
    const definitions = (await api('GET /api/attributes', undefined, inside)).body['items'] as { path: string }[];
    assert.deepEqual(
      definitions.map(({ path }) => path),
      ['user.form'],
    );
    assert.deepEqual((await api(`GET /api/tenants/${id}/limits`)).body['effective'], { members: 3 });
    const again = await make({ name: 'École Élémentaire' });
    assert.match(String((await api(`GET /api/tenants/${again}`)).body['slug']), /^ecole-elementaire-[a-z0-9]+$/);
  });

  it('makes nothing of a template that cannot be applied', async () => {
    const template = await api('POST /api/tenant-templates', {
      name: 'Broken',
      type: 'team',
      roles: [{ roleName: 'a', permissions: ['nothing.known'] }],
    });
    const refused = await api('POST /api/tenants', { name: 'Half made', templateId: template.body['id'] });
    assert.equal(refused.status, 422, refused.text);
    assert.deepEqual((await api('GET /api/tenants?q=half')).body['items'], []);
  });

  it('is made for an owner, named by id or invited by mail', async () => {
    const { body: person } = await api('POST /api/users', { email: 'olga@example.test', emailVerified: true });
    const id = await make({ name: 'Olga', ownerId: person['id'] });
    const members = (await api(`GET /api/tenants/${id}/members`)).body['items'] as Record<string, unknown>[];
    assert.deepEqual(
      members.map(({ userId, roles, home }) => [userId, roles, home]),
      [[person['id'], ['owner'], false]],
    );
    const other = await make({ name: 'Otto', ownerEmail: 'otto@example.test' });
    const invitations = (await api(`GET /api/tenants/${other}/invitations`)).body['items'] as Record<string, unknown>[];
    assert.deepEqual(
      invitations.map(({ email, roles }) => [email, roles]),
      [['otto@example.test', ['owner']]],
    );
  });

  it('is seen by itself, and by nobody but the platform', async () => {
    const [a, b] = [await make({ name: 'One' }), await make({ name: 'Two' })];
    const { headers } = await service(a);
    const list = (await api('GET /api/tenants', undefined, headers)).body['items'] as { id: string }[];
    assert.deepEqual(
      list.map(({ id }) => id),
      [a],
    );
    const [foreign, unknown] = await Promise.all(
      [b, '01890000-0000-7000-8000-000000000000'].map((id) =>
        api(`GET /api/tenants/${id}`, undefined, { ...headers, 'x-request-id': 'same' }),
      ),
    );
    assert.equal(foreign!.status, 404);
    assert.equal(foreign!.text, unknown!.text);
    const slugs = await api('GET /api/tenants?slug=two', undefined, headers);
    assert.deepEqual(slugs.body['items'], []);
    for (const [signature, body] of [
      ['POST /api/tenants', { name: 'x' }],
      [`POST /api/tenants/${a}/suspend`, {}],
      [`POST /api/tenants/${a}/restore`, undefined],
    ] as const)
      assert.equal((await api(signature, body, headers)).status, 403, signature);
    const changed = await api(`PATCH /api/tenants/${a}`, { name: 'Uno', settings: { timeZone: 'Asia/Tokyo' } }, headers);
    assert.deepEqual([changed.status, changed.body['name']], [200, 'Uno'], changed.text);
    const type = await api(`PATCH /api/tenants/${a}`, { type: 'enterprise' }, headers);
    assert.equal(type.status, 403, type.text);
    for (const member of ['status', 'limits', 'platform', 'deletedAt'])
      assert.equal((await api(`PATCH /api/tenants/${a}`, { [member]: 'active' }, headers)).status, 422, member);
    assert.equal((await api(`DELETE /api/tenants/${a}`, undefined, headers)).body['code'], 'tenant.owner_required');
  });

  it('suspended, lets nobody act in it, and goes on where it was when it is restored', async () => {
    const id = await make({ name: 'Pausing' });
    const { headers, tokenNow } = await service(id);
    const person = await api(
      'POST /api/users',
      { email: 'paul@example.test', emailVerified: true, password: 'violet cactus thunder marble' },
      { 'x-tenant-id': id },
    );
    assert.equal(person.status, 201, person.text);
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, headers)).status, 200);
    const suspended = await api(`POST /api/tenants/${id}/suspend`, { reason: 'unpaid' });
    assert.deepEqual([suspended.status, suspended.body['status'], suspended.body['statusReason']], [200, 'suspended', 'unpaid']);
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, headers)).status, 401);
    assert.equal((await tokenNow()).body['error'], 'invalid_client');
    assert.equal((await api('GET /api/users', undefined, { 'x-tenant-id': id })).status, 404, 'nor as the platform by X-Tenant-Id');
    assert.equal((await api(`GET /api/tenants/${id}/members`)).status, 200, 'which may still read');
    const { rows } = await app.owner.query('select t.status from users u join tenants t on t.id = u.home_tenant_id where u.id = $1', [
      person.body['id'],
    ]);
    assert.equal(rows[0].status, 'suspended');
    const restored = await api(`POST /api/tenants/${id}/restore`);
    assert.deepEqual([restored.status, restored.body['status'], restored.body['statusReason']], [200, 'active', null]);
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, headers)).status, 200);
    assert.equal((await tokenNow()).status, 200);
  });

  it('deleted, is over at once, and can be restored until its grace is over', async () => {
    const id = await make({ name: 'Leaving' });
    const { headers } = await service(id);
    const gone = await api(`DELETE /api/tenants/${id}`);
    assert.deepEqual(gone.body, { id, deleted: true });
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, headers)).status, 401);
    const read = (await api(`GET /api/tenants/${id}`)).body;
    const grace = Date.parse(String(read['purgeAfter'])) - Date.parse(String(read['deletedAt']));
    assert.deepEqual([read['status'], Math.round(grace / 86_400_000)], ['deleted', 30]);
    assert.equal((await api(`DELETE /api/tenants/${id}`)).status, 404);
    assert.equal((await api(`PATCH /api/tenants/${id}`, { name: 'x' })).body['code'], 'tenant.deleted');
    assert.equal((await api(`POST /api/tenants/${id}/suspend`, {})).body['code'], 'tenant.deleted');
    assert.equal((await api(`POST /api/tenants/${id}/restore`)).body['status'], 'active');
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, headers)).status, 200);
    await api(`DELETE /api/tenants/${id}`);
    await app.owner.query(`update tenants set purge_after = now() - interval '1 second' where id = $1`, [id]);
    assert.equal((await api(`POST /api/tenants/${id}/restore`)).body['code'], 'tenant.purged');
  });

  it('of who runs the installation can be neither suspended nor deleted', async () => {
    for (const signature of [`POST /api/tenants/${app.rootTenantId}/suspend`, `DELETE /api/tenants/${app.rootTenantId}`])
      assert.equal((await api(signature, signature.startsWith('POST') ? {} : undefined)).body['code'], 'tenant.root');
    assert.equal((await api(`PATCH /api/tenants/${app.rootTenantId}`, { slug: 'other' })).body['code'], 'tenant.root');
  });

  it('is reached from where its address rules say, by its services too, and refusals are kept', async () => {
    const id = await make({ name: 'Walled' });
    const { headers } = await service(id);
    const from = (address: string) => ({ ...headers, 'x-forwarded-for': address });
    assert.equal(
      (await api(`POST /api/tenants/${id}/ip-rules`, { cidr: '203.0.113.0/24', action: 'allow' }, from('203.0.113.5'))).status,
      201,
    );
    const refused = await api(`GET /api/tenants/${id}`, undefined, from('198.51.100.7'));
    assert.deepEqual([refused.status, refused.body['code']], [403, 'tenant.address_refused']);
    assert.equal((await api(`GET /api/tenants/${id}`, undefined, from('203.0.113.9'))).status, 200);
    assert.equal((await api(`GET /api/tenants/${id}`)).status, 200, 'the platform is never shut out');
    const { rows } = await app.owner.query(
      `select count(*)::int as count from audit_events where tenant_id = $1 and reason = 'tenant.address_refused'`,
      [id],
    );
    assert.equal(rows[0].count, 1);
  });

  describe('and its people', () => {
    const password = 'violet cactus thunder marble';
    let number = 0;
    /** A person of the tenant with a token of their own for our API. */
    const signedIn = async (tenantId: string, home: string, role: string, clientOf = tenantId) => {
      const username = `person.${++number}`;
      const person = await api('POST /api/users', { username, password }, { 'x-tenant-id': home });
      assert.equal(person.status, 201, person.text);
      const id = String(person.body['id']);
      if (home === tenantId) await api(`PUT /api/tenants/${tenantId}/members/${id}`, { roles: [role] });
      else assert.equal((await api(`POST /api/tenants/${tenantId}/members`, { userId: id, roles: [role] })).status, 201);
      const client = await api(
        'POST /api/clients',
        {
          client_name: 'App',
          redirect_uris: ['https://app.test/cb'],
          grant_types: ['authorization_code', 'refresh_token'],
          direct_login: true,
        },
        { 'x-tenant-id': clientOf },
      );
      const credentials = basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) });
      const login = () => api('POST /api/auth/login', { username, password }, credentials);
      const tokens = await login();
      assert.equal(tokens.status, 200, tokens.text);
      return { id, login, headers: { authorization: `Bearer ${String(tokens.body['access_token'])}` } };
    };

    it('lets an owner delete it, and nobody else of it: not an administrator, not a member', async () => {
      const id = await make({ name: 'Owned' });
      const [owner, administrator, member] = [
        await signedIn(id, id, 'owner'),
        await signedIn(id, id, 'administrator'),
        await signedIn(id, id, 'member'),
      ];
      assert.deepEqual([(await api(`DELETE /api/tenants/${id}`, undefined, member.headers)).status], [403]);
      const refused = await api(`DELETE /api/tenants/${id}`, undefined, administrator.headers);
      assert.deepEqual([refused.status, refused.body['code']], [403, 'tenant.owner_required']);
      assert.equal((await api(`DELETE /api/tenants/${id}`, undefined, owner.headers)).status, 200);
      assert.equal((await api('GET /api/me', undefined, owner.headers)).status, 401);
      const again = await owner.login();
      assert.ok([400, 401, 403].includes(again.status), again.text);
      await api(`POST /api/tenants/${id}/restore`);
      assert.equal((await owner.login()).status, 200);
    });

    it('takes tokens of it from who is no member any more, with the next call', async () => {
      const id = await make({ name: 'Left' });
      const guest = await signedIn(id, app.rootTenantId, 'administrator');
      assert.equal((await api(`GET /api/tenants/${id}`, undefined, guest.headers)).status, 200);
      assert.equal((await api(`DELETE /api/tenants/${id}/members/${guest.id}`)).status, 200);
      assert.equal((await api(`GET /api/tenants/${id}`, undefined, guest.headers)).status, 401);
      assert.notEqual((await guest.login()).status, 200);
    });

    it('lets a person see their tenants and leave one', async () => {
      const id = await make({ name: 'Visited' });
      // Only an application of the home tenant, or of the installation, sees the account.
      const guest = await signedIn(id, app.rootTenantId, 'member', app.rootTenantId);
      const list = (await api('GET /api/me/tenants', undefined, guest.headers)).body['items'] as Record<string, unknown>[];
      assert.deepEqual(
        list.map((item) => [item['tenantId'], item['home']]).sort(),
        [
          [app.rootTenantId, true],
          [id, false],
        ].sort(),
      );
      assert.equal((await api(`DELETE /api/me/tenants/${id}`, undefined, guest.headers)).status, 200);
      assert.equal((await api('GET /api/me/tenants', undefined, guest.headers)).status, 401);
    });

    for (const [metric, path, body] of [
      ['invitations', 'invitations', (n: number) => ({ email: `invited.${n}@example.test` })],
      ['apiKeys', 'api-keys', (n: number) => ({ name: `Key ${n}`, permissions: ['users.read'] })],
    ] as const)
      it(`holds ${metric} to the limit exactly under 20 parallel calls`, async () => {
        const id = await make({ name: 'Limited' });
        assert.equal((await api(`PUT /api/tenants/${id}/limits`, { limits: { [metric]: 4 } })).status, 200);
        const where = path === 'api-keys' ? '/api/api-keys' : `/api/tenants/${id}/${path}`;
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, n) => api(`POST ${where}`, body(n), path === 'api-keys' ? { 'x-tenant-id': id } : {})),
        );
        assert.deepEqual(answers.map(({ status, body: { code } }) => `${status} ${String(code ?? '')}`).sort(), [
          ...Array(4).fill('201 '),
          ...Array(16).fill('409 limit.reached'),
        ]);
        const usage = (await api(`GET /api/tenants/${id}/usage`)).body['metrics'] as Record<string, unknown>;
        assert.deepEqual(usage[metric], { used: 4, limit: 4 });
      });
  });
});
