/** What a request’s writes come to where a grant is deleted meanwhile, and where there is no database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { newId } from '#src/core/ids.ts';
import { openDatabase } from '#src/infra/postgres.ts';
import { flush, Unit } from '#src/oidc/unit-of-work.ts';
import { Browser } from '#test/support/browser.ts';
import { createTestDatabase, startPrivateCluster } from '#test/support/database.ts';
import { type Answer, authorization, authorize, basic, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('a flush against the deletion of its grant', () => {
  it('is decided one way or the other, never by a deadlock, and leaves no orphan', async function () {
    this.timeout(60_000);
    const database = await createTestDatabase();
    const db = openDatabase({ url: database.url });
    const tenant = newId();
    const user = newId();
    const run = (text: string, values: unknown[] = []) => db.query({ name: `t${text.length}-${text.slice(0, 20)}`, text }, values);
    try {
      await run(`insert into tenants (id, slug, name, type) values ($1, 't', 'T', 'team')`, [tenant]);
      await run('insert into users (id, home_tenant_id) values ($1, $2)', [user, tenant]);
      await db.transaction((sql) => sql.raw(`insert into clients (client_id, tenant_id, metadata) values ('c', ?, '{}')`, [tenant]), {
        tenantId: tenant,
      });
      const expires_at = '2100-01-01T00:00:00Z';
      const outcomes: Record<string, number> = {};
      for (let round = 0; round < 150; round += 1) {
        const grant = `g${round}`;
        await run(`insert into oidc_grants (id, user_id, client_id, payload, expires_at) values ($1, $2, 'c', '{}', $3)`, [
          grant,
          user,
          expires_at,
        ]);
        await run(`insert into oidc_objects (model, id, grant_id, payload, expires_at) values ('RefreshToken', $1, $2, '{}', $3)`, [
          `r${round}`,
          grant,
          expires_at,
        ]);
        const refresh = () => {
          const unit = new Unit({ deferDeletes: false });
          unit.consume = { model: 'RefreshToken', id: `r${round}` };
          const id = randomBytes(8).toString('hex');
          unit.objects.set(id, { model: 'RefreshToken', id, grant_id: grant, user_code: null, payload: {}, expires_at, known: false });
          unit.tokens.set(id, { model: 'AccessToken', id, grant_id: grant, client_id: 'c', payload: {}, expires_at });
          return flush(db, unit).then((won) => (won ? 'won' : 'lost'));
        };
        const revoke = () => {
          const unit = new Unit({ deferDeletes: true });
          unit.deletions.push(
            { kind: 'object', model: 'RefreshToken', id: `r${round}` },
            { kind: 'of-grant', model: 'AccessToken', id: grant },
            { kind: 'grant', model: 'Grant', id: grant },
          );
          return flush(db, unit).then(() => 'deleted');
        };
        for (const result of await Promise.all(
          [refresh(), revoke(), refresh(), revoke()].map((one) => one.catch((error: Error) => error.message)),
        )) {
          outcomes[result] = (outcomes[result] ?? 0) + 1;
        }
      }
      assert.deepEqual(
        Object.keys(outcomes).filter((outcome) => !['won', 'lost', 'deleted'].includes(outcome) && !/foreign key/.test(outcome)),
        [],
        JSON.stringify(outcomes),
      );
      const orphans = await run(`select 1 from oidc_objects o where not exists (select from oidc_grants g where g.id = o.grant_id)
        union all select 1 from oidc_access_tokens o where not exists (select from oidc_grants g where g.id = o.grant_id)`);
      assert.equal(orphans.length, 0);
    } finally {
      await db.close();
      await database.drop();
    }
  });
});

describe('without its database', () => {
  it('every endpoint answers 503 with Retry-After, as JSON to programs and as a page to browsers', async function () {
    this.timeout(60_000);
    const cluster = await startPrivateCluster();
    let issuer: TestIssuer | undefined;
    try {
      issuer = await startIssuer({ databaseUrl: cluster.connectionString });
      await issuer.addClient('app');
      const { form, browser } = await authorize(issuer, 'app', { scope: 'openid offline_access', prompt: 'consent' });
      const tokens = await issuer.token(form, basic('app'));
      assert.equal(tokens.status, 200);
      const { path } = authorization('app');
      const waiting = new Browser(issuer.url);
      const login = (await waiting.request(path)).headers.get('location') ?? '';
      await cluster.halt();
      const bearer = { authorization: `Bearer ${tokens.body.access_token}` };
      const answers: [string, Promise<Answer>][] = [
        ['refresh', issuer.token({ grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }, basic('app'))],
        ['code', issuer.token({ grant_type: 'authorization_code', code: 'unknown', redirect_uri: 'https://app.test/cb' }, basic('app'))],
        ['client authentication', issuer.token({ grant_type: 'client_credentials' }, basic('app', 'wrong'))],
        ['introspection', issuer.post('/token/introspection', { token: tokens.body.access_token }, basic('app'))],
        ['revocation', issuer.post('/token/revocation', { token: tokens.body.refresh_token }, basic('app'))],
        ['userinfo', issuer.get('/me', bearer)],
        ['pushed request', issuer.post('/request', Object.fromEntries(new URL(path, issuer.url).searchParams), basic('app'))],
      ];
      for (const [name, pending] of answers) {
        const { status, headers, body, text } = await pending;
        assert.deepEqual([name, status, headers.get('retry-after'), body.error], [name, 503, '1', 'temporarily_unavailable'], text);
      }
      const html = { headers: { accept: 'text/html' } };
      for (const visit of [browser.request(path, html), browser.request('/session/end', html), waiting.request(login, html)]) {
        const response = await visit;
        assert.equal(response.status, 503, response.url);
        assert.deepEqual(response.headers.getSetCookie(), []);
      }
      await cluster.restart();
      const after = await issuer.token({ grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }, basic('app'));
      assert.equal(after.status, 200, 'nothing was used up');
    } finally {
      await issuer?.close().catch(() => undefined);
      await cluster.stop();
    }
  });
});
