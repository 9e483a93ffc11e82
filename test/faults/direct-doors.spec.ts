/** What the doors of apps do while something that they need is away: 503 and nothing half done, so that the same call is right afterwards. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { basicAuth, freePort, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { createTestDatabase, type PrivateCluster, startPrivateCluster, type TestDatabase } from '#test/support/database.ts';
import { type App, setUpTenancy } from '#test/support/tenancy.ts';
import { bytesOf, type LastCall, said } from '../contract/direct-method.ts';
import { directWays } from '../login/direct-ways.ts';

const PASSWORD = 'violet cactus thunder marble';
const ACTIONS: readonly (readonly [string, object])[] = [
  ['otp', { channel: 'email', to: 'somebody@example.test' }],
  ['otp', { channel: 'sms', to: '+66812349999' }],
  ['passkey/options', {}],
  ['register', { email: 'newcomer@example.test', password: PASSWORD }],
  ['password/reset', { email: 'somebody@example.test' }],
];

type Begun = LastCall & { name: string; client: App; rightNow(): Promise<object> };

/** People who are one call away from being signed in, each by another way. */
function atTheDoors() {
  const ways = directWays();
  const post = (client: App, path: string, body: object): Promise<Reply> =>
    ways.w.site.app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), 'x-forwarded-for': newAddress() });
  return {
    ways,
    post,
    async begin(): Promise<Begun[]> {
      const { site, tenancy } = ways.w;
      const begun: Begun[] = [];
      for (const { name, make, ready, metadata = {}, renewed } of ways.methods) {
        const client = await tenancy.addClient(site.app.rootTenantId, { direct_login: true, ...metadata });
        const somebody = await make();
        const last = await ready(somebody, (path, body) => post(client, path, body), site.app.issuer);
        begun.push({ name, client, ...last, rightNow: async () => renewed?.(somebody, last.right) ?? last.right });
      }
      return begun;
    },
  };
}

const isAway = (answer: Reply, what: string): void => {
  assert.equal(said(answer), '503 service.unavailable', `${what}: ${answer.text}`);
  assert.ok(Number(answer.headers.get('retry-after')) >= 1, what);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, what);
  for (const secret of ['_token"', 'mfaToken', 'registrationToken', 'resetToken', 'passkeyToken', 'relation', 'constraint', 'ECONN'])
    assert.ok(!answer.text.includes(secret), `${what}: ${answer.text}`);
};

