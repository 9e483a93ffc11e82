import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import { systemClock } from '#src/core/clock.ts';
import { systemScope } from '#src/core/scope.ts';
import { ensureSecrets, rotateKeys, type SigningKeyDeps, TEND_JOB, tendKeys } from '#src/features/signing-keys/commands.ts';
import { SIGNING_ALGS } from '#src/features/signing-keys/index.ts';
import { signingKeyRoutes } from '#src/features/signing-keys/routes.ts';
import { type ChangeFeed, createChangeFeed } from '#src/infra/change-feed.ts';
import { createKeys, type Keys } from '#src/oidc/keys.ts';
import { createTokenState } from '#src/oidc/token-state.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

const schedule = { jwksMaxAgeSeconds: 1, marginSeconds: 0, periodSeconds: 3600, longestTokenSeconds: 3600 };

describe('signing keys', function () {
  this.timeout(60_000);
  let api: ApiHarness;
  let deps: SigningKeyDeps;
  let feeds: ChangeFeed[];
  let nodes: Keys[];
  const scope = (): ReturnType<typeof systemScope> => systemScope(api.rootTenantId, 'keys');

  before(async () => {
    api = await startApi(({ db, box, transact }) => {
      deps = { db, box, transact, schedule };
      return signingKeyRoutes(deps);
    });
    // Several nodes start at the same instant on an empty database.
    await Promise.all([tendKeys(deps, scope()), tendKeys(deps, scope()), tendKeys(deps, scope())]);
    await Promise.all([ensureSecrets(deps, scope(), ['dpop-nonce']), ensureSecrets(deps, scope(), ['dpop-nonce'])]);
    feeds = [await createChangeFeed(api.db, { intervalMs: 60_000 }), await createChangeFeed(api.db, { intervalMs: 60_000 })];
    nodes = await Promise.all(feeds.map((feed) => createKeys({ db: api.db, box: api.box, feed, cookieKeys: ['cookie-key'] })));
  });
  after(async () => {
    for (const feed of feeds) await feed.stop();
    await api.close();
  });

  const states = async (alg: string): Promise<Record<string, string[]>> => {
    const { rows } = await api.owner.query('select kid, state from signing_keys where alg = $1 order by created_at', [alg]);
    const found: Record<string, string[]> = {};
    for (const { kid, state } of rows) found[state] = [...(found[state] ?? []), kid];
    return found;
  };
  const within = async (ms: number, holds: () => boolean): Promise<void> => {
    const end = performance.now() + ms;
    while (!holds()) {
      assert.ok(performance.now() < end, `not within ${ms} ms`);
      await sleep(10);
    }
  };

  it('are made once, although several nodes start together: one that signs and one that waits of each kind', async () => {
    for (const alg of SIGNING_ALGS) {
      const { active, next, ...rest } = await states(alg);
      assert.deepEqual([active?.length, next?.length, rest], [1, 1, {}]);
    }
    const { rows } = await api.owner.query('select kind from server_secrets');
    assert.deepEqual(rows, [{ kind: 'dpop-nonce' }]);
    assert.equal(nodes[0]!.dpopNonceSecret().length, 32);
    assert.deepEqual(nodes[0]!.dpopNonceSecret(), nodes[1]!.dpopNonceSecret());
    const rsa = nodes[0]!.publicJwks().keys.find(({ kty }) => kty === 'RSA');
    assert.equal(Buffer.from(rsa!.n!, 'base64url').length * 8, 3072);
  });

  it('lie sealed in the database, and only public parts are shown', async () => {
    const { rows } = await api.owner.query('select encode(sealed, $1) as sealed, public_jwk from signing_keys', ['escape']);
    for (const { sealed, public_jwk } of rows) {
      assert.doesNotMatch(sealed, /"d"|"kty"/);
      assert.equal('d' in public_jwk, false);
    }
    for (const jwk of nodes[0]!.publicJwks().keys)
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.equal(secret in jwk, false);
    const { body } = await api.call(api.tokenOf({ tenantId: api.rootTenantId }), 'GET /api/signing-keys');
    assert.equal(body.items?.length, 6);
    assert.doesNotMatch(JSON.stringify(body), /"(d|sealed|privateJwk)"/);
  });

  it('the one that signs comes first of its kind', async () => {
    for (const alg of SIGNING_ALGS) {
      const { active, next } = await states(alg);
      const kids = nodes[0]!.jwks().flatMap((jwk) => (jwk.alg === alg ? [jwk.kid] : []));
      assert.deepEqual(kids, [active![0], next![0]]);
      assert.equal(nodes[0]!.signingKey(alg).kid, active![0]);
    }
  });

  it('are the business of the installation, not of a tenant', async () => {
    const tenant = api.tokenOf({ tenantId: api.tenants[0] });
    assert.equal((await api.call(tenant, 'GET /api/signing-keys')).status, 403);
    assert.equal((await api.call(tenant, 'POST /api/signing-keys/rotate', { body: { mode: 'emergency' } })).status, 403);
    await assert.rejects(rotateKeys(deps, { ...scope(), platform: false }, { mode: 'scheduled' }), { status: 403 });
    assert.equal(
      (await api.call(api.tokenOf({ tenantId: api.rootTenantId }), 'POST /api/signing-keys/rotate', { body: { mode: 'now' } })).status,
      422,
    );
  });

  it('scheduled rotation waits until the next keys were published for long enough, then every node signs with them', async () => {
    const before = await states('ES256');
    await api.owner.query(`update signing_keys set published_at = clock_timestamp() where state = 'next'`);
    const token = api.tokenOf({ tenantId: api.rootTenantId });
    const early = await api.call(token, 'POST /api/signing-keys/rotate', { body: { mode: 'scheduled' } });
    assert.deepEqual([early.status, early.body.done], [202, false]);
    assert.deepEqual(await states('ES256'), before, 'nothing signs yet that not everybody may have seen');
    const { rows } = await api.owner.query(
      `select payload, run_at from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id where t.identifier = $1`,
      [TEND_JOB],
    );
    assert.equal(rows.length, 1, 'a job will do it');
    await sleep(Math.max(0, new Date(String(early.body['effectiveAt'])).getTime() - Date.now()) + 50);
    const old = nodes.map((node) => node.signingKey('ES256').kid);
    await Promise.all([
      tendKeys(deps, scope(), rows[0].payload),
      tendKeys(deps, scope(), rows[0].payload),
      tendKeys(deps, scope(), rows[0].payload),
    ]);
    const after = await states('ES256');
    assert.deepEqual(
      [after['active'], after['retired'], after['next']?.length],
      [before['next'], before['active'], 1],
      'one step, although three took it',
    );
    await within(5000, () => nodes.every((node) => node.signingKey('ES256').kid === after['active']![0]));
    for (const node of nodes) {
      assert.ok(
        node.publicJwks().keys.some(({ kid }) => kid === old[0]),
        'the old key is still published',
      );
    }
  });

  it('emergency rotation withdraws what has signed from every node, by notification alone; its tokens are good no more', async () => {
    const node = nodes[1]!;
    const state = createTokenState({ db: api.db, keys: node, clock: systemClock });
    const key = node.signingKey('RS256');
    const issuer = 'https://op.test';
    const sign = (): Promise<string> =>
      new SignJWT({ client_id: 'c', jti: 'j' })
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setSubject('c')
        .setAudience(`${issuer}/api`)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(key);
    const jwt = await sign();
    assert.ok(await state.verifyAccessToken(jwt, { issuer }));
    await jwtVerify(jwt, createLocalJWKSet(node.publicJwks()));

    const { status, body } = await api.call(api.tokenOf({ tenantId: api.rootTenantId }), 'POST /api/signing-keys/rotate', {
      body: { mode: 'emergency' },
    });
    assert.deepEqual([status, body.done], [200, true]);
    await within(5000, () => nodes.every((one) => !one.publicJwks().keys.some(({ kid }) => kid === key.kid)));
    assert.equal(await state.verifyAccessToken(jwt, { issuer }), undefined);
    assert.equal(await state.verifyAccessToken(await sign(), { issuer }), undefined);
    const { rows } = await api.owner.query(`select octet_length(sealed) as bytes from signing_keys where state = 'revoked'`);
    assert.ok(rows.length >= 3);
    assert.deepEqual(new Set(rows.map(({ bytes }) => bytes)), new Set([0]), 'the private part is gone');
  });

  it('emergencies that are declared at the same time leave one signing key of each kind', async () => {
    await Promise.all([1, 2, 3].map(() => rotateKeys(deps, scope(), { mode: 'emergency', algs: ['ES256', 'EdDSA'] })));
    for (const alg of ['ES256', 'EdDSA']) {
      const { active, next } = await states(alg);
      assert.deepEqual([active?.length, next?.length], [1, 1]);
    }
  });

  it('every step is in the audit log, and nothing of a key is', async () => {
    const { rows } = await api.owner.query(`select type, data::text as data from audit_events where type like 'signing_key%'`);
    const types = new Set(rows.map(({ type }) => type));
    for (const verb of ['created', 'activated', 'retired', 'revoked']) assert.ok(types.has(`signing_key.${verb}`), verb);
    assert.ok(types.has('signing_keys.rotation_requested'));
    for (const { data } of rows) assert.doesNotMatch(data, /"d"|sealed/);
  });
});
