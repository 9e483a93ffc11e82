import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { type DomainDeps, domainCheckHandler } from '#src/features/domains/commands.ts';
import { domainRoutes } from '#src/features/domains/routes.ts';
import { createTenantCache } from '#src/features/tenants/cache.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import type { TenantCache } from '#src/features/tenants/index.ts';
import { readTenant } from '#src/features/tenants/store.ts';
import { createChangeFeed } from '#src/infra/change-feed.ts';
import { createLimits, RULES } from '#src/infra/limits.ts';
import { type ApiAnswer, type ApiHarness, type Loose, startApi } from '#test/support/api.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';

describe('domains of a tenant', () => {
  const records = new Map<string, readonly (readonly string[])[] | Error>();
  let api: ApiHarness;
  let deps: DomainDeps;
  let tenants: TenantCache;
  let stop = async (): Promise<void> => {};
  let tenant: string;
  let other: string;
  let admin: string;
  let foreigner: string;
  let platform: string;
  let path: string;
  let number = 0;
  before(async function () {
    this.timeout(60_000);
    api = await startApi(async ({ db, transact }) => {
      const feed = await createChangeFeed(db, {});
      stop = () => feed.stop();
      tenants = createTenantCache({ db, feed });
      deps = {
        db,
        clock: systemClock,
        transact,
        tenants,
        limits: createLimits({ db }),
        baseIssuer: 'http://localhost:3000',
        loopback: true,
        async resolveTxt(name) {
          const found = records.get(name) ?? Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
          if (found instanceof Error) throw found;
          return found;
        },
      };
      return domainRoutes({ ...deps, inTenant: (scope, id) => tenantInPath({ tenants }, scope, id) });
    });
    [tenant, other] = api.tenants;
    admin = api.tokenOf({ tenantId: tenant });
    foreigner = api.tokenOf({ tenantId: other });
    platform = api.tokenOf({ tenantId: api.rootTenantId, platform: true });
    path = `/api/tenants/${tenant}/domains`;
  });
  after(async () => {
    await stop();
    await api?.close();
  });
  afterEach(() => assert.deepEqual(takeViolations(), []));

  const problem = (answer: ApiAnswer, status: number, code: string): void =>
    assert.deepEqual([answer.status, answer.body['code']], [status, code], answer.text);
  const claim = async (
    domain = `d${++number}.test`,
    at = path,
    token = admin,
    more = {},
  ): Promise<Loose & { id: string; domain: string }> => {
    const answer = await api.call(token, `POST ${at}`, { body: { domain, ...more } });
    assert.equal(answer.status, 201, answer.text);
    return answer.body as never;
  };
  const verify = (id: string, at = path, token = admin): Promise<ApiAnswer> => api.call(token, `POST ${at}/${id}/verify`);
  const publish = (made: Loose): void => {
    const { name, value } = made['verification'] as unknown as { name: string; value: string };
    records.set(name, [['v=spf1 -all'], [value.slice(0, 10), value.slice(10)]]);
  };
  const recorded = async (id: string): Promise<string[]> => {
    const { rows } = await api.owner.query('select type from audit_events where target_id = $1 order by at, id', [id]);
    return rows.map(({ type }) => type);
  };

  it('are claimed, proven by a TXT record, seen by every process, and given up', async () => {
    const made = await claim('Claimed.Test.');
    assert.equal(made.domain, 'claimed.test');
    assert.match(
      JSON.stringify(made['verification']),
      /"TXT","name":"_gatehouse-challenge\.claimed\.test","value":"gatehouse-domain-verification=[\w-]{32}"/,
    );
    assert.deepEqual([made['verifiedAt'], made['issuer']], [null, null]);
    const early = await verify(made.id);
    problem(early, 409, 'domain.not_verified');
    assert.deepEqual(early.body['found'], []);
    records.set('_gatehouse-challenge.claimed.test', [['something else']]);
    assert.deepEqual((await verify(made.id)).body['found'], ['something else']);
    assert.deepEqual((await tenants.find(tenant))?.domains, []);
    publish(made);
    const done = await verify(made.id);
    assert.equal(done.status, 200, done.text);
    assert.ok(done.body['verifiedAt']);
    assert.equal(done.body['verifiedBy'], 'dns');
    assert.deepEqual((await tenants.find(tenant))?.domains, ['claimed.test']);
    assert.equal((await verify(made.id)).headers.get('etag'), done.headers.get('etag'));
    assert.deepEqual((await api.call(admin, `DELETE ${path}/${made.id}`)).body, { id: made.id, deleted: true });
    assert.deepEqual((await tenants.find(tenant))?.domains, []);
    problem(await api.call(admin, `GET ${path}/${made.id}`), 404, 'domain.not_found');
    assert.deepEqual(await recorded(made.id), ['domain.created', 'domain.verified', 'domain.deleted']);
  });

  it('say that name servers fail, and take that for no answer', async () => {
    const made = await claim();
    for (const code of ['ETIMEOUT', 'ESERVFAIL', 'ECANCELLED', 'ECONNREFUSED']) {
      records.set(`_gatehouse-challenge.${made.domain}`, Object.assign(new Error(code), { code }));
      const answer = await verify(made.id);
      problem(answer, 503, 'domain.lookup_failed');
      assert.ok(answer.headers.get('retry-after'));
    }
    assert.deepEqual(await recorded(made.id), ['domain.created']);
  });

  it('are looked for so many times in an hour by a tenant', async () => {
    const theirs = `/api/tenants/${api.rootTenantId}/domains`;
    const made = await claim('patient.test', theirs, platform);
    const { points } = RULES.domainLookup;
    for (let count = 0; count < points; count += 1) assert.equal((await verify(made.id, theirs, platform)).status, 409);
    const held = await verify(made.id, theirs, platform);
    assert.equal(held.status, 429);
    assert.ok(Number(held.headers.get('retry-after')) > 60);
  });

  it('may be claimed by many and proven by one, also at the same instant', async () => {
    const theirs = `/api/tenants/${other}/domains`;
    const [mine, yours] = [await claim('shared.test'), await claim('shared.test', theirs, foreigner)];
    problem(await api.call(admin, `POST ${path}`, { body: { domain: 'SHARED.test' } }), 409, 'domain.exists');
    const both = [mine, yours].map((one) => [(one['verification'] as unknown as { value: string }).value]);
    records.set('_gatehouse-challenge.shared.test', both);
    const answers = await Promise.all([verify(mine.id), verify(yours.id, theirs, foreigner)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    problem(answers.find(({ status }) => status === 409)!, 409, 'domain.taken');
    problem(
      await api.call(platform, `POST /api/tenants/${api.rootTenantId}/domains`, { body: { domain: 'shared.test', verified: true } }),
      409,
      'domain.taken',
    );
  });

  it('are called verified without a record by the platform only; so are names below localhost', async () => {
    problem(await api.call(admin, `POST ${path}`, { body: { domain: 'said.test', verified: true } }), 403, 'permission.missing');
    const said = await claim('said.test', path, platform, { verified: true });
    assert.deepEqual([Boolean(said['verifiedAt']), said['verifiedBy']], [true, 'platform']);
    for (const token of [admin, platform])
      assert.equal((await api.call(token, `POST ${path}`, { body: { domain: 'acme.localhost' } })).status, 422);
    assert.equal((await claim('acme.localhost', path, platform, { verified: true })).domain, 'acme.localhost');
    for (const domain of ['localhost', 'single', '10.0.0.1', 'co.uk'])
      assert.equal((await api.call(platform, `POST ${path}`, { body: { domain, verified: true } })).status, 422, domain);
  });

  it('become issuers and stop being so, where they are verified and the tenant is of a type that has some', async () => {
    const unproven = await claim();
    const patch = (id: string, issuer: unknown): Promise<ApiAnswer> => api.call(admin, `PATCH ${path}/${id}`, { body: { issuer } });
    const issuers = async (): Promise<string[]> =>
      (await api.owner.query('select url from issuers where tenant_id = $1 order by url', [tenant])).rows.map(({ url }) => url);
    problem(await patch(unproven.id, true), 409, 'domain.not_verified');
    const foreign = await claim('second.test', path, platform, { verified: true });
    problem(await patch(foreign.id, true), 409, 'domain.issuer_not_allowed');
    const made = await claim('issuer.localhost', path, platform, { verified: true });
    await api.owner.query(`update tenants set type = 'personal' where id = $1`, [tenant]);
    tenants.drop(tenant);
    problem(await patch(made.id, true), 409, 'domain.issuer_not_allowed');
    await api.owner.query(`update tenants set type = 'team' where id = $1`, [tenant]);
    tenants.drop(tenant);
    const on = await patch(made.id, true);
    assert.deepEqual(
      [on.status, on.body['issuer'], await issuers()],
      [200, 'http://issuer.localhost:3000', ['http://issuer.localhost:3000']],
    );
    assert.equal((await patch(made.id, true)).headers.get('etag'), on.headers.get('etag'));
    assert.deepEqual([(await patch(made.id, false)).body['issuer'], await issuers()], [null, []]);
    await patch(made.id, true);
    assert.equal((await api.call(admin, `DELETE ${path}/${made.id}`)).status, 200);
    assert.deepEqual(await issuers(), []);
    assert.equal((await patch(unproven.id, 'yes')).status, 422);
    const stale = await api.call(admin, `PATCH ${path}/${foreign.id}`, { body: { issuer: false }, headers: { 'if-match': '"99"' } });
    assert.equal(stale.status, 412);
  });

  it('G7: of another tenant are unknown in every path', async () => {
    const made = await claim();
    const bare = ({ body: { requestId: _, ...rest }, status }: ApiAnswer): string => JSON.stringify([status, rest]);
    const seen = new Set<string>();
    for (const id of [made.id, newId()])
      for (const [method, below, options] of [
        ['GET', '', {}],
        ['DELETE', '', {}],
        ['PATCH', '', { body: { issuer: true } }],
        ['POST', '/verify', {}],
      ] as const)
        seen.add(bare(await api.call(foreigner, `${method} /api/tenants/${other}/domains/${id}${below}`, options)));
    assert.equal(seen.size, 1, [...seen].join('\n'));
    problem(await api.call(foreigner, `GET ${path}`), 404, 'tenant.not_found');
    problem(await api.call(foreigner, `POST ${path}`, { body: { domain: 'theirs.test' } }), 404, 'tenant.not_found');
    assert.equal((await api.call(admin, `GET ${path}/${made.id}`)).status, 200);
    const list = await api.call(foreigner, `GET /api/tenants/${other}/domains?limit=200`);
    assert.ok(!list.text.includes(made.id));
  });

  it('are looked up again once a week; a record that is gone is recorded and takes nothing away', async () => {
    const [kept, lost, away] = [await claim(), await claim(), await claim()];
    for (const one of [kept, lost, away]) {
      publish(one);
      assert.equal((await verify(one.id)).status, 200);
    }
    const check = domainCheckHandler(deps);
    await check({}, { attempt: 1 });
    assert.equal((await recorded(lost.id)).length, 2);
    await api.owner.query(`update tenant_domains set checked_at = now() - interval '8 days' where id = any ($1)`, [
      [kept.id, lost.id, away.id],
    ]);
    records.delete(`_gatehouse-challenge.${lost.domain}`);
    records.set(`_gatehouse-challenge.${away.domain}`, Object.assign(new Error('late'), { code: 'ETIMEOUT' }));
    await check({}, { attempt: 1 });
    await check({}, { attempt: 1 });
    const last = async (id: string) => (await recorded(id)).slice(2);
    assert.deepEqual([await last(kept.id), await last(lost.id), await last(away.id)], [[], ['domain.check_failed'], []]);
    const facts = await readTenant(deps.db, tenant);
    for (const { domain } of [kept, lost, away]) assert.ok(facts?.domains.includes(domain));
  });

  it('go on page by page', async () => {
    const first = await api.call(admin, `GET ${path}?limit=1`);
    const second = await api.call(admin, `GET ${path}?limit=1&cursor=${String(first.body['nextCursor'])}`);
    assert.equal(second.status, 200, second.text);
    assert.notDeepEqual(first.body['items'], second.body['items']);
  });
});