describe('the doors of apps', function () {
  this.timeout(180_000);

  describe('while the audit log takes no events', () => {
    const doors = atTheDoors();
    let database: TestDatabase;
    let owner: pg.Client;
    before(async () => {
      database = await createTestDatabase();
      await doors.ways.start({ databaseUrl: database.url });
      owner = new pg.Client({ connectionString: database.url });
      await owner.connect();
    });
    after(async () => {
      await owner?.end();
      await doors.ways.close();
      await database?.drop();
    });

    /** All that a sign-in changes, beside the counters. */
    const TABLES = ['users', 'credentials', 'journeys', 'one_time_codes', 'oidc_sessions', 'oidc_grants', 'oidc_objects', 'audit_events'];
    // What a provider says of somebody is kept whenever it says so; whose identity it is, is another matter.
    const IDENTITIES = '(select id, connection_id, subject, user_id from identities)';
    const state = async (): Promise<string> => {
      const sums: string[] = [];
      for (const table of [...TABLES, IDENTITIES]) {
        const text = `select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as sum from ${table} t`;
        sums.push(`${table} ${(await owner.query<{ sum: string }>(text)).rows[0]?.sum}`);
      }
      return sums.join('\n');
    };

    const unrecorded = async (act: () => Promise<void>): Promise<void> => {
      await owner.query('alter table audit_events add constraint broken check (false) not valid');
      try {
        await act();
      } finally {
        await owner.query('alter table audit_events drop constraint broken');
      }
    };

    it('lets nobody in and refuses nobody, at any of them; what was right is right afterwards', async () => {
      const begun = await doors.begin();
      const before = await state();
      await unrecorded(async () => {
        for (const { name, client, path, right, wrong } of begun) {
          isAway(await doors.post(client, path, right), `${name}, right`);
          isAway(await doors.post(client, path, wrong), `${name}, wrong`);
          assert.equal(await state(), before, name);
        }
      });
      await owner.query('delete from rate_limits');
      for (const { name, client, path, rightNow } of begun) {
        const answer = await doors.post(client, path, await rightNow());
        assert.equal(answer.status, 200, `${name}: ${answer.text}`);
      }
    });

    it('begins no registration and no reset that it could not record', async () => {
      const { site, tenancy } = doors.ways.w;
      const client = await tenancy.addClient(site.app.rootTenantId, { direct_login: true });
      const before = await state();
      await unrecorded(async () => {
        for (const [path, body] of ACTIONS.filter(([name]) => name === 'register' || name === 'password/reset')) {
          isAway(await doors.post(client, path, body), path);
          assert.equal(await state(), before, path);
        }
      });
    });
  });

  describe('while the database is away', () => {
    const doors = atTheDoors();
    let cluster: PrivateCluster;
    before(async () => {
      cluster = await startPrivateCluster({ durable: true });
      await doors.ways.start({ databaseUrl: cluster.connectionString });
    });
    after(async () => {
      await doors.ways.close();
      await cluster?.stop();
    });

    it('are 503 at every path, and what was begun before is finished afterwards', async () => {
      const begun = await doors.begin();
      const { issuer } = doors.ways.w.site.app;
      const health = async (): Promise<number> => (await fetch(`${issuer}/health/ready`)).status;
      const until = async (status: number): Promise<void> => {
        for (let round = 0; (await health()) !== status; round += 1) {
          assert.ok(round < 250, `not ${status}`);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      await cluster.halt();
      await until(503);
      const calls: (readonly [string, App, string, object])[] = [
        ...begun.flatMap(({ name, client, path, right, wrong }) => [
          [`${name}, right`, client, path, right] as const,
          [`${name}, wrong`, client, path, wrong] as const,
        ]),
        ...ACTIONS.map(([path, body]) => [path, begun[0]!.client, path, body] as const),
      ];
      await Promise.all(calls.map(async ([name, client, path, body]) => isAway(await doors.post(client, path, body), name)));
      await cluster.restart();
      await until(200);
      for (const { name, client, path, rightNow } of begun) {
        let answer = await doors.post(client, path, await rightNow());
        for (let round = 0; answer.status === 503 && round < 100; round += 1) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          answer = await doors.post(client, path, await rightNow());
        }
        assert.equal(answer.status, 200, `${name}: ${answer.text}`);
      }
    });
  });

  describe('while something else is away', () => {
    const start = async (
      env: Record<string, string>,
    ): Promise<{ app: RunningApp; client: App; call: (path: string, body: object) => Promise<Reply> }> => {
      const app = await startTestApp({ env });
      const client = await (await setUpTenancy(app)).addClient(app.rootTenantId, { direct_login: true });
      return {
        app,
        client,
        call: (path, body) => app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), 'x-forwarded-for': newAddress() }),
      };
    };
    const addPerson = async (app: RunningApp): Promise<string> => {
      const email = 'somebody@example.test';
      const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD });
      assert.equal(made.status, 201, made.text);
      return email;
    };

    it('(the mail server) codes, registrations and resets are accepted at once, alike for known and unknown', async () => {
      const { app, call } = await start({ SMTP_URL: `smtp://127.0.0.1:${await freePort()}`, MAIL_FROM: 'Acme <acme@example.test>' });
      try {
        const known = await addPerson(app);
        const times: number[] = [];
        const shown = (answer: Reply): string => bytesOf(answer).replace(/Token\\":\\"[^"]*\\"/g, '');
        const timed = async (path: string, body: object): Promise<string> => {
          const begin = performance.now();
          const answer = await call(path, body);
          times.push(performance.now() - begin);
          assert.equal(answer.status, 202, answer.text);
          return shown(answer);
        };
        for (const [path, of] of [
          ['otp', (to: string) => ({ channel: 'email', to })],
          ['password/reset', (email: string) => ({ email })],
          ['register', (email: string) => ({ email, password: PASSWORD })],
        ] as const)
          assert.equal(await timed(path, of(known)), await timed(path, of('nobody@example.test')), path);
        assert.ok(Math.max(...times) < 2000, times.join());
        assert.equal((await call('login', { username: known, password: PASSWORD })).status, 200, 'who needs no mail');
      } finally {
        await app.close();
      }
    });

    it('(Redis) people sign in, and are held by what each process counts', async () => {
      const { app, call } = await start({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
      try {
        const username = await addPerson(app);
        assert.equal((await call('login', { username, password: PASSWORD })).status, 200);
        assert.equal(said(await call('login', { username, password: 'wrong' })), '401 auth.invalid_credentials');
        assert.equal((await call('otp', { channel: 'email', to: username })).status, 202);
        const otp = await app.codeFor(username);
        assert.equal((await call('login/email', { email: username, otp })).status, 200);
        for (let n = 0; n < 11; n += 1) await call('login', { username, password: 'wrong' });
        assert.equal((await call('login', { username, password: PASSWORD })).status, 429, 'the lock of an account is in PostgreSQL');
      } finally {
        await app.close();
      }
    });
  });
});
