import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { Connection } from '#src/features/connections/index.ts';
import { connectionRoutes } from '#src/features/connections/routes.ts';
import { openSecrets } from '#src/features/connections/secrets.ts';
import { connectionsOf, tenantOfConnection } from '#src/features/connections/store.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { type ApiAnswer, type ApiHarness, startApi } from '#test/support/api.ts';

const changed: string[] = [];
const start = (): Promise<ApiHarness> =>
  startApi(({ db, box, transact, tenants }) =>
    connectionRoutes({
      db,
      box,
      transact,
      domainsOf: async (tenantId) => (tenantId === tenants[0] ? ['corp.test', 'other.test'] : []),
      outboundAllowHosts: ['localhost'],
      changed: (tenantId) => void changed.push(tenantId),
    }),
  );

const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const OIDC = { kind: 'oidc', name: 'Partner', issuer: 'https://idp.test', clientId: 'gatehouse', clientSecret: 'secret-of-the-connection' };
const APPLE = { kind: 'apple', name: 'Apple', clientId: 'test.app', issuer: undefined, clientSecret: undefined };

describeApiResource({
  path: '/api/connections',
  permissions: { read: 'connections.read', write: 'connections.write' },
  start,
  valid: (number) => ({ ...OIDC, key: `partner-${number}` }),
  change: { name: 'Changed', enabled: false },
  invalid: {
    'a kind that is none': { kind: 'myspace' },
    'a key with capitals': { key: 'Partner' },
    'a key that ends in a hyphen': { key: 'partner-' },
    'a blank name': { name: '  ' },
    'an oidc connection without an issuer': { issuer: undefined },
    'an issuer by plain http': { issuer: 'http://idp.test' },
    'an issuer of another scheme': { issuer: 'file:///etc/passwd' },
    'an issuer with a fragment': { issuer: 'https://idp.test/#x' },
    'an issuer with a query': { issuer: 'https://idp.test/?x' },
    'an issuer with credentials': { issuer: 'https://a:b@idp.test/' },
    'an issuer for a kind that has its own': { kind: 'google' },
    'a secret that is missing': { kind: 'google', issuer: undefined, clientSecret: undefined },
    'an issuer that is not Microsoft’s': { kind: 'microsoft', issuer: 'https://idp.test/common/v2.0' },
    'apple without its key': { ...APPLE },
    'apple with a key that is none': { ...APPLE, options: { apple: { teamId: 'ABCDE12345', keyId: 'ABCDE12345', privateKey: 'x' } } },
    'apple with a key of another kind': { ...APPLE, options: { apple: { teamId: 'ABCDE12345', keyId: 'ABCDE12345', privateKey: rsa } } },
    'apple’s options for another': { options: { apple: { teamId: 'ABCDE12345', keyId: 'ABCDE12345' } } },
    'a claim that is not ours': { options: { claims: { is_admin: 'roles' } } },
    'options that are unknown': { options: { nonsense: true } },
    'a domain that is not the tenant’s': { domains: ['elsewhere.test'] },
    'a domain below a verified one': { domains: ['sub.corp.test'] },
    'a domain that ends like a verified one': { domains: ['evilcorp.test'] },
    'a domain twice': { domains: ['corp.test', 'CORP.test'] },
    'the word of a provider that gives none': { kind: 'github', issuer: undefined, options: { trustUpstreamAmr: true } },
  },
  takenCode: 'connection.key_taken',
  textMember: 'name',
});

