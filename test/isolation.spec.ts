/** Nothing of one tenant reaches another: every route there is, by what the OpenAPI document says of it, and the database below. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { type Reply, type RunningApp, startTestApp } from './support/app.ts';
import { contentsOf, guardedTables } from './support/contents.ts';
import { type Settled, settle } from './support/two-tenants.ts';

interface Operation {
  method: string;
  path: string;
  /** Names of the query's parameters. */
  query: string[];
  parameters: string[];
}

// What is said of one's own person, and what no tenant owns.
const OWN = /^\/api\/me(\/|$)/;
const PLATFORM = /^\/api\/(plans|tenant-templates|signing-keys)(\/|$)/;

describe('tenants apart', function () {
  this.timeout(180_000);
  let app: RunningApp;
  let a: Settled;
  let b: Settled;
  let operations: Operation[];

  before(async () => {
    app = await startTestApp();
    a = await settle(app, 'a');
    b = await settle(app, 'b');
    operations = await operationsOf(app);
  });
  after(() => app.close());

  const asA = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    app.api(method, path, body, { authorization: `Bearer ${a.token}`, ...headers });
  const bodyFor = (method: string): object | undefined => (method === 'GET' || method === 'DELETE' ? undefined : {});

  it('knows of every parameter of a path what it names', () => {
    const unknown = operations.flatMap(({ path }) =>
      nounsIn(path).filter((noun) => a.ids[noun] === undefined && !PLATFORM.test(path) && !OWN.test(path)),
    );
    assert.deepEqual([...new Set(unknown)], [], 'test/support/two-tenants.ts makes none of these');
  });

  it('answers an id of the other tenant as one that nobody has, at every route, and changes nothing', async () => {
    const before = await contentsOf(app.owner, b.tenantId);
    let tried = 0;
    for (const { method, path } of operations) {
      const nouns = nounsIn(path);
      if (nouns.length === 0 || PLATFORM.test(path) || OWN.test(path)) continue;
      for (const foreign of mixtures(nouns.length)) {
        const fill = (other: (noun: string) => string): string => {
          let at = 0;
          return path.replace(/\{[^}]+\}/g, () => {
            const [noun, isForeign] = [nouns[at]!, foreign[at]!];
            at += 1;
            return isForeign ? other(noun) : a.ids[noun]!;
          });
        };
        const [known, unknown] = [
          await asA(
            method,
            fill((noun) => b.ids[noun]!),
            bodyFor(method),
          ),
          await asA(method, fill(unknownLike(b)), bodyFor(method)),
        ];
        const what = `${method} ${path} (${foreign.map((one) => (one ? 'B' : 'A')).join(', ')})`;
        tried += 1;
        // What a deletion would do to A's own things is another test's.
        assert.equal(known.status, unknown.status, `${what}: ${known.status} for what is B's, ${unknown.status} for what is nobody's`);
        assert.ok(known.status === 404 || isPlatforms(known), `${what} answered ${known.status}: ${known.text}`);
        assert.equal(plain(known), plain(unknown), what);
      }
    }
    assert.ok(tried > 80, `only ${tried} tries`);
    assert.deepEqual(await contentsOf(app.owner, b.tenantId), before);
  });

  it('shows nothing of the other tenant in any list, whatever it is filtered by or goes on from', async () => {
    let lists = 0;
    for (const { method, path, query } of operations) {
      if (method !== 'GET' || PLATFORM.test(path)) continue;
      const mine = path.replace(/\{[^}]+\}/g, (_, offset: number) => a.ids[nounsIn(`${path.slice(0, offset)}{x}`).at(-1)!] ?? randomUUID());
      const plainAnswer = await asA('GET', mine);
      assertNothingOf(b, plainAnswer, `GET ${mine}`);
      for (const name of query) {
        if (name === 'limit' || name === 'sort') continue;
        for (const value of [...Object.values(b.ids), b.mark]) {
          if (name === 'cursor') continue;
          const answer = await asA('GET', `${mine}?${new URLSearchParams({ [name]: value })}`);
          assertNothingOf(b, answer, `GET ${mine}?${name}=`, [value]);
        }
      }
      if (query.includes('cursor')) {
        lists += 1;
        const theirs = await app.api(
          'GET',
          `${mine.replaceAll(a.tenantId, b.tenantId).replaceAll(a.ids['users']!, b.ids['users']!)}?limit=1`,
          undefined,
          {
            authorization: `Bearer ${b.token}`,
          },
        );
        const cursor = theirs.body['nextCursor'];
        if (typeof cursor === 'string')
          assertNothingOf(b, await asA('GET', `${mine}?${new URLSearchParams({ cursor })}`), `GET ${mine} from B's cursor`);
      }
    }
    assert.ok(lists > 12, `only ${lists} lists`);
  });

  it('takes no id of the other tenant in a body', async () => {
    const before = await contentsOf(app.owner, b.tenantId);
    const bodies: [string, (id: (noun: string) => string) => object][] = [
      [`POST /api/roles/${a.ids['roles']}/assign`, (id) => ({ userId: id('members') })],
      [`POST /api/roles/${a.ids['roles']}/assign`, (id) => ({ userIds: [a.ids['members'], id('members')] })],
      [`POST /api/roles/${a.ids['roles']}/assign`, (id) => ({ groupId: id('groups') })],
      [`POST /api/roles/${a.ids['roles']}/revoke`, (id) => ({ userId: id('members') })],
      ['POST /api/roles', (id) => ({ roleName: 'with-foreign-parent', permissions: [], parents: [id('roles')] })],
      [`PATCH /api/roles/${a.ids['roles']}`, (id) => ({ parents: [id('roles')] })],
      [`POST /api/groups/${a.ids['groups']}/members`, (id) => ({ userId: id('members') })],
      ['POST /api/attributes', (id) => ({ path: 'user.foreign', type: 'string', attributeGroupId: id('attribute-groups') })],
      ['POST /api/resources', (id) => ({ identifier: 'https://foreign.example/api', name: 'x', clients: [id('clients')] })],
      [`POST /api/tenants/${a.tenantId}/invitations`, (id) => ({ email: 'foreign@elsewhere.example', roles: [id('roles')] })],
      ['POST /api/users', (id) => ({ username: 'with-foreign-role', roles: [id('roles')] })],
      [`PATCH /api/tenants/${a.tenantId}/members/${a.ids['members']}`, (id) => ({ roles: [id('roles')] })],
    ];
    for (const [signature, body] of bodies) {
      const [method = '', path = ''] = signature.split(' ');
      const [known, unknown] = [
        await asA(
          method,
          path,
          body((noun) => b.ids[noun]!),
        ),
        await asA(method, path, body(unknownLike(b))),
      ];
      assert.ok(known.status === 422 || known.status === 404, `${signature} answered ${known.status}: ${known.text}`);
      assert.equal(plain(known), plain(unknown), signature);
    }
    assert.deepEqual(await contentsOf(app.owner, b.tenantId), before);
  });

  it('lets nobody but the platform name the other tenant', async () => {
    for (const tenant of [b.tenantId, randomUUID()]) {
      const answer = await asA('GET', '/api/users', undefined, { 'x-tenant-id': tenant });
      assert.equal(answer.status, 404, answer.text);
    }
  });

  describe('in the database', () => {
    let server: pg.Client;
    before(async () => {
      server = new pg.Client({ connectionString: app.databaseUrl });
      await server.connect();
      await server.query('set role gatehouse_app');
      await server.query(`select set_config('app.tenant_id', $1, false)`, [a.tenantId]);
    });
    after(() => server.end());

    // Read by the protocol for every tenant, by keys that cannot be guessed; or shared by all.
    const OPEN: Readonly<Record<string, string>> = {
      issuers: 'which hosts are issuers is public',
      subscriptions: 'the platform’s, which alone has routes for it',
      tenant_limits: 'the platform’s, which alone has routes for it',
    };

    it('every table with a tenant in it is guarded, or says why it is not', async () => {
      const { rows } = await app.owner.query<{ name: string; guarded: boolean }>(
        `select c.relname as name, c.relrowsecurity as guarded from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
           and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) order by 1`,
      );
      assert.ok(rows.length > 15);
      assert.deepEqual(
        rows.filter(({ guarded }) => !guarded).map(({ name }) => name),
        Object.keys(OPEN).sort(),
      );
    });

    it('the role of the server sees, changes, deletes and adds nothing of another tenant, even where a query forgets to name it', async () => {
      const tables = (await guardedTables(app.owner)).filter((name) => !name.startsWith('audit_events'));
      let filled = 0;
      for (const table of tables) {
        const theirs = await app.owner.query(`select * from ${table} where tenant_id = $1 limit 1`, [b.tenantId]);
        if (theirs.rows.length === 0) continue;
        filled += 1;
        assert.equal((await server.query(`select 1 from ${table} where tenant_id <> $1`, [a.tenantId])).rowCount, 0, `${table} is read`);
        for (const statement of [
          `delete from ${table} where tenant_id <> $1`,
          `update ${table} set tenant_id = tenant_id where tenant_id <> $1`,
        ]) {
          const changed = await server.query(statement, [a.tenantId]).then(
            ({ rowCount }) => rowCount,
            (error: { code?: string }) => (error.code === '42501' ? 0 : Promise.reject(error)),
          );
          assert.equal(changed, 0, `${statement} reached ${table}`);
        }
        await assert.rejects(
          server.query(`insert into ${table} select (jsonb_populate_record(null::${table}, $1::jsonb)).*`, [
            JSON.stringify(theirs.rows[0]),
          ]),
          (error: { code?: string }) => error.code === '42501',
          `${table} takes a row of B`,
        );
      }
      assert.ok(filled > 12, `only ${filled} tables held something of B`);
    });

    it('the role of the server sees nothing at all where no tenant was named', async () => {
      await server.query(`select set_config('app.tenant_id', '', false)`);
      for (const table of await guardedTables(app.owner))
        assert.equal((await server.query(`select 1 from ${table} limit 1`)).rowCount, 0, table);
      await server.query(`select set_config('app.tenant_id', $1, false)`, [a.tenantId]);
    });
  });
});

