import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '#src/core/errors.ts';
import { createTenantCache } from '#src/features/tenants/cache.ts';
import { type ChangeFeed, createChangeFeed } from '#src/infra/change-feed.ts';
import { type ClientCache, createClientCache, createMetadataCheck } from '#src/oidc/clients.ts';
import { createResourceCache } from '#src/oidc/resources.ts';
import { API, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('clients and resources in memory', function () {
  this.timeout(30_000);
  let issuer: TestIssuer;
  let feeds: ChangeFeed[];
  let nodes: ClientCache[];
  before(async () => {
    issuer = await startIssuer();
    feeds = [
      await createChangeFeed(issuer.db, { intervalMs: 60_000, maxAgeMs: 60_000 }),
      await createChangeFeed(issuer.db, { intervalMs: 60_000, maxAgeMs: 60_000 }),
    ];
    nodes = feeds.map((feed) => createClientCache({ db: issuer.db, feed, max: 3 }));
    await issuer.addClient('one');
    await sleep(50);
  });
  after(async () => {
    for (const feed of feeds) await feed.stop();
    await issuer.close();
  });
  const soon = async (holds: () => Promise<boolean>): Promise<void> => {
    const end = performance.now() + 5000;
    while (!(await holds())) {
      assert.ok(performance.now() < end, 'not told');
      await sleep(5);
    }
  };

  it('cost no statement once they were read', async () => {
    for (const node of nodes) assert.equal((await node.find('one'))?.clientId, 'one');
    const statements = await issuer.counted(() => Promise.all(Array.from({ length: 50 }, () => nodes[0]!.find('one'))));
    assert.equal(statements, 0);
  });

  it('follow a tenant’s change at once on the node that made it, before any notification arrives', async () => {
    const { owner, tenantId } = issuer;
    const feed = await createChangeFeed({ ...issuer.db, listen: async () => async () => {} }, { intervalMs: 60_000, maxAgeMs: 60_000 });
    try {
      const clients = createClientCache({ db: issuer.db, feed });
      const tenants = createTenantCache({ db: issuer.db, feed });
      assert.equal((await clients.find('one'))?.enabled, true);
      await owner.query(`update tenants set status = 'suspended' where id = $1`, [tenantId]);
      assert.equal((await clients.find('one'))?.enabled, true, 'nothing was heard yet');
      tenants.drop(tenantId);
      assert.equal((await clients.find('one'))?.enabled, false);
    } finally {
      await owner.query(`update tenants set status = 'active' where id = $1`, [tenantId]);
      await feed.stop();
    }
  });

  it('follow every change on every node, by notification alone: state, secrets, tenant, deletion, and a client that was not there before', async () => {
    const { owner, tenantId } = issuer;
    const both = (holds: (client: Awaited<ReturnType<ClientCache['find']>>) => boolean): Promise<void> =>
      soon(async () => (await Promise.all(nodes.map((node) => node.find('one')))).every(holds));
    await owner.query(`update clients set enabled = false where client_id = 'one'`);
    await both((client) => client?.enabled === false);
    await owner.query(`update clients set enabled = true where client_id = 'one'`);
    await both((client) => client?.enabled === true);
    await owner.query(`delete from client_secrets where client_id = 'one'`);
    await both((client) => client?.secrets.length === 0);
    await owner.query(`update tenants set status = 'suspended' where id = $1`, [tenantId]);
    await both((client) => client?.enabled === false);
    await owner.query(`update tenants set status = 'active' where id = $1`, [tenantId]);
    await both((client) => client?.enabled === true);
    await owner.query(`delete from clients where client_id = 'one'`);
    await both((client) => client === undefined);
    await issuer.addClient('one');
    await both((client) => client !== undefined);
  });

  it('are no more than there is room for, however many unknown ids are asked for', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await issuer.addClient(id);
    await sleep(50);
    for (const id of ['a', 'b', 'c', 'd']) await nodes[0]!.find(id);
    assert.equal(nodes[0]!.size, 3);
    for (let n = 0; n < 50; n += 1) assert.equal(await nodes[0]!.find(`unknown-${n}`), undefined);
    assert.equal(nodes[0]!.size, 3);
    for (const id of ['a\0b', 'x'.repeat(300), 'a b', "'; drop table clients; --"]) {
      const statements = await issuer.counted(async () => assert.equal(await nodes[0]!.find(id), undefined));
      assert.equal(statements, 0, 'what can be no id is not looked for');
    }
  });

  it('resources too', async () => {
    const cache = createResourceCache({ db: issuer.db, feed: feeds[0]! });
    assert.equal((await cache.find(API))?.identifier, API);
    assert.equal(await issuer.counted(() => cache.find(API)), 0);
    await issuer.owner.query(`update resources set name = 'New' where identifier = $1`, [API]);
    await soon(async () => (await cache.find(API))?.name === 'New');
  });

  it('what the library could not work with is refused before it is stored, with the member named', async () => {
    const check = createMetadataCheck(() => issuer.provider);
    const good = {
      redirect_uris: ['https://rp.test/cb'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    };
    const client = (metadata: Record<string, unknown>) => ({
      clientId: 'new',
      profile: 'default' as const,
      metadata: { ...good, ...metadata },
    });
    await check(client({}));
    await check(client({ scope: 'openid profile', default_resource: API, require_pkce: false, client_name: 'X' }));
    for (const [member, value] of Object.entries({
      id_token_signed_response_alg: 'HS256',
      response_types: ['id_token'],
      subject_type: 'pairwise',
    })) {
      await assert.rejects(
        check(client({ [member]: value })),
        (error) => error instanceof AppError && error.status === 422 && error.errors?.[0]?.pointer.startsWith('/') === true,
        member,
      );
    }
  });
});
