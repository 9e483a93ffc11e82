import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '#src/core/errors.ts';
import type { Database } from '#src/infra/postgres.ts';
import {
  type Answer,
  API,
  authorization,
  authorize,
  basic,
  type Form,
  MACHINE,
  OPAQUE_API,
  startIssuer,
  type TestIssuer,
} from '#test/support/oidc.ts';

describe('a request’s writes', () => {
  let issuer: TestIssuer;
  let lose: string | undefined;
  before(async () => {
    const losing = (db: Database): Database => ({
      ...db,
      async query(statement, values) {
        const rows = await db.query<never>(statement, values);
        if (statement.name === lose) throw new AppError('service.unavailable', 503, 'lost');
        return rows;
      },
    });
    issuer = await startIssuer({ wrap: losing });
    await issuer.addClient('app');
    await issuer.addClient('machine', MACHINE, { permissions: ['users.read', 'clients.read'] });
  });
  after(() => issuer.close());

  async function code(): Promise<(extra?: Form) => Promise<Answer>> {
    const { form } = await authorize(issuer, 'app', { scope: 'openid offline_access api:read', prompt: 'consent', resource: OPAQUE_API });
    return (extra = {}) => issuer.token({ ...form, ...extra }, basic('app'));
  }
  async function stored(): Promise<{ tokens: number; audit: number }> {
    const { rows } = await issuer.owner.query<{ tokens: number; audit: number }>(
      `select ((select count(*) from oidc_access_tokens) + (select count(*) from oidc_objects where model = 'RefreshToken'))::int as tokens,
        (select count(*) from audit_events where outcome = 'success')::int as audit`,
    );
    return rows[0]!;
  }
  async function broken<T>(sql: string, repair: string, work: () => Promise<T>): Promise<T> {
    await issuer.owner.query(sql);
    try {
      return await work();
    } finally {
      await issuer.owner.query(repair);
    }
  }
  const REFUSE = `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'full' using errcode = '53100'; end $$;
    create trigger refuse before insert on audit_events for each row execute function refuse()`;
  const ALLOW = 'drop trigger refuse on audit_events; drop function refuse()';

  it('are tokens and their audit row, in one statement', async () => {
    const redeem = await code();
    const before = await stored();
    assert.equal((await redeem()).status, 200);
    assert.deepEqual(await stored(), { tokens: before.tokens + 2, audit: before.audit + 1 });
  });

  it('do not burn a code where the request fails after the code was accepted', async () => {
    const redeem = await code();
    assert.equal((await redeem({ resource: 'https://elsewhere.test/' })).body.error, 'invalid_target');
    assert.equal((await redeem()).status, 200);
  });

  it('are none where the audit row cannot be stored: 503 with Retry-After, no token, and the code is still good', async () => {
    const redeem = await code();
    const before = await stored();
    const answer = await broken(REFUSE, ALLOW, redeem);
    assert.deepEqual([answer.status, answer.body.error, answer.headers.get('retry-after')], [503, 'temporarily_unavailable', '1']);
    assert.equal(answer.body.access_token, undefined);
    assert.deepEqual(await stored(), before);
    assert.equal((await redeem()).status, 200);
  });

  it('leave a refresh token as it was where the write fails', async () => {
    const first = await (await code())();
    const refresh = () => issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app'));
    const failed = await broken(
      'alter table oidc_access_tokens add constraint broken check (false) not valid',
      'alter table oidc_access_tokens drop constraint broken',
      refresh,
    );
    assert.equal(failed.status, 503);
    assert.equal((await refresh()).status, 200);
  });

  it('can be repeated for a refresh whose acknowledgement was lost; a code counts as used', async () => {
    const first = await (await code())();
    const refresh = () => issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app'));
    const losing = async (act: () => Promise<Answer>): Promise<number> => {
      lose = 'oidc-flush';
      try {
        return (await act()).status;
      } finally {
        lose = undefined;
      }
    };
    assert.equal(await losing(refresh), 503);
    assert.equal((await refresh()).status, 200);
    const redeem = await code();
    assert.equal(await losing(redeem), 503);
    assert.equal((await redeem()).body.error, 'invalid_grant');
  });

  it('survive the death of their connection: 503, nothing half done, and the same code works afterwards', async () => {
    const redeem = await code();
    const before = await stored();
    const blocker = await issuer.owner.connect();
    await blocker.query('begin');
    await blocker.query(`select 1 from oidc_objects where model = 'AuthorizationCode' for update`);
    const pending = redeem();
    await sleep(300);
    const killed = await blocker.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    const answer = await pending;
    await blocker.query('rollback');
    blocker.release();
    assert.equal(killed.rowCount, 1);
    assert.deepEqual([answer.status, answer.body.error], [503, 'temporarily_unavailable']);
    assert.deepEqual(await stored(), before);
    assert.equal((await redeem()).status, 200);
  });

  it('are one statement for a client’s own token as a JWT: its audit row', async () => {
    const request = () => issuer.token({ grant_type: 'client_credentials', resource: `${issuer.url}/api` }, basic('machine'));
    assert.equal((await request()).status, 200);
    assert.equal(await issuer.counted(request), 1);
  });

  it('are at most two statements for introspection and for userinfo', async () => {
    const { form } = await authorize(issuer, 'app', { scope: 'openid profile' });
    const { body } = await issuer.token(form, basic('app'));
    const introspect = async () => {
      const answer = await issuer.post('/token/introspection', { token: body.access_token }, basic('app'));
      assert.equal(answer.body['active'], true);
    };
    const userinfo = async () => {
      const answer = await issuer.get('/me', { authorization: `Bearer ${body.access_token}` });
      assert.equal(answer.body['given_name'], 'Ada');
    };
    for (const [name, act] of Object.entries({ introspect, userinfo })) {
      await act();
      const statements = await issuer.counted(act);
      assert.ok(statements <= 2, `${name}: ${statements}`);
    }
    const jwt = await authorize(issuer, 'app', { scope: 'openid api:read', resource: API });
    const token = (await issuer.token(jwt.form, basic('app'))).body.access_token;
    await issuer.addClient('rs', MACHINE);
    const ask = () => issuer.post('/token/introspection', { token }, basic('rs'));
    assert.equal((await ask()).body['active'], true);
    assert.ok((await issuer.counted(ask)) <= 2);
  });

  it('let no cookie and no address to go to leave where an authorization cannot be recorded', async () => {
    const { path } = authorization('app');
    const interactions = async () => (await issuer.owner.query(`select from oidc_objects where model = 'Interaction'`)).rowCount;
    const before = await interactions();
    const answer = await broken(REFUSE, ALLOW, () => issuer.get(path, { accept: 'text/html' }));
    assert.equal(answer.status, 503);
    assert.deepEqual([answer.headers.get('set-cookie'), answer.headers.get('location')], [null, null]);
    assert.match(answer.text, /temporarily_unavailable/);
    assert.equal(await interactions(), before);
  });

  it('are nothing at all for ids that cannot be ours, and these reach no query', async () => {
    const odd = ['\u0000', 'a\u0000b', 'ä', 'x'.repeat(40_000), "'; drop table users", '../x', ' '];
    for (const value of odd) {
      const answers = [
        await issuer.token({ grant_type: 'refresh_token', refresh_token: value }, basic('app')),
        await issuer.token(
          { grant_type: 'authorization_code', code: value, redirect_uri: 'https://app.test/cb', code_verifier: 'v'.repeat(43) },
          basic('app'),
        ),
        await issuer.post('/token/introspection', { token: value }, basic('app')),
        await issuer.post('/token/revocation', { token: value }, basic('app')),
        await issuer.get(`/auth?client_id=${encodeURIComponent(value.slice(0, 3000))}&response_type=code`),
      ];
      for (const { status, text } of answers) assert.ok(status < 500, `${JSON.stringify(value.slice(0, 20))}: ${status} ${text}`);
    }
    assert.deepEqual(
      issuer.state.errors.filter((error) => !/full|broken|lost|terminat/.test(String((error as { err?: unknown }).err))),
      [],
    );
  });
});