const nounsIn = (path: string): string[] => {
  const segments = path.split('/');
  return segments.flatMap((segment, at) => (segment.startsWith('{') ? [segments[at - 1]!] : []));
};

/** Every way to mix A's and B's in a path, but for A's alone. */
const mixtures = (count: number): boolean[][] =>
  Array.from({ length: 2 ** count - 1 }, (_, n) => Array.from({ length: count }, (_x, at) => ((n + 1) & (1 << at)) !== 0));

/** An id of the same form that nobody has. */
const unknownLike =
  (settled: Settled) =>
  (noun: string): string =>
    /^[0-9a-f]{8}-/.test(settled.ids[noun]!) ? randomUUID() : 'nobody-has-this-id-0123456789';

const plain = ({ status, text }: Reply): string => `${status} ${text.replace(/"requestId":"[^"]*"/, '')}`;

// What is the platform's alone is refused before anybody looks at the id.
const isPlatforms = ({ status, body }: Reply): boolean => status === 403 && body['code'] === 'permission.missing';

function assertNothingOf(b: Settled, answer: Reply, what: string, asked: readonly string[] = []): void {
  assert.ok(answer.status < 500, `${what}: ${answer.status} ${answer.text}`);
  if (answer.status >= 400) return;
  const shown = asked.reduce((text, value) => text.replaceAll(value, ''), answer.text);
  for (const [noun, id] of Object.entries(b.ids)) assert.equal(shown.includes(id), false, `${what} shows ${noun} of B: ${answer.text}`);
  assert.equal(shown.includes(b.mark), false, `${what} shows names of B: ${answer.text}`);
}

async function operationsOf(app: RunningApp): Promise<Operation[]> {
  const { paths } = (await app.api('GET', '/openapi.json')).body as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      query: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
      parameters: parameters.filter((one) => one.in === 'path').map(({ name }) => name),
    })),
  );
}
