/**
 * `npm run bench:people`: one server on a database of its own, first with a thousand people in one tenant, then with a million, 100,000 of them
 * members of a second tenant, and 10,000 tenants. Prints medians, their ratios and the plans of the lists; then imports people, small and large.
 * `--people N` (default 1000000), `--import N` (default 100000).
 */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import argon2 from 'argon2';
import pg from 'pg';
import { newId } from '#src/core/ids.ts';
import { listUsers, type UserFilter, type UserOrder } from '#src/features/users/search-store.ts';
import { startEmbeddedPostgres } from '#src/infra/embedded-postgres.ts';
import { openDatabase } from '#src/infra/postgres.ts';
import { Jar } from './client.ts';
import { fillMembers, fillPeople, fillTenants } from './fill-people.ts';
import { median } from './load.ts';
import { authorize } from './operations.ts';
import { startGatehouse } from './targets.ts';

const { values: options } = parseArgs({
  options: { people: { type: 'string', default: '1000000' }, import: { type: 'string', default: '100000' } },
});
const [most, imported] = [Number(options.people), Number(options.import)];
const SMALL = 1000;
const SIGNING_IN = 200;
const PASSWORD = 'a long bench passphrase 27';

const directory = await mkdtemp(path.join(tmpdir(), 'gatehouse-people-'));
const closers: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
try {
  const postgres = await startEmbeddedPostgres({ dataDir: directory });
  closers.push(() => postgres.stop());
  const server = await startGatehouse(postgres.connectionString, directory, randomBytes(32), closers);
  const owner = new pg.Client({ connectionString: postgres.connectionString });
  await owner.connect();
  closers.push(() => owner.end());
  const token = await managementToken();

  const [large, second] = [newId(), newId()];
  await owner.query(
    `insert into tenants (id, slug, name, type) values ($1, 'large', 'Large', 'enterprise'), ($2, 'second', 'Second', 'team')`,
    [large, second],
  );
  const hash = await argon2.hash(PASSWORD, { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  await timed(`${SMALL} people`, () => fillPeople(owner, large, 0, SMALL, { hash, people: SIGNING_IN }));
  await owner.query('vacuum analyze');
  const before = await measureAll(large, 0, SMALL);

  await timed(`${most} people`, () => fillPeople(owner, large, SMALL, most, { hash, people: 0 }));
  // The youngest but for those of the other tenants.
  const toSecond = Math.floor(most * 0.8);
  const fromSecond = Math.max(SMALL, toSecond - 100_000);
  await timed('100,000 members of a second tenant', () => fillMembers(owner, second, fromSecond, toSecond));
  const tenants = Math.min(10_000, Math.floor(most / 20));
  await timed(`${tenants} tenants`, () => fillTenants(owner, tenants, most - tenants * 10));
  await timed('vacuum analyze', () => owner.query('vacuum analyze'));
  const after = await measureAll(large, 0, most);
  const ofSecond = await measureAll(second, fromSecond, toSecond);
  console.log(`\nms, median                      ${SMALL} people   ${most}   ratio   100,000 members   ratio`);
  for (const [name, base] of before) {
    const [big, other] = [after.get(name)!, ofSecond.get(name)!];
    console.log(
      `${name.padEnd(30)} ${base.toFixed(2).padStart(10)} ${big.toFixed(2).padStart(10)} ${(big / base).toFixed(2).padStart(7)} ${other.toFixed(2).padStart(14)} ${(other / base).toFixed(2).padStart(10)}`,
    );
  }
  await explainAll(large);
  for (const count of [imported / 10, imported]) await importPeople(count);

  async function managementToken(): Promise<string> {
    const { id, secret } = server.admin;
    const response = await fetch(`${server.wire.origin}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${server.wire.origin}/api` }),
    });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  async function call(tenantId: string, route: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`${server.wire.origin}${route}`, {
      headers: { authorization: `Bearer ${token}`, 'x-tenant-id': tenantId },
    });
    return { status: response.status, text: await response.text() };
  }

  /** Medians of what people and administrators do, each with other people every time. */
  async function measureAll(tenantId: string, from: number, to: number): Promise<Map<string, number>> {
    const some = (): number => randomInt(from, to);
    const middle = JSON.parse((await call(tenantId, `/api/users?limit=1&username=user-${Math.floor((from + to) / 2)}`)).text) as {
      items: { id: string }[];
    };
    const after = Buffer.from(JSON.stringify(['createdAt', '', middle.items[0]?.id])).toString('base64url');
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1)
      ids.push((JSON.parse((await call(tenantId, `/api/users?username=user-${some()}`)).text) as { items: { id: string }[] }).items[0]!.id);
    const work: [string, number, (n: number) => Promise<unknown>][] = [
      ['list, first page', 60, () => get(tenantId, '/api/users')],
      ['list, from the middle', 60, () => get(tenantId, `/api/users?cursor=${after}`)],
      ['list by name', 60, () => get(tenantId, '/api/users?sort=name')],
      ['search, few', 60, () => get(tenantId, `/api/users?q=user-${String(some()).padStart(3, '0')}`)],
      ['search, many', 60, () => get(tenantId, '/api/users?q=so')],
      ['filter by address', 60, () => get(tenantId, `/api/users?email=user-${some()}@many.test`)],
      ['filter by status', 60, () => get(tenantId, '/api/users?status=disabled')],
      ['filter by role', 60, () => get(tenantId, '/api/users?roleName=administrator')],
      ['get', 60, (n) => get(tenantId, `/api/users/${ids[n % ids.length]}`)],
      ['sign-in', 40, (n) => authorize({ ...server, login: `user-${n % SIGNING_IN}`, password: PASSWORD }, new Jar())],
    ];
    const medians = new Map<string, number>();
    for (const [name, times, once] of work) {
      for (let n = 0; n < 5; n += 1) await once(n);
      const took: number[] = [];
      for (let n = 0; n < times; n += 1) {
        const began = performance.now();
        await once(n);
        took.push(performance.now() - began);
      }
      medians.set(name, median(took));
    }
    return medians;
  }

  async function get(tenantId: string, route: string): Promise<void> {
    const { status, text } = await call(tenantId, route);
    if (status !== 200) throw new Error(`${route}: ${status} ${text.slice(0, 200)}`);
  }

  /** The plans of the statements as the server sends them, as its role. */
  async function explainAll(tenantId: string): Promise<void> {
    const db = openDatabase({ url: postgres.connectionString });
    const show = async (name: string, filter: Partial<UserFilter>, order: UserOrder, of = tenantId): Promise<void> => {
      await db.transaction(
        async (sql) => {
          let sent: { sql: string; bindings: unknown[] } | undefined;
          sql.on('query', (query: { sql: string; bindings: unknown[] }) => {
            sent ??= query;
          });
          await listUsers(sql, of, { platform: false, ...filter }, order, 51);
          const { sql: text, bindings } = sent!;
          const { rows } = await sql.raw<{ rows: Record<string, string>[] }>(
            `explain (analyze, buffers, costs off) ${text.replaceAll(/\$\d+/g, '?')}`,
            bindings as never,
          );
          console.log(`\n${name}\n${rows.map((row) => `  ${row['QUERY PLAN']}`).join('\n')}`);
        },
        { tenantId: of },
      );
    };
    await show('list by creation', {}, 'createdAt');
    await show('list of the second tenant', {}, 'createdAt', second);
    await show('list by name', {}, 'name');
    await show('search', { beginning: 'so' }, 'name');
    await show('filter by address', { emailKey: 'user-77@many.test' }, 'createdAt');
    await show('filter by status', { status: 'disabled' }, 'createdAt');
    const { rows } = await owner.query<{ id: string }>(`select id from roles where tenant_id = $1 and name = 'administrator'`, [tenantId]);
    await show('filter by role', { roleId: rows[0]!.id }, 'createdAt');
    await db.close();
  }

  async function importPeople(count: number): Promise<void> {
    const made = randomBytes(4).toString('hex');
    function* lines(): Generator<string> {
      for (let n = 0; n < count; n += 1)
        yield `${JSON.stringify({ username: `imp-${made}-${n}`, email: `imp-${made}-${n}@many.test`, emailVerified: true, givenName: 'Imp', familyName: 'Orted', attributes: { n }, passwordHash: hash })}\n`;
    }
    const headers = { authorization: `Bearer ${token}`, 'x-tenant-id': second };
    const began = performance.now();
    const seconds = (): string => ((performance.now() - began) / 1000).toFixed(1);
    const init = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: Readable.toWeb(Readable.from(lines())),
      duplex: 'half',
    };
    const response = await fetch(`${server.wire.origin}/api/users/import`, init as RequestInit);
    const job = (await response.json()) as { id: string };
    if (response.status !== 202) throw new Error(`import: ${response.status} ${JSON.stringify(job)}`);
    console.log(`\nimport of ${count}: taken in after ${seconds()} s`);
    for (let shown = 0; ; ) {
      await sleep(250);
      const { text } = await call(second, `/api/users/imports/${job.id}`);
      const state = JSON.parse(text) as { status: string; done: number; created: number; failed: number };
      if (performance.now() - began > shown * 10_000 + 10_000 || state.status === 'done' || state.status === 'failed') {
        shown += 1;
        console.log(`  ${seconds()} s: ${state.status}, ${state.done} done, ${state.created} created, ${state.failed} failed`);
      }
      if (state.status === 'done' || state.status === 'failed') return;
    }
  }
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => console.error(error));
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
