import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import type { Scope } from '#src/core/scope.ts';
import { getEvent } from '#src/features/audit/queries.ts';
import { auditRoutes } from '#src/features/audit/routes.ts';
import type { AuditEventView } from '#src/features/audit/schema.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

describe('the audit log over HTTP', () => {
  let api: ApiHarness;
  let reader: string;
  const ada = newId();

  const scopeOf = (tenantId: string, actorId = ada): Scope => ({
    tenantId,
    actor: { type: 'user', id: actorId },
    request: { id: 'r', address: '203.0.113.9', device: 'Firefox', issuer: '' },
    permissions: new Set(),
    platform: false,
  });
  const list = async (query = '', token = reader, path = '/api/audit-events') => {
    const { status, body } = await api.call(token, `GET ${path}${query}`);
    return {
      status,
      body: body as unknown as { items: AuditEventView[]; nextCursor: string | null },
    };
  };

  before(async () => {
    api = await startApi((parts) => auditRoutes(parts));
    const [a, b] = api.tenants;
    reader = api.tokenOf({ tenantId: a, permissions: ['audit.read'] });
    for (let n = 0; n < 5; n += 1)
      await api.audit.append(scopeOf(a), {
        type: `thing.done_${n}`,
        outcome: n % 2 ? 'failure' : 'success',
        target: { type: 'thing', id: `t${n}` },
      });
    await api.audit.append(scopeOf(b), { type: 'secret.of_b', outcome: 'success' });
  });
  after(() => api.close());

  it('shows the tenant its own events only, newest first, with where they came from', async () => {
    const { status, body } = await list();
    assert.equal(status, 200);
    assert.deepEqual(
      body.items.map(({ type }) => type),
      [4, 3, 2, 1, 0].map((n) => `thing.done_${n}`),
    );
    assert.equal(body.items[0]!.address, '203.0.113.9');
    assert.equal(body.nextCursor, null);
  });

  it('pages without losing or repeating one, also when new events come in between', async () => {
    const seen: string[] = [];
    let query = '?limit=2';
    for (let page = 0; page < 5; page += 1) {
      const { body } = await list(query);
      seen.push(...body.items.map(({ id }) => id));
      await api.audit.append(scopeOf(api.tenants[0], newId()), { type: 'came.between', outcome: 'success' });
      if (!body.nextCursor) break;
      query = `?limit=2&cursor=${body.nextCursor}`;
    }
    assert.equal(seen.length, 5);
    assert.equal(new Set(seen).size, 5);
  });

  it('filters by type, actor, target, outcome and time', async () => {
    const { body: all } = await list(`?actorId=${ada}`);
    const types = async (query: string): Promise<string[]> => (await list(query)).body.items.map(({ type }) => type);
    assert.equal(all.items.length, 5);
    assert.deepEqual(await types('?type=thing.done_2'), ['thing.done_2']);
    assert.deepEqual(await types('?targetId=t3'), ['thing.done_3']);
    assert.deepEqual(await types(`?actorId=${ada}&outcome=failure`), ['thing.done_3', 'thing.done_1']);
    assert.deepEqual(await types(`?actorId=${newId()}`), []);
    const later = encodeURIComponent(new Date(Date.parse(all.items[0]!.at) + 60_000).toISOString());
    assert.deepEqual(await types(`?from=${later}`), []);
    assert.equal((await types(`?to=${later}&actorId=${ada}`)).length, 5);
  });

  it('answers 422 for filters, instants and cursors that are none', async () => {
    const forged = Buffer.from(JSON.stringify(['2026-99-99 00:00:00+00', newId()])).toString('base64url');
    for (const query of ['?colour=red', '?from=yesterday', '?outcome=maybe', '?limit=0', '?limit=201', '?cursor=zzz', `?cursor=${forged}`])
      assert.equal((await list(query)).status, 422, query);
  });

  it('needs the permission, and finds one event by its id in its own tenant only', async () => {
    const [a, b] = api.tenants;
    assert.equal((await api.call(undefined, 'GET /api/audit-events')).status, 401);
    assert.equal((await list('', api.tokenOf({ tenantId: a, permissions: ['users.read'] }))).status, 403);
    const [first] = (await list()).body.items;
    assert.equal((await api.call(reader, `GET /api/audit-events/${first!.id}`)).body['type'], first!.type);
    const other = api.tokenOf({ tenantId: b, permissions: ['audit.read'] });
    for (const [token, id] of [
      [other, first!.id],
      [reader, newId()],
      [reader, 'ffffffff-ffff-7fff-bfff-ffffffffffff'],
      [reader, 'x'],
    ] as const)
      assert.equal((await api.call(token, `GET /api/audit-events/${id}`)).status, 404, id);
  });

  describe('GET /api/me/activity', () => {
    const tokenOf = (id: string, permissions = ['account']): string =>
      api.tokenOf({ tenantId: api.tenants[0], actor: { type: 'user', id }, permissions });
    const activity = (query: string, token: string) => list(query, token, '/api/me/activity');

    it("shows people their own events from every tenant, and nobody else's", async () => {
      const token = tokenOf(ada);
      const { body: page } = await activity('?limit=4', token);
      const { body: rest } = await activity(`?limit=4&cursor=${page.nextCursor}`, token);
      assert.deepEqual(
        [...page.items, ...rest.items].map(({ type }) => type),
        ['secret.of_b', ...[4, 3, 2, 1, 0].map((n) => `thing.done_${n}`)],
      );
      assert.deepEqual([page.items.length, rest.nextCursor, page.items[0]!.address], [4, null, '203.0.113.9']);
      assert.equal((await getEvent(api, scopeOf(api.tenants[1]), page.items[0]!.id)).personId, ada);
      assert.deepEqual((await activity('', tokenOf(newId()))).body, { items: [], nextCursor: null });
    });

    it('tells what an administrator did to somebody, but not where they sat', async () => {
      const [bob, administrator] = [newId(), newId()];
      const about = { outcome: 'success', target: { type: 'user', id: bob }, personId: bob } as const;
      await api.audit.append(scopeOf(api.tenants[0], administrator), { ...about, type: 'password.set', note: 'asked by phone' });
      await api.audit.append(
        { ...scopeOf(api.tenants[0]), actor: { type: 'anonymous' } },
        { ...about, type: 'login.refused', outcome: 'failure' },
      );
      const { body } = await activity('', tokenOf(bob));
      const told = body.items.map(({ type, actor, address, device, note }) => ({ type, by: actor.id, address, device, note }));
      assert.deepEqual(told, [
        { type: 'login.refused', by: null, address: '203.0.113.9', device: 'Firefox', note: null },
        { type: 'password.set', by: null, address: null, device: null, note: null },
      ]);
    });

    it('pages over events of one instant without losing or repeating one, two hundred at most', async () => {
      const cat = newId();
      await api.owner.query(
        `insert into audit_events (id, at, tenant_id, type, outcome, actor_type, person_id)
         select gen_random_uuid(), timestamptz '2026-01-02 03:04:05.678901Z', $1, 'thing.done', 'success', 'system', $2 from generate_series(1, 205)`,
        [api.tenants[0], cat],
      );
      const token = tokenOf(cat);
      for (const [limit, pages] of [
        [200, 2],
        [50, 5],
      ] as const) {
        const seen: string[] = [];
        let cursor: string | null | undefined;
        let count = 0;
        while (cursor !== null) {
          const { body } = await activity(`?limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`, token);
          seen.push(...body.items.map(({ id }) => id));
          cursor = body.nextCursor;
          count += 1;
        }
        assert.deepEqual([count, seen.length, new Set(seen).size], [pages, 205, 205]);
      }
    });

    it('is for people with the scope `account`, and takes no cursor or filter of another list', async () => {
      const refused = async (token: string | undefined): Promise<number> => (await api.call(token, 'GET /api/me/activity')).status;
      assert.equal(await refused(undefined), 401);
      assert.equal(await refused(tokenOf(ada, ['audit.read'])), 403);
      assert.equal(await refused(api.tokenOf({ tenantId: api.tenants[0], permissions: ['account'] })), 403);
      for (const query of ['?actorId=x', '?limit=0', '?limit=201', '?cursor=zzz', '?limit=1&limit=2'])
        assert.equal((await activity(query, tokenOf(ada))).status, 422, query);
    });
  });
});
