/** The whole server as the composition root builds it: it starts, publishes what the contract says, and closes without a trace. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { ADMIN, basicAuth, freePort, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import { createTestDatabase } from '#test/support/database.ts';

describe('the server', () => {
  let app: RunningApp;
  let metricsPort: number;
  before(async function () {
    this.timeout(60_000);
    metricsPort = await freePort();
    app = await startTestApp({ env: { METRICS_PORT: String(metricsPort) } });
  });
  after(() => app.close());

  it('publishes discovery with code flow, PKCE S256, iss, PAR, DPoP and no symmetric algorithm', async () => {
    const metadata = (await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
    assert.equal(metadata['issuer'], app.issuer);
    assert.deepEqual(metadata['response_types_supported'], ['code']);
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
    assert.equal(metadata['authorization_response_iss_parameter_supported'], true);
    assert.ok(metadata['pushed_authorization_request_endpoint']);
    assert.ok(Array.isArray(metadata['dpop_signing_alg_values_supported']));
    assert.doesNotMatch(JSON.stringify(metadata), /HS256|RSA1_5|implicit|"password"/);
    const same = (await (await fetch(`${app.issuer}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>;
    assert.equal(same['token_endpoint'], metadata['token_endpoint']);
  });

  it('publishes an RSA key of 3072 bits, a P-256 and an Ed25519 key, and no private part', async () => {
    const response = await fetch(`${app.issuer}/jwks`);
    const { keys } = (await response.json()) as { keys: Record<string, string>[] };
    assert.deepEqual([...new Set(keys.map(({ alg }) => alg))].sort(), ['ES256', 'EdDSA', 'RS256']);
    assert.ok(keys.filter(({ kty }) => kty === 'RSA').every(({ n }) => Buffer.from(n!, 'base64url').length === 384));
    assert.ok(keys.every((key) => !('d' in key)));
    assert.match(response.headers.get('cache-control') ?? '', /max-age=\d+/);
    const again = await fetch(`${app.issuer}/jwks`, {
      headers: { 'if-none-match': response.headers.get('etag')!, 'cache-control': 'max-age=0' },
    });
    assert.equal(again.status, 304);
  });

  it('gives a management client a token for the API, and nothing to a wrong secret', async () => {
    const users = await app.api('GET', '/api/users');
    assert.equal(users.status, 200, users.text);
    assert.ok((users.body['items'] as { email: string }[]).some(({ email }) => email === ADMIN.email));
    const wrong = await app.token({ grant_type: 'client_credentials' }, { id: 'test-manager', secret: 'wrong' });
    assert.equal(wrong.status, 401);
  });

  it('answers what exists and says what does not', async () => {
    for (const path of ['/docs', '/openapi.json', '/demo', '/dev/mailbox', '/dev/mailbox.json', '/health/live', '/health/ready'])
      assert.equal((await fetch(app.issuer + path)).status, 200, path);
    assert.equal((await fetch(`${app.issuer}/account`, { redirect: 'manual' })).status, 303);
    assert.equal((await fetch(`${app.issuer}/nothing-here`)).status, 404);
    assert.equal((await fetch(`${app.issuer}/metrics`)).status, 404);
    const elsewhere = await fetch(app.issuer.replace('localhost', '127.0.0.1'));
    assert.equal(elsewhere.status, 421);
  });

  it('refuses a password made of the person’s, the tenant’s or the server’s names from an administrator, too', async () => {
    const person = { email: 'maria.lindqvist@example.test', givenName: 'Maria' };
    for (const password of ['lindqvist1984', 'Maria-2026!', 'Gatehouse2026!', 'localhost-123'])
      assert.equal((await app.api('POST', '/api/users', { ...person, password })).status, 422, password);
    assert.equal((await app.api('POST', '/api/users', { ...person, password: 'violet cactus thunder' })).status, 201);
  });

  it('counts direct logins as what they are', async () => {
    const client = await app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: [`${app.issuer}/cb`],
      direct_login: true,
    });
    const headers = basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) });
    const reply = await app.api('POST', '/api/auth/login', { username: ADMIN.email, password: ADMIN.password }, headers);
    assert.equal(reply.status, 200, reply.text);
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    assert.match(metrics, /gatehouse_token_responses_total\{grant_type="direct"\} 1/);
  });

  it('documents how clients authenticate, and If-Match where there is an ETag to match', async () => {
    const { paths } = (await (await fetch(`${app.issuer}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security: object[]; parameters: { name: string }[]; responses: object }>>;
    };
    for (const path of ['/api/auth/login', '/api/sessions/refresh', '/api/sessions/validate'])
      assert.ok(
        paths[path]!['post']!.security.some((one) => 'clientBasic' in one),
        path,
      );
    const wrong: string[] = [];
    for (const [path, of] of Object.entries(paths)) {
      // What can be read with an ETag can be changed with If-Match; a secret is a part of its client.
      const tagged = '304' in (of['get']?.responses ?? {}) || /\/secrets\/\{/.test(path);
      for (const method of ['put', 'patch', 'delete'])
        if (of[method] && path.includes('{')) {
          if (of[method].parameters.some(({ name }) => name === 'If-Match') !== tagged || '412' in of[method].responses !== tagged)
            wrong.push(`${method} ${path}: ${tagged ? 'has an ETag, and no If-Match' : 'has If-Match, and no ETag'}`);
        }
    }
    assert.deepEqual(wrong, []);
  });

  it('limits wrong client secrets by address', async () => {
    const from = { 'x-forwarded-for': '12.0.0.1' };
    const statuses = new Map<number, number>();
    for (let n = 0; n < 40; n++) {
      const { status } = await app.token({ grant_type: 'client_credentials' }, { id: 'test-manager', secret: `wrong-${n}` }, from);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    assert.equal(statuses.get(401), 30);
    assert.equal(statuses.get(429), 10);
    assert.equal(
      (await app.token({ grant_type: 'client_credentials' }, MANAGER, from)).status,
      429,
      'the right secret has to wait there too',
    );
    const elsewhere = await app.api('GET', '/api/clients');
    assert.equal(elsewhere.status, 200);
  });

  it('holds back a flood of authorization and pushed requests by address, without a query, an audit row or harm to others', async function () {
    this.timeout(60_000);
    const flood = { 'x-forwarded-for': '12.0.0.2' };
    const page = (headers: Record<string, string>) =>
      fetch(`${app.issuer}/auth?client_id=nobody`, { redirect: 'manual', headers: { accept: 'text/html', ...headers } });
    const push = (headers: Record<string, string>) =>
      fetch(`${app.issuer}/request`, { method: 'POST', headers, body: new URLSearchParams({ client_id: 'nobody' }) });
    const statuses: number[] = [];
    for (let n = 0; n < 3000; n += 50)
      for (const { status } of await Promise.all(Array.from({ length: 50 }, () => page(flood)))) statuses.push(status);
    assert.deepEqual([...new Set(statuses)], [400], 'what is allowed is answered');
    const rows = async () => (await app.owner.query('select 1 from audit_events')).rowCount;
    const before = await rows();
    const statements = await app.counted(async () => {
      const refused = await page(flood);
      assert.deepEqual([refused.status, refused.headers.get('content-type')], [429, 'text/html; charset=utf-8']);
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
      const shown = await refused.text();
      assert.match(shown, /Too many attempts/);
      assert.match(shown, /each account and from each network/, 'nobody’s account is held here');
      assert.match(shown, /data-countdown="\d+"/);
      assert.match(shown, /data-countdown-action href="\/auth\?client_id=nobody"/, 'and then the same again');
      const pushed = await push(flood);
      assert.deepEqual([pushed.status, await pushed.json()], [429, { error: 'temporarily_unavailable' }]);
      assert.ok(Number(pushed.headers.get('retry-after')) > 0);
    });
    assert.equal(statements, 0);
    assert.equal(await rows(), before);
    assert.equal((await page({ 'x-forwarded-for': '12.0.0.3' })).status, 400);
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    assert.match(metrics, /gatehouse_limited_total\{rule="authorizeByAddress"\} 2/);
  });
});

describe('a second server on the machine', () => {
  it('starts without metrics where their port is taken, and says so', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
    );
    const app = await startTestApp({ env: { METRICS_PORT: String(port), LOG_LEVEL: 'warn' } });
    try {
      assert.equal((await fetch(`${app.issuer}/health/ready`)).status, 200);
      assert.match(app.log(), /METRICS_PORT is taken/);
    } finally {
      await app.close();
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});

describe('a read replica', () => {
  it('is where the audit log is listed from', async () => {
    const database = await createTestDatabase();
    const replica = new URL(database.url);
    replica.searchParams.set('options', '-c default_transaction_read_only=on');
    const app = await startTestApp({ databaseUrl: database.url, env: { DATABASE_REPLICA_URL: replica.href } });
    try {
      const events = await app.api('GET', '/api/audit-events?limit=1');
      assert.equal(events.status, 200, events.text);
      assert.equal((events.body['items'] as unknown[]).length, 1);
      const { rows } = await app.owner.query(
        `select count(*)::int as open from pg_stat_activity where application_name = 'gatehouse-replica' and datname = current_database()`,
      );
      assert.equal(rows[0].open, 1);
    } finally {
      await app.close();
      await database.drop();
    }
  });
});
