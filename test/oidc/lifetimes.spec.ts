import assert from 'node:assert/strict';
import { addSeconds, systemClock } from '#src/core/clock.ts';
import { Browser } from '#test/support/browser.ts';
import { authorization, authorize, basic, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

// Rows are aged in the database: whatever says when something began is moved into the past.
describe('lifetimes', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer({
      lifetimes: { refreshTokenIdle: 100, refreshTokenAbsolute: 1000, sessionIdle: 500, sessionAbsolute: 2000 },
    });
    await issuer.addClient('app', {}, { first_party: true });
  });
  after(() => issuer.close());

  const now = () => Math.floor(systemClock.now().getTime() / 1000);
  const expOf = async (model: string): Promise<number> => {
    const text = `select (payload ->> 'exp')::int as exp from oidc_objects where model = $1 order by created_at desc limit 1`;
    return (await issuer.owner.query<{ exp: number }>(text, [model])).rows[0]!.exp;
  };
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) <= 3, `${actual - now()} s, not ${expected - now()} s`);

  it('a refresh token ends when idle, and each refresh moves that, up to an absolute end', async () => {
    const { form } = await authorize(issuer, 'app');
    const first = await issuer.token(form, basic('app'));
    near(await expOf('RefreshToken'), now() + 100);
    await issuer.owner.query(
      `update oidc_objects set payload = payload || jsonb_build_object('iiat', $1::int) where model = 'RefreshToken'`,
      [now() - 950],
    );
    const next = await issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app'));
    assert.equal(next.status, 200, next.text);
    near(await expOf('RefreshToken'), now() + 50);
    await issuer.owner.query(
      `update oidc_objects set payload = payload || jsonb_build_object('exp', $1::int) where model = 'RefreshToken'`,
      [now() - 30],
    );
    assert.equal(
      (await issuer.token({ grant_type: 'refresh_token', refresh_token: next.body.refresh_token }, basic('app'))).body.error,
      'invalid_grant',
    );
  });

  it('a session ends when idle, and each visit moves that, up to an absolute end', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'app', {}, browser);
    const text = 'select floor(extract(epoch from expires_at))::int as exp from oidc_sessions order by created_at desc limit 1';
    const expiry = async () => (await issuer.owner.query<{ exp: number }>(text)).rows[0]!.exp;
    near(await expiry(), now() + 500);
    await issuer.owner.query(`update oidc_sessions set payload = payload || jsonb_build_object('loginTs', $1::int)`, [now() - 1900]);
    await authorize(issuer, 'app', { prompt: 'none' }, browser);
    near(await expiry(), now() + 100);
    await issuer.owner.query('update oidc_sessions set expires_at = $1', [addSeconds(systemClock.now(), -1)]);
    const { location } = await browser.go(authorization('app', { prompt: 'none' }).path);
    assert.equal(location?.searchParams.get('error'), 'login_required');
  });

  it('a code lives a minute, and a grant as long as refresh tokens that are made from now on', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'app', {}, browser);
    near(await expOf('AuthorizationCode'), now() + 60);
    await issuer.owner.query(`update oidc_grants set payload = payload || jsonb_build_object('exp', $1::int)`, [now() + 20]);
    await authorize(issuer, 'app', { prompt: 'none' }, browser);
    const { rows } = await issuer.owner.query<{ exp: number }>(
      `select (payload ->> 'exp')::int as exp from oidc_grants order by created_at desc limit 1`,
    );
    near(rows[0]!.exp, now() + 1000);
  });

  it('expired codes redeem nothing', async () => {
    const { form } = await authorize(issuer, 'app');
    await issuer.owner.query(
      `update oidc_objects set payload = payload || jsonb_build_object('exp', $1::int) where model = 'AuthorizationCode'`,
      [now() - 30],
    );
    assert.equal((await issuer.token(form, basic('app'))).body.error, 'invalid_grant');
  });
});