describe('connections', () => {
  let api: ApiHarness;
  let token: string;
  before(async () => {
    api = await start();
    token = api.tokenOf({ tenantId: api.tenants[0] });
  });
  after(() => api.close());

  const post = (body: object, as = token): Promise<ApiAnswer> => api.call(as, 'POST /api/connections', { body });
  const secretsOf = async (id: unknown) => {
    const { rows } = await api.owner.query('select secret_sealed from connections where id = $1', [id]);
    return openSecrets(api.box, String(id), rows[0].secret_sealed);
  };

  it('keep their secrets sealed, answer them nowhere, and keep them through changes that do not name them', async () => {
    const made = await post({ ...OIDC, key: 'secretive' });
    const path = `/api/connections/${made.body['id']}`;
    assert.equal(made.body['hasClientSecret'], true);
    const { rows } = await api.owner.query('select secret_sealed from connections where id = $1', [made.body['id']]);
    assert.ok(!rows[0].secret_sealed.includes(OIDC.clientSecret));
    const { clientSecret: _secret, kind: _kind, ...others } = OIDC;
    const answers = [
      made,
      await api.call(token, `GET ${path}`),
      await api.call(token, 'GET /api/connections'),
      await api.call(token, `PATCH ${path}`, { body: { name: 'Other' } }),
      await api.call(token, `PUT ${path}`, { body: { ...others, name: 'Third' } }),
    ];
    for (const answer of answers) assert.ok(answer.status < 300 && !answer.text.includes(OIDC.clientSecret), answer.text);
    assert.deepEqual(await secretsOf(made.body['id']), { clientSecret: OIDC.clientSecret });
    await api.call(token, `PATCH ${path}`, { body: { clientSecret: 'rotated-secret-0123' } });
    assert.deepEqual(await secretsOf(made.body['id']), { clientSecret: 'rotated-secret-0123' });
    const gone = await api.call(token, `PATCH ${path}`, { body: { clientSecret: null } });
    assert.equal(gone.body['hasClientSecret'], false);
    assert.deepEqual(await secretsOf(made.body['id']), {});
    const audit = await api.owner.query(`select data::text as data from audit_events where type like 'connection.%'`);
    assert.ok(audit.rows.length >= 5, `only ${audit.rows.length}`);
    assert.ok(audit.rows.every(({ data }) => !data.includes('rotated') && !data.includes(OIDC.clientSecret)));
  });

  it('keep Apple’s private key sealed, and ask for it once', async () => {
    const apple = { teamId: 'ABCDE12345', keyId: 'KLMNO67890' };
    const made = await post({ kind: 'apple', name: 'Apple', clientId: 'test.app', options: { apple: { ...apple, privateKey: pem } } });
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.body['options'], { apple });
    assert.equal(made.body['key'], 'apple');
    const patched = await api.call(token, `PATCH /api/connections/${made.body['id']}`, { body: { options: { refreshProfile: true } } });
    assert.deepEqual([patched.status, patched.body['options']], [200, { apple, refreshProfile: true }]);
    assert.deepEqual(await secretsOf(made.body['id']), { privateKey: pem });
  });

  it('B7 may not be called as another kind, and say so as if the name were taken', async () => {
    const other = api.tokenOf({ tenantId: api.tenants[1] });
    for (const key of ['google', 'apple', 'microsoft']) {
      const answer = await post({ ...OIDC, key }, other);
      assert.deepEqual([answer.status, answer.body['code']], [409, 'connection.key_taken']);
    }
    const google = await post({ kind: 'google', name: 'Google', clientId: 'x', clientSecret: 'y' }, other);
    assert.deepEqual([google.status, google.body['key']], [201, 'google']);
  });

  it('share no domain, also in parallel', async () => {
    const answers = await Promise.all(['d-1', 'd-2', 'd-3'].map((key) => post({ ...OIDC, key, domains: ['Corp.test'] })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
    assert.equal(answers.find(({ status }) => status === 409)?.body['code'], 'connection.domain_taken');
    const other = await post({ ...OIDC, key: 'd-4', domains: ['other.test'] });
    const moved = await api.call(token, `PATCH /api/connections/${other.body['id']}`, { body: { domains: ['other.test', 'corp.test'] } });
    assert.deepEqual([moved.status, moved.body['code']], [409, 'connection.domain_taken']);
  });

  it('keep their kind', async () => {
    const made = await post({ ...OIDC, key: 'kept' });
    const answer = await api.call(token, `PATCH /api/connections/${made.body['id']}`, { body: { kind: 'github', issuer: null } });
    assert.equal(answer.status, 422, answer.text);
  });

  it('count towards the limit of the tenant', async () => {
    const limited = api.tokenOf({ tenantId: api.tenants[1] });
    const { rows } = await api.owner.query('select count(*)::int as count from connections where tenant_id = $1', [api.tenants[1]]);
    await api.owner.query(`select set_tenant_limit($1, 'connections', $2)`, [api.tenants[1], rows[0].count + 1]);
    assert.equal((await post({ ...OIDC, key: 'last' }, limited)).status, 201);
    const over = await post({ ...OIDC, key: 'over' }, limited);
    assert.deepEqual([over.status, over.body['code'], over.body['limit']], [409, 'limit.reached', 'connections']);
  });

  it('are what sign-in sees, in their order, and known by id whichever tenant they are of', async () => {
    const seen = await connectionsOf(api.db, api.tenants[0]);
    const keys: Connection['key'][] = seen.map(({ key }) => key);
    assert.deepEqual(keys.slice(0, 2), ['secretive', 'apple']);
    assert.equal(await tenantOfConnection(api.db, seen[0]!.id), api.tenants[0]);
    assert.equal(await tenantOfConnection(api.db, '../..'), undefined);
    assert.ok(changed.includes(api.tenants[0]));
  });
});
