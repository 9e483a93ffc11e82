import assert from 'node:assert/strict';
import { sha256 } from '#src/core/ids.ts';
import { newApiKey } from '#src/features/api-keys/key.ts';
import { findForProtocol } from '#src/features/api-keys/store.ts';
import { createApiKeyUses } from '#src/features/api-keys/uses.ts';
import { openDatabase } from '#src/infra/postgres.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

describe('the last use of an API key', () => {
  let api: ApiHarness;
  let now = new Date('2026-11-22T12:00:00Z');
  const clock = { now: () => now };

  before(async () => {
    api = await startApi(() => []);
    await api.owner.query(`insert into clients (client_id, tenant_id, metadata) values ('owner', $1, '{}')`, [api.tenants[0]]);
  });
  after(() => api?.close());

  async function addKey(): Promise<() => ReturnType<typeof findForProtocol>> {
    const hash = sha256(newApiKey());
    await api.owner.query(
      `insert into api_keys (id, tenant_id, name, prefix, key_hash, permissions, owner_client_id) values (gen_random_uuid(), $1, 'Key', 'gh_x', $2, '{users.read}', 'owner')`,
      [api.tenants[0], hash],
    );
    return () => findForProtocol(api.db, hash);
  }
  const uses = (log: (message: string) => void = assert.fail) => createApiKeyUses({ db: api.db, clock, log, delayMs: 60_000 });
  const at = (text: string): number => Date.parse(text) / 1000;

  it('is written with others when the server stops, in one statement', async () => {
    const finds = [await addKey(), await addKey(), await addKey()];
    const noted = uses();
    for (const find of finds) {
      noted.note((await find())!);
      noted.note((await find())!);
    }
    const before = api.db.statements.count;
    await noted.close();
    assert.equal(api.db.statements.count - before, 1);
    for (const find of finds) assert.equal((await find())?.lastUsedAt, at('2026-11-22T12:00:00Z'));
    await noted.close();
    assert.equal(api.db.statements.count - before, 4, 'nothing was left to write');
  });

  it('is not written again within a minute, by this node or another, and never goes back', async () => {
    const find = await addKey();
    const [one, other] = [uses(), uses()];
    one.note((await find())!);
    await one.close();
    now = new Date('2026-11-22T12:00:59Z');
    for (const node of [one, other]) {
      node.note((await find())!);
      await node.close();
    }
    assert.equal((await find())?.lastUsedAt, at('2026-11-22T12:00:00Z'));
    now = new Date('2026-11-22T12:01:00Z');
    other.note((await find())!);
    await other.close();
    assert.equal((await find())?.lastUsedAt, at('2026-11-22T12:01:00Z'));
    now = new Date('2026-11-22T11:00:00Z');
    const late = uses();
    late.note({ ...(await find())!, lastUsedAt: null });
    await late.close();
    assert.equal((await find())?.lastUsedAt, at('2026-11-22T12:01:00Z'));
  });

  it('fails nobody where it cannot be written, and is written with the next use', async () => {
    const find = await addKey();
    const state = (await find())!;
    const told: string[] = [];
    const broken = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none', acquireTimeoutMs: 200 });
    let db = broken;
    const noted = createApiKeyUses({
      db: { ...broken, query: (statement, values) => db.query(statement, values) },
      clock,
      log: (message) => void told.push(message),
      delayMs: 60_000,
    });
    noted.note(state);
    await noted.close();
    assert.equal(told.length, 1);
    db = api.db;
    noted.note(state);
    await noted.close();
    assert.equal((await find())?.lastUsedAt, now.getTime() / 1000);
    await broken.close();
  });
});
